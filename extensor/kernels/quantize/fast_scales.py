"""Scales with a mantissa, many at a time: `scale.block_scales` in vector IR.

The quantizer of elements encodes the scales too: they are float32 that are rounded to codes.
"""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.address import address_of
from extensor.kernels.quantize.plan import FLT_MAX
from extensor.kernels.quantize.vector import (
    UNIT,
    encode_exact,
    encode_nearest,
    encode_up,
)
from extensor.philox import word

_PLAIN = np.int64(0x3F800000)
_UP, _STOCHASTIC = 4, 6
CHUNK = 1024
"""Scales of one piece of work, a multiple of `UNIT`."""


@kernel()
def encode_some(
    amax: NDArray[np.float32],
    lo: int,
    hi: int,
    factor: np.float32,
    top: np.float32,
    decoding: np.float32,
    steps: NDArray[np.int64],
    values: NDArray[np.float32],
    options: NDArray[np.int64],
    codes: NDArray[np.uint8],
    multipliers: NDArray[np.float32],
) -> None:
    """Scales ``lo .. hi``; see `encode_scales`."""
    rounding, nan_code, group, height, length, blocks = (
        options[0], options[1], options[2], options[3], options[4], options[5],
    )  # fmt: skip
    raw, words = np.empty(UNIT, np.float32), np.zeros(UNIT, np.int32)
    for i in range(lo, hi, UNIT):
        n = min(UNIT, hi - i)
        raw[:] = np.float32(0)
        if top != np.float32(0):
            for j in range(n):
                raw[j] = amax[i + j] / top
        else:
            for j in range(n):
                raw[j] = amax[i + j] * factor
        if rounding == _STOCHASTIC:
            for j in range(n):
                s, block = (i + j) // blocks, (i + j) % blocks
                index = options[9] + s // group * options[6] + s % group * height * options[7]
                index += block * length * options[8]
                w = word(np.uint64(index), np.uint64(options[10]), np.uint64(options[11]))
                words[j] = np.int32(w)
        out = np.empty(UNIT, np.uint8)
        x, w_at, to = address_of(raw), address_of(words), address_of(out)
        emin, drop, limit, floor = steps[0], steps[1], steps[2], steps[3]
        if rounding == _STOCHASTIC:
            encode_exact(x, _PLAIN, _PLAIN, w_at, to, emin, drop, limit, floor, 0, 0)
        elif rounding == _UP:
            encode_up(x, _PLAIN, _PLAIN, w_at, to, emin, drop, limit, floor, 0, 0)
        else:
            encode_nearest(x, _PLAIN, _PLAIN, w_at, to, emin, drop, limit, floor, 0, 0)
        for j in range(n):
            code = out[j]
            step = values[code] * decoding
            m = min(np.float32(1) / step, FLT_MAX)
            if not amax[i + j] < np.float32(np.inf):
                code, m = np.uint8(nan_code), np.float32(np.nan)
            codes[i + j] = code
            multipliers[i + j] = m


@kernel(parallel=True)
def encode_scales(
    amax: NDArray[np.float32],
    factor: np.float32,
    top: np.float32,
    decoding: np.float32,
    steps: NDArray[np.int64],
    values: NDArray[np.float32],
    options: NDArray[np.int64],
    codes: NDArray[np.uint8],
    multipliers: NDArray[np.float32],
) -> None:
    """The code and the multiplier of every scale; all arrays flat.

    factor, top
        A scale is ``amax * factor``, or ``amax / top`` where top is not 0.
    decoding
        ``1 / s_enc``.
    steps, values
        `vector.Steps` of the scale format, and the value of each of its codes.
    options
        `Rounding`, NaN code, scale rows of a matrix, block height and length, blocks of a row;
        sa, sr, sk, offset, stream, seed of `scale.Where`.
    """
    for c in prange((amax.size + CHUNK - 1) // CHUNK):
        lo = c * CHUNK
        hi = min(lo + CHUNK, amax.size)
        encode_some(amax, lo, hi, factor, top, decoding, steps, values, options, codes, multipliers)


@kernel(parallel=True)
def largest_finite(amax: NDArray[np.float32], tops: NDArray[np.float32]) -> None:
    """The largest finite number of each of ``tops.size`` pieces of a flat array."""
    parts = tops.size
    for p in prange(parts):
        top = np.float32(0)
        for i in range(amax.size * p // parts, amax.size * (p + 1) // parts):
            if amax[i] < np.float32(np.inf):
                top = max(top, amax[i])
        tops[p] = top
