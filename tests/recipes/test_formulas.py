"""The straight-through gradients of the layers equal their written formula, bit for bit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import extensor as ex
from tests.recipes.steps import PACKED, Floats, gemm_by_hand, normal

FULL = [name for name in PACKED if not name.endswith("-grad")]


def equal(found: Any, wanted: Floats) -> None:
    """Raise unless two tensors of float32 have the same bits."""
    ex.testing.assert_bits_equal(np.ascontiguousarray(found.numpy()), wanted)


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize("shape", [(37, 70, 50), (1, 33, 1), (64, 32, 16), (5, 1, 31)])
def test_linear(name: str, shape: tuple[int, int, int]) -> None:
    """y = Q(x) Q(W)ᵀ, dx = Q(g) Q(W), dw = Q(g)ᵀ Q(x): six operands, each from the raw tensor."""
    t, k, n = shape
    recipe, key = ex.recipes.get(name), ex.key(3)
    layer = ex.nn.Linear(k, n, recipe=recipe, key=ex.key(0))
    x, g, w = normal(1, t, k), normal(2, t, n), layer.weight.numpy()
    tensor = ex.asarray(x, requires_grad=True)
    bias = layer.bias
    assert bias is not None
    bias.storage.array[...] = normal(4, n)  # type: ignore[union-attr]
    y = layer(tensor, key=key)
    y.backward(ex.asarray(g))
    equal(y, gemm_by_hand(recipe, "fprop", key, x, w, 1, 1) + bias.numpy())
    equal(tensor.grad, gemm_by_hand(recipe, "dgrad", key, g, w, 1, 0))
    equal(layer.weight.grad, gemm_by_hand(recipe, "wgrad", key, g, x, 0, 0))
    equal(bias.grad, g.sum(axis=0))  # of the unquantized g


def patches(x: Floats, kernel: int, stride: int, padding: int) -> Floats:
    """The patches of images as rows (n, i, j), columns (c, u, v)."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))
    rows = windows[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5)
    return np.ascontiguousarray(rows).reshape(-1, x.shape[1] * kernel * kernel)


def folded(rows: Floats, shape: tuple[int, ...], kernel: int, stride: int, padding: int) -> Floats:
    """The transpose of `patches`: every pixel adds its copies, windows in order."""
    n, c, h, w = shape
    dx = np.zeros((n, c, h + 2 * padding, w + 2 * padding), np.float32)
    ho, wo = ((m + 2 * padding - kernel) // stride + 1 for m in (h, w))
    parts = rows.reshape(n, ho, wo, c, kernel, kernel)
    for i in range(ho):
        for j in range(wo):
            top, left = i * stride, j * stride
            dx[:, :, top : top + kernel, left : left + kernel] += parts[:, i, j]
    return dx[:, :, padding : padding + h, padding : padding + w]


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize("window", [(5, 1, 2), (3, 2, 1), (2, 2, 0)])
def test_conv2d(name: str, window: tuple[int, int, int]) -> None:
    """The same three products with x its patches; dx is folded back."""
    kernel, stride, padding = window
    recipe, key = ex.recipes.get(name), ex.key(5)
    layer = ex.nn.Conv2d(3, 7, kernel, stride=stride, padding=padding, recipe=recipe, bias=False)
    x = normal(1, 2, 3, 9, 9)
    tensor = ex.asarray(x, requires_grad=True)
    y = layer(tensor, key=key)
    g = normal(2, *y.shape)
    y.backward(ex.asarray(g))
    cols, w = patches(x, *window), layer.weight.numpy().reshape(7, -1)
    rows = np.ascontiguousarray(g.transpose(0, 2, 3, 1)).reshape(-1, 7)
    forward = gemm_by_hand(recipe, "fprop", key, cols, w, 1, 1)
    equal(y, np.ascontiguousarray(forward.reshape(2, *y.shape[2:], 7).transpose(0, 3, 1, 2)))
    dx = gemm_by_hand(recipe, "dgrad", key, rows, w, 1, 0)
    equal(tensor.grad, np.ascontiguousarray(folded(dx, x.shape, *window)))
    dw = gemm_by_hand(recipe, "wgrad", key, rows, cols, 0, 0)
    equal(layer.weight.grad, dw.reshape(layer.weight.shape))


@pytest.mark.parametrize("name", [f"{name}-grad" for name in FULL])
def test_a_grad_recipe_is_plain_forward_and_the_same_backward(name: str) -> None:
    full = ex.nn.Linear(70, 50, recipe=ex.recipes.get(name.removesuffix("-grad")), bias=False)
    half = ex.nn.Linear(70, 50, recipe=ex.recipes.get(name), bias=False)
    plain = ex.nn.Linear(70, 50, bias=False)
    x, g, grads = normal(1, 37, 70), normal(2, 37, 50), []
    for layer in (full, half):
        tensor = ex.asarray(x, requires_grad=True)
        y = layer(tensor, key=ex.key(3))
        y.backward(ex.asarray(g))
        grads.append((tensor.grad, layer.weight.grad))
    equal(y, plain(x).numpy())
    for one, other in zip(*grads, strict=True):
        equal(one, np.ascontiguousarray(other.numpy()))


@pytest.mark.parametrize("name", FULL)
def test_linear_gemms_are_those_of_the_layer(name: str) -> None:
    recipe, key = ex.recipes.get(name), ex.key(8)
    layer = ex.nn.Linear(70, 50, recipe=recipe, bias=False)
    x, g = normal(1, 37, 70), normal(2, 37, 50)
    tensor = ex.asarray(x, requires_grad=True)
    layer(tensor, key=key).backward(ex.asarray(g))
    y, dx, dw = ex.recipes.linear_gemms(recipe, x, layer.weight, g, key=key)
    equal(layer(x, key=key), y)
    equal(tensor.grad, dx)
    equal(layer.weight.grad, dw)


@pytest.mark.parametrize("name", FULL)
def test_the_formula_is_near_the_plain_gradient(name: str) -> None:
    """The formula itself means dx = g W and dw = gᵀ x: within the noise of the formats."""
    recipe, key = ex.recipes.get(name), ex.key(4)
    x, w, g = normal(1, 256, 96), normal(2, 80, 96), normal(3, 256, 80)
    wanted = (x @ w.T, g @ w, g.T @ x)
    for found, plain in zip(ex.recipes.linear_gemms(recipe, x, w, g, key=key), wanted, strict=True):
        error = np.square(found - plain).sum() / np.square(plain).sum()
        assert error < (0.003 if name == "mxfp8" else 0.09), error


def test_undoing_the_prescale_is_needed() -> None:
    """Without the 16/9 the products of two operands scaled by 3/4 are 9/16 of what they mean."""
    recipe, key = ex.recipes.get("mxfp4-rht-sr"), ex.key(4)
    x, w, g = normal(1, 256, 96), normal(2, 80, 96), normal(3, 256, 80)
    _, dx, dw = ex.recipes.linear_gemms(recipe, x, w, g, key=key)
    for found, plain in ((dx, g @ w), (dw, g.T @ x)):
        slope = float((found * plain).sum() / np.square(plain).sum())
        assert slope == pytest.approx(1, abs=0.02)


def test_the_six_keys_differ() -> None:
    """Operands of equal values and equal shape get different draws, and fresh signs a GEMM."""
    x = np.full((64, 64), 0.3, np.float32)
    q = ex.Quantizer(ex.mxfp4, rounding="stochastic")
    codes = [
        ex.quantize(x, q, key=ex.key(0).fold(gemm).fold(number)).codes.tobytes()
        for gemm in range(3)
        for number in range(2)
    ]
    assert len(set(codes)) == 6


def test_tiles_of_w_are_the_same_both_ways() -> None:
    """16 x 16 tiles transpose exactly, so nvfp4's dgrad reads the W of fprop; 1 x 16 do not."""
    w = normal(0, 80, 48)
    for fmt, same in ((ex.nvfp4_2d, True), (ex.nvfp4, False)):
        along_k, along_n = ex.quantize(w, fmt, axis=1), ex.quantize(w, fmt, axis=0)
        assert np.array_equal(along_k.numpy(), along_n.numpy()) == same
        turned = ex.quantize(np.ascontiguousarray(w.T), fmt, axis=1)
        assert np.array_equal(turned.numpy().T, along_k.numpy()) == same


def test_the_wrong_quantizer_is_noticed() -> None:
    """The comparison has teeth: another scale rule on one operand of wgrad changes bits."""
    recipe = ex.recipes.get("mxfp4-sr")
    other = replace(recipe.wgrad[1], scale_rule="floor")  # type: ignore[type-var]
    planted = replace(recipe, wgrad=(recipe.wgrad[0], other))
    args = (ex.key(3), normal(1, 64, 32), normal(2, 64, 40), 0, 0)
    one, two = (gemm_by_hand(r, "wgrad", *args) for r in (recipe, planted))
    assert not np.array_equal(one, two)
