"""Block formats and numbers on which the kernels of blocked tensors are compared."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.formats import (
    BF16,
    E2M1,
    E4M3,
    E8M0,
    FP16,
    FP32,
    INT8,
    MXFP4,
    MXFP6_E2M3,
    MXFP6_E3M2,
    MXFP8_E4M3,
    MXFP8_E5M2,
    MXINT8,
    NVFP4,
    NVFP4_2D,
    UE5M3,
    Block,
    Fixed,
    Float,
)
from extensor.kernels.packed import Packed

OWN_5_BITS = Float("e2m2", exponent=2, mantissa=2, bias=1)
OWN_NO_MANTISSA = Float("e3m0", exponent=3, mantissa=0, bias=3)
OWN_FIXED = Fixed("fixed6", bits=6, fraction=3)

NAMED = [MXFP4, MXFP6_E2M3, MXFP6_E3M2, MXFP8_E4M3, MXFP8_E5M2, MXINT8, NVFP4, NVFP4_2D]
FAST = [
    *NAMED,
    Block(E2M1, (1, 16), E8M0),
    Block(E2M1, (1, 64), E4M3),
    Block(E4M3, (1, 16), UE5M3, True),
    Block(E2M1, (16, 16), E8M0),
    Block(INT8, (4, 32), UE5M3),
    Block(OWN_5_BITS, (1, 48), E8M0),
    Block(OWN_FIXED, (1, 16), E8M0),
    Block(E2M1, (1, 32), E8M0, True),
]
GENERAL = [
    Block(OWN_NO_MANTISSA, (1, 16), E8M0),
    Block(E4M3, (1, 5), FP32),
    Block(E2M1, (3, 7), BF16, True),
    Block(E2M1, (1, 16), FP16),
]
"""Formats that only the general kernels take."""
SIZES = (1, 31, 32, 33, 63, 65)
KINDS = ("normal", "grid", "rows", "nonfinite")


def numbers(seed: int, shape: tuple[int, ...], kind: str) -> NDArray[np.float32]:
    """Random float32: over a few binades, on and beside the grid, over all, or not all finite."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * np.exp2(rng.integers(-3, 3, shape))
    if kind == "grid":
        grid = [0, -0.0, 0.25, 0.5, 0.75, 1, 1.25, 2.5, 3.5, 5, 7, 6, 1e-40, -1e-44, 3e38]
        x = rng.choice(grid, shape) * rng.choice([1, -1], shape)
    if kind == "rows":
        x *= 2.0 ** rng.integers(-140, 120, (*shape[:-1], 1))
    y = x.astype(np.float32)
    if kind == "nonfinite":
        y.flat[::97], y.flat[::71], y.flat[::53] = np.nan, np.inf, -np.inf
    return y


def edges(cap: float) -> NDArray[np.float32]:
    """Blocks of 32 whose amax is ``cap`` times a power of two, or 1 ulp beside it."""
    with np.errstate(over="ignore", under="ignore"):
        amax = (cap * 2.0 ** np.arange(-150, 128)).astype(np.float32)
        amax = np.concatenate(
            [np.nextafter(amax, np.float32(0)), amax, np.nextafter(amax, np.float32(np.inf))]
        )
    amax = amax[np.isfinite(amax)]
    rng = np.random.default_rng(0)
    x = (rng.uniform(-1, 1, (amax.size, 32)) * amax[:, None]).astype(np.float32)
    x[np.arange(amax.size), rng.integers(0, 32, amax.size)] = amax
    return x


def same(p: Packed, q: Packed, what: object) -> None:
    """Raise unless two packed tensors have the same bytes."""
    assert np.array_equal(p.codes, q.codes), f"{what}: codes"
    assert p.scales.dtype == q.scales.dtype, f"{what}: type of scales"
    floats = p.scales.dtype.kind == "f"
    assert np.array_equal(p.scales, q.scales, equal_nan=floats), f"{what}: scales"
    assert p[2:] == q[2:], f"{what}: {p[2:]} and {q[2:]}"


def equal(a: NDArray[Any], b: NDArray[Any], what: object) -> None:
    """Raise unless two arrays have the same bits; one NaN is as good as another."""
    assert a.dtype == b.dtype and a.shape == b.shape, f"{what}: {a.dtype}{a.shape}"
    nan = np.isnan(a)
    assert np.array_equal(nan, np.isnan(b)), f"{what}: NaN"
    bits = f"u{a.itemsize}"
    x, y = np.where(nan, 0, a).astype(a.dtype), np.where(nan, 0, b).astype(a.dtype)
    assert np.array_equal(x.view(bits), y.view(bits)), f"{what}: values"
