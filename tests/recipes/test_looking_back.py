"""Recipes whose backward products take over what fprop stored: written out by hand, bit for bit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.held import held
from extensor.kernels.hadamard import hadamard_reference
from extensor.recipe import NAMED
from tests.recipes.steps import Floats, gemm_by_hand, normal

BACK = [name for name, recipe in NAMED.items() if recipe.looks_back]


def stored(recipe: ex.Recipe, number: int, key: ex.Key, x: Floats) -> Floats:
    """An operand of fprop as it is stored, in the basis that it is stored in."""
    q = recipe.fprop[number]
    assert isinstance(q, ex.Quantizer)
    own = key.fold(0)
    if q.hadamard and recipe.fresh("fprop"):
        q = replace(q, signs=own.fold(2))
    return ex.dequantize(ex.quantize(x, q, axis=1, key=own.fold(number))).numpy()


def by_hand(recipe: ex.Recipe, gemm: str, key: ex.Key, *operands: Any) -> Floats:
    """`gemm_by_hand`, under a recipe whose signs are fresh or not by GEMM."""
    return gemm_by_hand(replace(recipe, fresh_signs=recipe.fresh(gemm)), gemm, key, *operands)


def test_there_are_some() -> None:
    assert BACK == ["tetrajet", "quartet", "quartet2"]


@pytest.mark.parametrize("name", ["tetrajet", "quartet2"])
@pytest.mark.parametrize("shape", [(37, 70, 50), (64, 32, 16)])
def test_w_and_x_are_quantized_again(name: str, shape: tuple[int, int, int]) -> None:
    t, k, n = shape
    recipe, key = ex.recipes.get(name), ex.key(3)
    x, w, g = normal(1, t, k), normal(2, n, k), normal(3, t, n)
    y, dx, dw = ex.recipes.linear_gemms(recipe, x, w, g, key=key)
    qx, qw = stored(recipe, 0, key, x), stored(recipe, 1, key, w)
    assert not np.array_equal(qx, x)
    ex.testing.assert_bits_equal(y, by_hand(recipe, "fprop", key, x, w, 1, 1))
    ex.testing.assert_bits_equal(dx, by_hand(recipe, "dgrad", key, g, qw, 1, 0))
    ex.testing.assert_bits_equal(dw, by_hand(recipe, "wgrad", key, g, qx, 0, 0))


def test_quartet_multiplies_in_the_rotated_basis_and_masks_there() -> None:
    recipe, key = ex.recipes.get("quartet"), ex.key(3)
    x, w, g = normal(1, 64, 96), normal(2, 48, 96), normal(3, 64, 48)
    x[3, 5] = 40  # far beyond what a clip at 2.9 deviations keeps
    _, dx, dw = ex.recipes.linear_gemms(recipe, x, w, g, key=key)
    for found, gemm, raw, other in ((dx, "dgrad", x, w), (dw, "wgrad", w, x)):
        mine, theirs = (0, 1) if gemm == "dgrad" else (1, 0)
        again = stored(recipe, theirs, key, other)
        axes = (1, 0) if gemm == "dgrad" else (0, 0)
        inner = by_hand(recipe, gemm, key, g, again, *axes)
        quantizer = recipe.fprop[mine]
        assert isinstance(quantizer, ex.Quantizer)
        mask = quantizer.mask(raw, axis=1)
        assert 0 < (~mask).sum() < 0.05 * mask.size
        wanted = hadamard_reference((inner * mask).astype(np.float32), 32)  # H is its own inverse
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_the_mask_alone_stands_in_the_rotated_basis() -> None:
    """Without requantizing the product is in the raw basis: rotate, mask, rotate back."""
    q = ex.Quantizer(ex.mxfp4, scale_rule="floor", hadamard=16, ste="clip")
    recipe = ex.Recipe("masked", (q, q), fresh_signs=False)
    x, w, g = normal(1, 40, 32), normal(2, 24, 32), normal(3, 40, 24)
    _, dx, dw = ex.recipes.linear_gemms(recipe, x, w, g)
    for found, plain, raw in ((dx, g @ w, x), (dw, g.T @ x, w)):
        turned = hadamard_reference(plain, 16) * q.mask(raw, axis=1)
        wanted = hadamard_reference(turned.astype(np.float32), 16)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert not np.allclose(dx, g @ w, atol=1e-3)


@pytest.mark.parametrize("name", BACK)
def test_a_layer_and_a_convolution_are_their_products(name: str) -> None:
    recipe, key = ex.recipes.get(name), ex.key(8)
    layer = ex.nn.Linear(70, 50, recipe=recipe, bias=False)
    x, g = normal(1, 37, 70), normal(2, 37, 50)
    tensor = ex.asarray(x, requires_grad=True)
    layer(tensor, key=key).backward(ex.asarray(g))
    y, dx, dw = ex.recipes.linear_gemms(recipe, x, layer.weight, g, key=key)
    for found, wanted in ((layer(x, key=key), y), (tensor.grad, dx), (layer.weight.grad, dw)):
        assert found is not None
        np.testing.assert_array_equal(found.numpy(), wanted)
    conv = ex.nn.Conv2d(3, 7, 1, recipe=recipe, bias=False)  # a linear layer of the pixels
    images = ex.asarray(normal(3, 2, 3, 4, 4), requires_grad=True)
    y = conv(images, key=key)
    g = normal(4, *y.shape)
    y.backward(ex.asarray(g))
    rows, pixels = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).reshape(-1, a.shape[1])
                    for a in (g, images.numpy()))  # fmt: skip
    w = conv.weight.numpy().reshape(7, 3)
    _, dx, dw = ex.recipes.linear_gemms(recipe, pixels, w, rows, key=key)
    assert images.grad is not None and conv.weight.grad is not None
    np.testing.assert_array_equal(conv.weight.grad.numpy().reshape(7, 3), dw)
    back = dx.reshape(2, 4, 4, 3).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(images.grad.numpy(), back)


@pytest.mark.parametrize("name", sorted({n.removesuffix("-grad") for n in NAMED} - {"fp32"}))
def test_every_row_is_near_the_plain_products(name: str) -> None:
    """Relative squared error of y, dx, dW on Gaussian data: what the formats' errors add up to."""
    recipe, key = ex.recipes.get(name), ex.key(4)
    x, w, g = normal(1, 256, 96), normal(2, 80, 96), normal(3, 256, 80)
    wanted = (x @ w.T, g @ w, g.T @ x)
    coarse = "fp8" not in name and name not in ("bf16", "mxfp6")
    for found, plain in zip(ex.recipes.linear_gemms(recipe, x, w, g, key=key), wanted, strict=True):
        error = np.square(found - plain).sum() / np.square(plain).sum()
        assert error < (0.11 if coarse else 0.007), (name, error)


def test_signs_after_h_cancel_bit_for_bit() -> None:
    """Table D4: then a rotation is one without signs, whatever is drawn."""
    before = ex.recipes.get("amd-det")
    after = replace(before, fresh_signs=True, sign_side="after")
    x, w, g = normal(1, 40, 48), normal(2, 32, 48), normal(3, 40, 32)
    fixed = ex.recipes.linear_gemms(before, x, w, g)
    for seed in (0, 1):
        drawn = ex.recipes.linear_gemms(after, x, w, g, key=ex.key(seed))
        for one, other in zip(fixed, drawn, strict=True):
            np.testing.assert_array_equal(one, other)
    true = replace(before, fresh_signs=True)
    one, other = (ex.recipes.linear_gemms(true, x, w, g, key=ex.key(s)) for s in (0, 1))
    assert not np.array_equal(one[1], other[1])


def test_per_tensor_scales() -> None:
    """fp8: codes of x / s, s = amax / max; a zero matrix stays one, and a sign its own."""
    recipe = ex.recipes.get("fp8")
    x, w, g = 1e-6 * normal(1, 16, 24), 300 * normal(2, 8, 24), normal(3, 16, 8)
    y, dx, dw = ex.recipes.linear_gemms(recipe, x, w, g)
    for found, plain in ((y, x @ w.T), (dx, g @ w), (dw, g.T @ x)):
        assert np.square(found - plain).sum() < 0.006 * np.square(plain).sum()
    zero, _, _ = ex.recipes.linear_gemms(recipe, np.zeros_like(x), w, g)
    assert not zero.any()


def test_memory_counts_the_mask() -> None:
    """What quartet saves for backward: packed x, and a bit an element."""
    x, layer = normal(1, 64, 96), ex.nn.Linear(96, 32, recipe=ex.recipes.get("quartet"), bias=False)
    y = layer(ex.asarray(x), key=ex.key(0))
    sizes = sorted(b.array.nbytes for b in held(y, layer.parameters().values()))
    assert sizes == [64 * 96 // 32, 64 * 96 // 8, 64 * 96 // 2]
