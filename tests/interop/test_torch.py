"""The bridge to PyTorch: the three GEMMs have our bits, and nothing is copied on the way."""

import copy
from functools import partial
from typing import Any

import pytest

import extensor as ex
from extensor.recipe import get

pytest.importorskip("torch", reason="PyTorch is not installed")

from tests.interop.bridge import (
    CONVOLUTIONS,
    RECIPES,
    bridge,
    equal,
    key_of,
    nn,
    normal,
    ours,
    product,
    torch,
)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("shape", [(32, 64), (3, 7, 64), (64,)], ids=str)
def test_a_linear_layer_has_our_bits(name: str, shape: tuple[int, ...]) -> None:
    layer = bridge.apply(nn.Linear(64, 48, bias=False), name, key=11)
    recipe, x, g = get(name), normal(0, *shape).requires_grad_(), normal(1, *shape[:-1], 48)
    for _ in range(2):  # another key each time
        key = key_of(layer)
        run = partial(ex.ops.linear, recipe=recipe, key=key)
        want = ours(run, x, layer.weight, g)
        y = layer(x)
        have = [y, *torch.autograd.grad(y, [x, layer.weight], g)]
        for a, b in zip(have, want, strict=True):
            equal(a, b)
        if len(shape) == 2:
            w = layer.weight.detach().numpy()
            products = ex.recipes.linear_gemms(recipe, x.detach().numpy(), w, g.numpy(), key=key)
            for a, c in zip(have, products, strict=True):
                equal(a, c)


@pytest.mark.parametrize("name", ["nvfp4", "mxfp4-rht-sr", "nvfp4-grad"])
@pytest.mark.parametrize("how", CONVOLUTIONS, ids=str)
def test_a_convolution_has_our_bits(name: str, how: dict[str, Any]) -> None:
    layer = bridge.apply(nn.Conv2d(4, 8, bias=False, **how), name, key=11)
    recipe, key, x = get(name), key_of(layer), normal(0, 3, 4, 9, 8).requires_grad_()
    words = {n: how[n] for n in ("stride", "padding", "dilation", "groups") if n in how}
    y = layer(x)
    g = normal(1, *y.shape)

    def run(a: Any, b: Any) -> Any:
        return ex.ops.conv_under(a, b, recipe=recipe, key=key, **words)

    have = [y, *torch.autograd.grad(y, [x, layer.weight], g)]
    for a, b in zip(have, ours(run, x, layer.weight, g), strict=True):
        equal(a, b)


def test_the_layers_of_both_libraries_agree_with_their_biases() -> None:
    theirs = bridge.apply(nn.Linear(32, 16), "nvfp4")
    mine = ex.nn.Linear(32, 16, recipe=get("nvfp4"))
    for name in ("weight", "bias"):
        getattr(mine, name).storage.array[...] = getattr(theirs, name).detach().numpy()
    x, key = normal(0, 8, 32), key_of(theirs)
    equal(theirs(x), mine(ex.asarray(x.numpy()), key=key).numpy())
    images = bridge.apply(nn.Conv2d(4, 8, 3), "nvfp4")
    plain, bias = bridge.remove(copy.deepcopy(images)), images.bias.detach().clone()
    x = normal(0, 2, 4, 6, 6)
    near = (images(x) - plain(x)).norm() / plain(x).norm()
    assert near < 0.2
    images.bias.data.zero_()
    equal(images(x) + bias[:, None, None], bridge.apply(plain, "nvfp4")(x))


@pytest.mark.parametrize("mode", ["reflect", "circular", "replicate"])
def test_borders_of_other_kinds(mode: str) -> None:
    layer = nn.Conv2d(2, 4, 3, padding=(1, 2), padding_mode=mode)
    x = normal(0, 2, 2, 8, 8)
    want = layer(x)
    have = bridge.apply(layer, "mxfp8")(x)
    assert have.shape == want.shape
    assert (have - want).norm() < 0.1 * want.norm()
    single = layer(x[0])  # without the axis of the batch
    assert single.shape == want.shape[1:]


def test_layouts_of_memory_do_not_matter() -> None:
    """Transposed inputs, images with channels last, gradients without memory of their own."""
    layer = bridge.apply(nn.Linear(32, 16), "nvfp4")
    x = normal(0, 32, 8).t()
    equal(layer(x), layer(x.contiguous()))
    conv = bridge.apply(nn.Conv2d(4, 8, 3), "nvfp4-grad")
    images = normal(1, 2, 4, 6, 6)
    last = images.to(memory_format=torch.channels_last)
    a, b = conv(images), conv(last)
    equal(a, b)
    assert a.view(2, -1).shape == (2, 128), "in row-major order, as a layer of PyTorch answers"
    a.sum().backward()
    assert layer(normal(0, 0, 32)).shape == (0, 16)


def test_no_number_is_copied_on_the_way() -> None:
    w = nn.Parameter(normal(0, 16, 32))
    mine = product.ours(w)
    assert mine.numpy().ctypes.data == w.data_ptr()
    y = ex.asarray(normal(1, 4, 8).numpy())
    assert product.theirs(y).data_ptr() == y.numpy().ctypes.data


def test_all_gemms_run_on_packed_operands() -> None:
    layer = bridge.apply(nn.Linear(64, 32), "nvfp4")
    x = normal(0, 32, 64).requires_grad_()
    with ex.trace() as calls:
        layer(x).sum().backward()
    products = [call for call in calls if call.op == "matmul"]
    assert [call.kinds for call in products] == [("blocked", "blocked")] * 3
    assert not any(call.fallback for call in calls)
