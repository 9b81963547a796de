"""Layers compute what they say, in float32 and under a recipe; models are built of them."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.nn import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential, Tanh
from extensor.ops.operands import gemm_of
from extensor.recipe import NAMED
from tests.recipes.steps import Array, nodes, normal


def convolved(x: Array, w: Array, stride: int, padding: int) -> Array:
    """y[n, o, i, j] = sum over c, u, v of x[n, c, i s + u, j s + v] w[o, c, u, v], in float64."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))
    return np.asarray(np.einsum("ncijuv,ocuv->noij", windows[:, :, ::stride, ::stride], w))


def test_linear_is_its_formula() -> None:
    layer = Linear(7, 5, key=ex.key(0))
    x = normal(0, 2, 3, 7)
    assert layer.bias is not None
    layer.bias.storage.array[...] = normal(1, 5)  # type: ignore[union-attr]
    wanted = x @ layer.weight.numpy().T + layer.bias.numpy()
    np.testing.assert_allclose(layer(x).numpy(), wanted, rtol=1e-5, atol=1e-6)
    assert Linear(7, 5, bias=False).bias is None
    bare = Linear(7, 5, bias=False, key=ex.key(0))
    np.testing.assert_allclose(bare(x).numpy(), x @ bare.weight.numpy().T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("window", [(3, 1, 0), (5, 2, 2), (1, 1, 0)])
def test_conv2d_is_its_formula(window: tuple[int, int, int]) -> None:
    kernel, stride, padding = window
    layer = Conv2d(3, 4, kernel, stride=stride, padding=padding, key=ex.key(0))
    x = normal(0, 2, 3, 11, 9)
    assert layer.bias is not None
    layer.bias.storage.array[...] = normal(1, 4)  # type: ignore[union-attr]
    wanted = convolved(x, layer.weight.numpy(), stride, padding)
    wanted += layer.bias.numpy().reshape(1, -1, 1, 1)
    np.testing.assert_allclose(layer(x).numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in NAMED if n != "fp32"])
@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_a_recipe_stays_near_the_plain_layer(name: str, kind: str) -> None:
    """Output and all gradients, relative to the float32 layer: within the noise of the format."""
    recipe, results = ex.recipes.get(name), []
    x = normal(0, 64, 48) if kind == "linear" else normal(0, 4, 3, 10, 10)
    for chosen in (recipe, None):
        layer: Linear | Conv2d
        if kind == "linear":
            layer = Linear(48, 32, recipe=chosen, key=ex.key(0))
        else:
            layer = Conv2d(3, 8, 3, recipe=chosen, key=ex.key(0))
        tensor = ex.asarray(x, requires_grad=True)
        y = layer(tensor, key=ex.key(1))
        y.backward(ex.asarray(normal(2, *y.shape)))
        assert tensor.grad is not None and layer.weight.grad is not None
        results.append([y, tensor.grad, layer.weight.grad])
    limit = {"bf16": 1e-4, "mxfp8": 3e-3}.get(name.removesuffix("-grad"), 0.12)
    for found, plain in zip(*results, strict=True):
        error = np.square(found.numpy() - plain.numpy()).sum() / np.square(plain.numpy()).sum()
        assert error < limit
    assert (results[0][0].numpy() == results[1][0].numpy()).all() == name.endswith("-grad")


def test_the_fp32_recipe_is_the_plain_layer() -> None:
    x = normal(0, 4, 8)
    plain, named = Linear(8, 3), Linear(8, 3, recipe=ex.recipes.get("fp32"))
    np.testing.assert_array_equal(plain(x).numpy(), named(x).numpy())


def test_bias_gradients_come_from_the_raw_g() -> None:
    """Of a convolution: the sum over images and positions, unquantized."""
    layer = Conv2d(2, 3, 3, recipe=ex.recipes.get("mxfp4-naive"), key=ex.key(0))
    y = layer(normal(0, 4, 2, 6, 6))
    g = normal(1, *y.shape)
    y.backward(ex.asarray(g))
    assert layer.bias is not None and layer.bias.grad is not None
    np.testing.assert_allclose(layer.bias.grad.numpy(), g.sum((0, 2, 3)), rtol=1e-5, atol=1e-5)


def test_pooling_and_activations() -> None:
    x = normal(0, 2, 3, 4, 6)
    windows = x.reshape(2, 3, 2, 2, 3, 2)
    np.testing.assert_array_equal(MaxPool2d(2)(x).numpy(), windows.max((3, 5)))
    np.testing.assert_allclose(AvgPool2d(2)(x).numpy(), windows.mean((3, 5)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ReLU()(x).numpy(), np.maximum(x, 0))
    np.testing.assert_allclose(Tanh()(x).numpy(), np.tanh(x), rtol=1e-6)
    assert Flatten()(x).shape == (2, 72)
    assert MaxPool2d(3, stride=2, padding=1)(x).shape == (2, 3, 2, 3)


def test_sequential_gives_each_layer_its_key() -> None:
    recipe = ex.recipes.get("mxfp4-rht-sr")
    one, two = (Linear(32, 32, recipe=recipe, key=ex.key(i)) for i in (0, 1))
    x = normal(0, 4, 32)
    chained = Sequential(one, ReLU(), two)(x, key=ex.key(5))
    by_hand = two(ReLU()(one(x, key=ex.key(5).fold(0))), key=ex.key(5).fold(2))
    np.testing.assert_array_equal(chained.numpy(), by_hand.numpy())


def test_operands_of_a_gemm_share_signs_and_never_draws() -> None:
    recipe, key = ex.recipes.get("mxfp4-rht-sr"), ex.key(9)
    seen: list[Any] = []
    for name in ("dgrad", "wgrad"):
        gemm = gemm_of(recipe, name, key)
        signs = [q.signs for q in (gemm.first, gemm.second) if isinstance(q, ex.Quantizer)]
        assert signs[0] == signs[1] is not None
        seen += [*gemm.keys, signs[0]]
    assert len(set(seen)) == 6
    fixed = [gemm_of(ex.recipes.get("nvfp4"), "wgrad", ex.key(i)).first for i in (0, 1)]
    assert fixed[0] == fixed[1], "nvfp4 has one fixed vector of signs"


def test_initial_weights_are_a_function_of_the_key() -> None:
    """U(-sqrt(3/fan in), sqrt(3/fan in)), variance 1/fan in; biases begin at 0."""
    one, same, other = (Linear(400, 120, key=ex.key(i)) for i in (0, 0, 1))
    assert (one.weight.numpy() == same.weight.numpy()).all()
    assert not (one.weight.numpy() == other.weight.numpy()).any()
    w = one.weight.numpy()
    assert 0.999 < np.abs(w).max() * np.sqrt(400 / 3) < 1
    assert w.std() == pytest.approx(0.05, rel=0.01) and abs(w.mean()) < 0.0005
    assert one.bias is not None and not one.bias.numpy().any()
    conv = Conv2d(4, 8, (2, 2), key=ex.key(0)).weight.numpy()
    assert conv.shape == (8, 4, 2, 2) and np.abs(conv).max() < np.sqrt(3 / 16)


@pytest.mark.parametrize("recipe", [None, "fp32", "mxfp4-sr-grad", "nvfp4"])
def test_lenet(recipe: str | None) -> None:
    """61,706 parameters (LeCun et al. 1998 count 60,000 with fewer connections)."""
    model = ex.models.LeNet5(recipe=recipe, key=ex.key(0))
    parameters = model.parameters()
    assert sum(p.size for p in parameters.values()) == 61_706
    assert list(parameters)[:4] == ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]
    y = model(normal(0, 3, 1, 28, 28), key=ex.key(1))
    assert y.shape == (3, 10) and y.dtype == ex.float32
    assert ex.models.LeNet5(num_classes=47)(normal(0, 1, 1, 28, 28)).shape == (1, 47)


@pytest.mark.parametrize("kind", [ex.models.LeNet5, ex.models.MLP])
def test_layers_of_a_model_draw_differently(kind: Any) -> None:
    """Every layer of a call has its own key, and another one under another key of the call."""
    model, x = kind(recipe="mxfp4-sr", key=ex.key(0)), normal(0, 2, 1, 28, 28)
    drawn = [
        node.attributes["key"]
        for key in (ex.key(0), ex.key(1))
        for node in nodes(model(x, key=key))
        if node.op.name in ("linear", "conv")
    ]
    assert len(drawn) == len(set(drawn)) == 2 * len(list(model.parameters())) // 2
