"""The general quantizer: every format, rule, rounding and policy, one element at a time.

Three passes over (rows, blocks): amax, scales, elements. `extensor.scalar` rounds; this file only
says which numbers meet.
"""

from math import ceil
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from extensor.formats import Facts
from extensor.jit import kernel
from extensor.kernels.quantize.plan import FLT_MAX
from extensor.philox import word
from extensor.scalar import bits_of, encode, float_of

_LOW = np.int64((1 << 29) - 1)
_STOCHASTIC = 6
_SMALL, _UNITS = np.float64(2.0**-126), np.float64(2.0**149)


@njit()
def round_up(a: Any) -> np.float32:
    """The smallest float32 that is not below ``a`` >= 0; at most the largest finite one."""
    if a > np.float64(FLT_MAX):
        return FLT_MAX
    if a < _SMALL:
        return np.float32(np.float64(ceil(a * _UNITS)) / _UNITS)
    b = bits_of(a)
    return np.float32(float_of((b + _LOW) & ~_LOW))


@kernel(parallel=True)
def block_amax(
    x: NDArray[np.float32], height: int, length: int, skip: bool, out: NDArray[np.float32]
) -> None:
    """The largest magnitude of each block, rounded up to float32.

    x
        (A, R, K) float32 or float64.
    skip
        Whether NaN and Inf are passed over; else one of them makes the amax Inf.
    out
        (A ceil(R / height), blocks).
    """
    _, rows, n = x.shape
    group = (rows + height - 1) // height
    for cell in prange(out.size):
        s, j = cell // out.shape[1], cell % out.shape[1]
        a, first = s // group, (s % group) * height
        top, finite = 0.0, True
        for r in range(first, min(first + height, rows)):
            for k in range(j * length, min((j + 1) * length, n)):
                v = abs(np.float64(x[a, r, k]))
                if v < np.inf:
                    top = max(top, v)
                else:
                    finite = False
        out[s, j] = round_up(top) if finite or skip else np.float32(np.inf)


@njit()
def facts_of(numbers: NDArray[np.int64]) -> Facts:
    """The facts that were written into an array, because ``prange`` takes no tuples."""
    n = numbers
    return Facts(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7])


@kernel(parallel=True)
def block_codes(
    x: NDArray[np.float32],
    prescale: np.float32,
    facts: NDArray[np.int64],
    options: NDArray[np.int64],
    strides: NDArray[np.int64],
    stream: np.uint64,
    seed: np.uint64,
    others: NDArray[np.uint64],
    exponents: NDArray[np.int32],
    multipliers: NDArray[np.float32],
    out: NDArray[np.uint8],
) -> None:
    """The unpacked code of every element.

    x, prescale
        (A, R, K), and the prescale in the same precision.
    facts, options
        The element's `Facts`; height and length of a block, whether scales are powers of two,
        `Rounding`, its random bits, whether overflow saturates.
    strides, stream, seed
        sa, sr, sk, offset of `Where`, and the key.
    others
        Stream and seed for the blocks whose scale has a mantissa and the exponent 1.
    exponents, multipliers
        Of each block, see `block_scales`.
    out
        (A R, blocks * length); what lies behind a tail is left as it is.
    """
    _, rows, n = x.shape
    height, length, power, rounding, sr_bits, saturate = options
    group = (rows + height - 1) // height
    blocks = exponents.shape[1]
    for cell in prange(out.shape[0] * blocks):
        element = facts_of(facts)
        row, j = cell // blocks, cell % blocks
        a, r = row // rows, row % rows
        m = multipliers[a * group + r // height, j]
        e = -np.int64(exponents[a * group + r // height, j])
        own_stream, own_seed = np.uint64(stream), np.uint64(seed)
        if power == 0 and e != 0:
            own_stream, own_seed, e = others[0], others[1], np.int64(0)
        for k in range(j * length, min((j + 1) * length, n)):
            if np.isnan(m):
                out[row, k] = np.uint8(0)
                continue
            v = x[a, r, k] * prescale
            if power == 0:
                v = v * m
            limit = saturate != 0
            if not abs(x[a, r, k]) < np.inf:
                limit = True
                v = x[a, r, k] if abs(x[a, r, k]) == np.inf else abs(x.dtype.type(np.inf))
            w = np.int64(0)
            if rounding == _STOCHASTIC:
                index = strides[3] + a * strides[0] + r * strides[1] + k * strides[2]
                w = np.int64(word(np.uint64(index), own_stream, own_seed))
            out[row, k] = np.uint8(encode(np.float64(v), e, rounding, w, sr_bits, limit, element))
