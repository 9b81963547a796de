"""What a thread of the fast CUDA quantizers works on: units of eight neighbours in a row.

Lane l of a warp has unit l, so 4 lanes share a block of 32 numbers, 2 one of 16, and n / 8 a block
of the Hadamard transform. A thread has two units, 32 units apart, and loads both before it uses
the first. Units past the end repeat the last: their lanes take part in exchanges, store nothing.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.kernels import ptx
from extensor.kernels.quantize.cuda_rotate import rotate16, rotate32, rotate64, rotate128
from extensor.kernels.quantize.cuda_words import over_2_lanes, over_4_lanes, widen_bf16, widen_f16

FLOAT32, BFLOAT16, FLOAT16 = 0, 1, 2
"""Sources: the type of the numbers."""
THREADS = 256
UNITS = 2 * THREADS
"""Units of a thread block."""
WARP = np.uint32(32)
"""Units from a thread's first to its second."""

_u32 = np.uint32
_16, _32 = np.uint64(16), np.uint64(32)
_LANE = ptx.instruction("mov.u32 $0, %laneid;", (types.uint32,), ())


@njit()
def first_unit(block: Any) -> Any:
    """The first unit of this thread in the thread block with number ``block``."""
    t = _u32(cuda.threadIdx.x)
    inside = _u32(_u32(_u32(t & _u32(0xE0)) << _u32(1)) | _u32(t & _u32(31)))
    return _u32(_u32(_u32(block) * _u32(UNITS)) + inside)


@njit()
def load8(source: int, x: Any, unit: Any) -> Any:
    """The eight numbers of a unit as bits of float32."""
    if source == FLOAT32:
        at = x + _32 * np.uint64(unit)
        return ptx.load128(at) + ptx.load128(at + _16)
    v = ptx.load128(x + _16 * np.uint64(unit))
    if source == BFLOAT16:
        return widen_bf16(v[0]) + widen_bf16(v[1]) + widen_bf16(v[2]) + widen_bf16(v[3])
    return widen_f16(v[0]) + widen_f16(v[1]) + widen_f16(v[2]) + widen_f16(v[3])


@njit()
def load_pairs(x: Any, unit: Any) -> Any:
    """The eight 16-bit numbers of a unit, four pairs."""
    return ptx.load128(x + _16 * np.uint64(unit))


@njit()
def over_lanes(lanes: int, amax: Any) -> Any:
    """The amax of a block from those of its 2 or 4 units."""
    if lanes == 2:
        return over_2_lanes(amax)
    return over_4_lanes(amax)


@njit()
def signs_of(n: int, low: Any, high: Any, unit: Any) -> Any:
    """The eight signs of a unit in a block of n, from the n sign bits (two uint64)."""
    q = _u32(_u32(unit) & _u32(n // 8 - 1))
    half = high if q >= _u32(8) else low
    return _u32(half >> np.uint64(_u32(q & _u32(7)) * _u32(8))) & _u32(0xFF)


@njit()
def turned(n: int, v: Any, signs: Any) -> Any:
    """A unit after the Hadamard transform of its block of n; n = 0 leaves it as it is."""
    lane = _LANE()
    if n == 16:
        return rotate16(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], signs, lane)
    if n == 32:
        return rotate32(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], signs, lane)
    if n == 64:
        return rotate64(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], signs, lane)
    if n == 128:
        return rotate128(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], signs, lane)
    return v
