"""The random Hadamard transform on CUDA: `extensor.kernels.hadamard` for device arrays.

A thread holds four neighbours of a row: strides 1 and 2 are within a thread, 4 to 64 exchanges
with a lane 1 to 16 away. Rows start at a multiple of n / 4 lanes, so no block straddles two warps.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import contiguous, cupy, pointer
from extensor.kernels import ptx
from extensor.kernels.cast_bf16_cuda import aligned
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.hadamard import check
from extensor.kernels.index_cuda import divisor, quotient, spans
from extensor.kernels.memory import read_f32, write_f32

THREADS = 256
_u64, _u32, _f32 = types.uint64, types.uint32, types.float32
_0, _1, _2, _3, _4 = (np.uint32(i) for i in range(5))
_ROOT = np.float32(1 / np.sqrt(2))
# 9.7.9.6 shfl.sync: the number of the lane whose index differs in these bits.
_partner = ptx.instruction(
    "shfl.sync.bfly.b32 $0, $1, $2, 31, 0xffffffff;", (_f32,), (_f32, _u32), volatile=True
)


@njit()
def _block(k: Any, length: Any, n: Any) -> Any:
    """(size of the rotated block that holds place k of a row, place of k in it)."""
    at = np.uint32(k & np.uint32(n - _1))
    if np.uint32(np.uint32(k - at) + n) <= length:
        return n, at
    size = np.uint32(n >> _1)
    while size > _1:
        if np.uint32(length & size) != _0:
            if at < size:
                break
            at = np.uint32(at - size)
        size = np.uint32(size >> _1)
    return size, at


@njit()
def _scale(size: Any) -> Any:
    """float32(1 / sqrt(size)) of a power of two."""
    log = _0
    while np.uint32(_1 << log) < size:
        log = np.uint32(log + _1)
    exponent = np.uint32(np.uint32(127) - np.uint32(log >> _1))
    power = ptx.float32_of(np.uint32(exponent << np.uint32(23)))
    return ptx.mul(power, _ROOT) if np.uint32(log & _1) != _0 else power


@njit()
def _signed(v: Any, signs: Any, i: Any) -> Any:
    flip = np.uint32(np.uint32(np.uint32(signs >> i) & _1) << np.uint32(31))
    return ptx.float32_of(np.uint32(ptx.bits32(v) ^ flip))


@njit()
def _step(v: Any, lanes: Any, upper: Any) -> Any:
    """One butterfly with another lane; every lane of the warp takes part."""
    other = _partner(v, lanes)
    return ptx.sub(other, v) if upper else ptx.add(other, v)


@cuda_kernel(_u64, _u64, _u32, _u32, _u32, _u32, _u32, _u32, _u64, _u64, _u32)
def rotate_rows(  # type: ignore[no-untyped-def]
    x: Any, out: Any, rows: Any, length: Any, lanes: Any, multiplier: Any, shift: Any,
    n: Any, low: Any, high: Any, vector: Any,
):  # fmt: skip
    """Rotate ``rows`` rows of ``length`` float32.

    lanes, multiplier, shift
        Threads a row, as a `divisor`.
    low, high
        Bit i is set where sign i is -1.
    vector
        Whether all rows begin at a multiple of 16 bytes.
    """
    thread = np.uint32(cuda.blockIdx.x * THREADS + cuda.threadIdx.x)
    row = quotient(thread, multiplier, shift)
    k = np.uint32(_4 * np.uint32(thread - np.uint32(row * lanes)))
    count, size, at = _0, _4, _0
    if row < rows and k < length:
        count = np.uint32(min(_4, np.uint32(length - k)))
        size, at = _block(k, length, n)
    place = np.uint64(4) * (np.uint64(row) * np.uint64(length) + np.uint64(k))
    source, to = x + place, out + place
    v0, v1, v2, v3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    if count == _4 and vector != _0:
        b = ptx.load128(source)
        v0, v1 = ptx.float32_of(b[0]), ptx.float32_of(b[1])
        v2, v3 = ptx.float32_of(b[2]), ptx.float32_of(b[3])
    else:
        if count > _0:
            v0 = read_f32(source)
        if count > _1:
            v1 = read_f32(source + np.uint64(4))
        if count > _2:
            v2 = read_f32(source + np.uint64(8))
        if count > _3:
            v3 = read_f32(source + np.uint64(12))
    word = low if at < np.uint32(64) else high
    signs = np.uint32(word >> np.uint64(at & np.uint32(63)))
    v0, v1 = _signed(v0, signs, _0), _signed(v1, signs, _1)
    if size < _4:
        v2 = _signed(v2, signs, _0)  # of three numbers the last is a block by itself
        if count > _1:
            v0, v1 = ptx.add(v0, v1), ptx.sub(v0, v1)
    else:
        v2, v3 = _signed(v2, signs, _2), _signed(v3, signs, _3)
        v0, v1 = ptx.add(v0, v1), ptx.sub(v0, v1)
        v2, v3 = ptx.add(v2, v3), ptx.sub(v2, v3)
        v0, v2 = ptx.add(v0, v2), ptx.sub(v0, v2)
        v1, v3 = ptx.add(v1, v3), ptx.sub(v1, v3)
    h = _4
    while h < n:
        away, upper = np.uint32(h >> _2), np.uint32(at & h) != _0
        w0, w1 = _step(v0, away, upper), _step(v1, away, upper)
        w2, w3 = _step(v2, away, upper), _step(v3, away, upper)
        if h < size:
            v0, v1, v2, v3 = w0, w1, w2, w3
        h = np.uint32(h << _1)
    if count == _0:
        return
    scale = _scale(size)
    v0, v1 = ptx.mul(v0, scale), ptx.mul(v1, scale)
    if size >= _4:
        v2, v3 = ptx.mul(v2, scale), ptx.mul(v3, scale)
    if count == _4 and vector != _0:
        ptx.store128(to, ptx.bits32(v0), ptx.bits32(v1), ptx.bits32(v2), ptx.bits32(v3))
        return
    write_f32(to, v0)
    if count > _1:
        write_f32(to + np.uint64(4), v1)
    if count > _2:
        write_f32(to + np.uint64(8), v2)
    if count > _3:
        write_f32(to + np.uint64(12), v3)


def hadamard(x: Any, n: int, signs: Sequence[int] | Any = None) -> Any:
    """`extensor.kernels.hadamard.hadamard` of a device array; the signs lie on the host."""
    shape, s = check(x.shape, n, signs)
    matrices, rows, length = shape
    x = contiguous(x.astype(np.float32, copy=False)).reshape(matrices * rows, length)
    out = cupy().empty((matrices * rows, length), np.float32)
    if not out.size:
        return out
    bits = sum(1 << i for i, sign in enumerate(s) if sign < 0)
    lanes = -(-length // n) * n // 4
    vector = length % 4 == 0 and aligned(x, out)
    for first, count in spans("hadamard", len(x), lanes):
        rotate_rows.launch(
            blocks_for(count * lanes, THREADS), THREADS,
            pointer(x[first:]), pointer(out[first:]), count, length, *divisor(lanes), n,
            np.uint64(bits & (1 << 64) - 1), np.uint64(bits >> 64), int(vector),
        )  # fmt: skip
    return out
