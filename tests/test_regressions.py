"""Three classes of bugs that were once found too late elsewhere, each with a planted copy.

(a) type resolution: a wrong dtype of a mixed-precision op;
(b) gradient scaling: E4M3 subnormal scales decoded with 128 instead of 512, and a random number
    normalised wrongly in stochastic rounding;
(c) block boundaries: off by one in the blocks of MXFP4.
And E2M1 with seven magnitudes instead of eight (0.5 became 1.0).

Each check takes the thing it checks, so the same lines judge the library and the planted copy.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import extensor as ex
from tests import agree
from tests.checks import SIZES
from tests.promotion import rule
from tests.proofs import BROKEN, prove_32_bits, prove_eight_bits
from tests.scalars import encode_all

Promote = Callable[[ex.DType, ex.DType], ex.DType]
PAIRS = [(a, b) for a in ex.DTYPES for b in ex.DTYPES if rule(a.name, b.name) is not None]


# (a) type resolution ------------------------------------------------------------------------------
def check_types(promote: Promote) -> None:
    """Every pair of dtypes against the written rule."""
    for a, b in PAIRS:
        assert promote(a, b).name == rule(a.name, b.name), f"{a} with {b}"


def test_types_of_every_pair() -> None:
    check_types(ex.promote)


def test_types_of_a_real_op_on_every_pair() -> None:
    """`a * b` of tensors of every two dtypes has the promoted dtype, bool alone excepted."""
    tensors = {d: ex.ExTensor[d].ones((32, 32)) for d in ex.DTYPES}
    for a, b in PAIRS:
        assert (tensors[a] * tensors[b]).dtype.name == rule(a.name, b.name), f"{a} * {b}"


PLANTED_TYPES: dict[str, Promote] = {
    "the left operand wins": lambda a, b: a,
    "the right operand wins": lambda a, b: b,
    "bfloat16 holds float16": lambda a, b: (
        ex.bfloat16 if {a, b} == {ex.bfloat16, ex.float16} else ex.promote(a, b)
    ),
    "two equal narrow formats stay narrow": lambda a, b: a if a == b else ex.promote(a, b),
    "integers widen narrow floats": lambda a, b: (
        ex.float64 if ex.dtype("int64") in (a, b) else ex.promote(a, b)
    ),
}


@pytest.mark.parametrize("name", PLANTED_TYPES)
def test_planted_types_fail(name: str) -> None:
    with pytest.raises(AssertionError):
        check_types(PLANTED_TYPES[name])


# (b) gradient scaling -----------------------------------------------------------------------------
def check_subnormal_scales(decode: Callable[[int], float]) -> None:
    """A subnormal E4M3 scale is code / 512: the smallest step is 2**-9."""
    for code in range(8):
        assert decode(code) == code / 512, f"scale code {code} is {decode(code)}"


def _scale_of(code: int) -> float:
    """What a block of ones with this scale code decodes to."""
    codes, scales = np.full((1, 16), 2, np.uint8), np.array([[code]], np.uint8)
    return float(
        ex.dequantize(ex.from_codes(codes, scales, ex.nvfp4, tensor_scale=1.0)).numpy()[0, 0]
    )


def test_subnormal_scales_of_the_gradient() -> None:
    check_subnormal_scales(_scale_of)
    check_subnormal_scales(lambda code: float(ex.float8_e4m3fn.values[code]))


def test_planted_subnormal_scales_fail() -> None:
    with pytest.raises(AssertionError):
        check_subnormal_scales(lambda code: code / 128)


def test_a_gradient_with_subnormal_scales_has_the_right_size() -> None:
    """Through the backward pass of a layer: rows 2**-16 below the largest are not 4 times off."""
    x = ex.asarray(np.eye(64, dtype=np.float32), requires_grad=True)
    layer = ex.nn.Linear(64, 64, bias=False, recipe=ex.recipes.get("nvfp4-grad"), key=ex.key(0))
    layer.weight.numpy()[...] = np.eye(64, dtype=np.float32)
    g = np.random.default_rng(0).uniform(1, 2, (64, 64)).astype(np.float32)
    g[8:] *= 2.0**-16
    y = layer(x, key=ex.key(1))
    (y * ex.asarray(g)).sum().backward()
    q = ex.quantize(g, ex.nvfp4, scale_rounding="up")
    assert (q.scales[8:] < 8).all(), "these scales are meant to be subnormal"
    assert x.grad is not None
    ratio = x.grad.numpy()[8:].mean() / g[8:].mean()
    assert abs(ratio - 1) < 0.1, f"the gradient is {ratio:.2f} times what it should be"


def _library_rounder(f: NDArray[np.float64], w: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(encode_all(ex.float4_e2m1fn, 2 + f, "stochastic", w) != 4)


def test_the_random_number_is_normalised_by_two_to_the_32() -> None:
    prove_32_bits(_library_rounder)


@pytest.mark.parametrize("proof", [prove_32_bits, prove_eight_bits])
def test_planted_normalisation_fails(proof: Callable[[Any], None]) -> None:
    with pytest.raises(AssertionError):
        proof(BROKEN["normalised by 2**31"])


# (c) block boundaries -----------------------------------------------------------------------------
Blocks = Callable[[NDArray[np.float32], int], tuple[NDArray[Any], NDArray[Any]]]
SHAPES = [tuple(size if a == axis else 3 for a in range(3)) for size in SIZES for axis in range(3)]


def _steps(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Values whose size changes within a block, so that a shifted block shows in its scale."""
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(size=shape) * np.exp2(rng.integers(-6, 7, shape))
    return np.asarray(x, np.float32)


def check_boundaries(quantize: Blocks) -> None:
    """Codes and scales for every size on every axis are the oracle's."""
    for shape in SHAPES:
        for axis in range(3):
            x = _steps(shape)
            codes, scales = quantize(x, axis)
            wanted = agree.oracle(x, agree.BLOCKS["mxfp4"], axis)
            agree.differ(scales, wanted.scales, f"scales of {shape} along {axis}")
            agree.differ(codes, wanted.codes, f"codes of {shape} along {axis}")


def _library(x: NDArray[np.float32], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    q = ex.quantize(x, ex.mxfp4, axis=axis)
    return q.codes, q.scales


def test_block_boundaries() -> None:
    check_boundaries(_library)


def test_block_boundaries_of_every_format() -> None:
    for name in agree.BLOCKS:
        for shape in SHAPES:
            axes = range(3) if agree.BLOCKS[name].shape[0] == 1 else [2]
            for axis in axes:
                x = _steps(shape)
                if agree.BLOCKS[name].shape[0] > 1:
                    x = x[0]
                agree.check(x, name, axis if x.ndim == 3 else 1)
                decoded = ex.dequantize(ex.quantize(x, ex.dtype(name), axis=min(axis, x.ndim - 1)))
                assert decoded.shape == x.shape and np.isfinite(decoded.numpy()).all()


def _pieces(x: NDArray[np.float32], axis: int, ends: Callable[[int], list[int]]) -> Any:
    """Blocks that end where ``ends`` of the length says, each quantized alone."""
    cuts = ends(x.shape[axis])
    parts = [p for p in np.split(x, cuts, axis=axis) if p.shape[axis]]
    if not parts:
        return np.zeros(x.shape, np.uint8), np.zeros((0, 0, 0), np.uint8)
    wide = ex.Block(ex.float4_e2m1fn, (1, 64), ex.float8_e8m0fnu)
    found = [ex.quantize(np.ascontiguousarray(p), wide, axis=axis) for p in parts]
    return tuple(
        np.concatenate([getattr(q, part) for q in found], axis) for part in ("codes", "scales")
    )


PLANTED_BLOCKS: dict[str, Callable[[int], list[int]]] = {
    "blocks of 31": lambda n: list(range(31, n, 31)),
    "blocks of 33": lambda n: list(range(33, n, 33)),
    "the first block is one short": lambda n: list(range(31, n, 32)),
    "the last whole block swallows the tail": lambda n: list(range(32, n - 31, 32)),
    "the tail has a block too many": lambda n: [*range(32, n, 32), n - 1],
}


@pytest.mark.parametrize("name", PLANTED_BLOCKS)
def test_planted_boundaries_fail(name: str) -> None:
    with pytest.raises(AssertionError):
        check_boundaries(lambda x, axis: _pieces(x, axis, PLANTED_BLOCKS[name]))


def test_the_planted_blocks_are_only_wrong_in_their_boundaries() -> None:
    check_boundaries(lambda x, axis: _pieces(x, axis, lambda n: list(range(32, n, 32))))


# E2M1 ---------------------------------------------------------------------------------------------
def check_magnitudes(values: NDArray[np.float64]) -> None:
    """Eight magnitudes, 0.5 among them."""
    assert np.unique(np.abs(values)).tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]


def test_e2m1_has_eight_magnitudes() -> None:
    check_magnitudes(ex.float4_e2m1fn.values)
    stored = ex.from_codes(np.arange(16, dtype=np.uint8), None, ex.float4_e2m1fn)
    check_magnitudes(ex.dequantize(stored).numpy().astype(np.float64))
    half = ex.quantize(np.array([6.0, 0.5, -0.5], np.float32), ex.mxfp4)
    assert ex.dequantize(half).tolist() == [6.0, 0.5, -0.5]


def test_planted_seven_magnitudes_fail() -> None:
    values = ex.float4_e2m1fn.values.copy()
    values[[1, 9]] = 1.0, -1.0
    with pytest.raises(AssertionError):
        check_magnitudes(values)
