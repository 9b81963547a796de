"""A device array as (A, B, C) and a vector of B numbers: the vector added, and summed out.

A bias and its gradient: (T, N) rows are B = N, C = 1; images (N, O, H, W) are A = N, B = O,
C = H W. Sums are float32 in a fixed order: a block sums a slice of A, then one block the slices.
"""

from typing import Any

import numpy as np
from numba import cuda, types

from extensor.backend import cupy, pointer
from extensor.kernels import ptx
from extensor.kernels.cast_bf16_cuda import aligned
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.index_cuda import divisor, quotient
from extensor.kernels.memory import read_f32, write_f32

THREADS, WARPS, EACH = 256, 8, 4
BLOCKS = 1024
"""Blocks of the first pass, about."""
_u64, _u32, _i64, _f32 = types.uint64, types.uint32, types.int64, types.float32
_4 = np.uint64(4)


@cuda_kernel(_u64, *(_i64,) * 4, _u64)
def sum_columns(x: Any, rows: Any, width: Any, each: Any, active: Any, out: Any):  # type: ignore[no-untyped-def]
    """The sum of each column of (rows, width), over ``each`` rows a block: out (slices, width).

    active
        Threads that work, whole rows of them where the width is at most `THREADS`.
    """
    shared = cuda.shared.array(THREADS, _f32)
    thread, tile = np.int64(cuda.threadIdx.x), np.int64(cuda.blockIdx.x) * THREADS
    first = np.int64(cuda.blockIdx.y) * each
    columns = min(np.int64(THREADS), width - tile)
    step = active if width <= THREADS else width
    live = active if width <= THREADS else columns
    i = first * width + tile + thread
    end = min(first + each, rows) * width
    a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    if thread < live:
        while i + 3 * step < end:
            a = ptx.add(a, read_f32(x + _4 * np.uint64(i)))
            b = ptx.add(b, read_f32(x + _4 * np.uint64(i + step)))
            c = ptx.add(c, read_f32(x + _4 * np.uint64(i + 2 * step)))
            d = ptx.add(d, read_f32(x + _4 * np.uint64(i + 3 * step)))
            i += 4 * step
        while i < end:
            a = ptx.add(a, read_f32(x + _4 * np.uint64(i)))
            i += step
    shared[thread] = ptx.add(ptx.add(a, b), ptx.add(c, d))
    cuda.syncthreads()
    if thread < columns:
        total, k = shared[thread], thread + width
        while k < active:
            total = ptx.add(total, shared[k])
            k += width
        write_f32(out + _4 * np.uint64(np.int64(cuda.blockIdx.y) * width + tile + thread), total)


@cuda_kernel(_u64, *(_i64,) * 4, _u64)
def sum_planes(x: Any, count: Any, planes: Any, size: Any, each: Any, out: Any):  # type: ignore[no-untyped-def]
    """The sum of each plane of (count, planes, size), over ``each`` of count a block.

    A warp sums a plane of one image at a time; out is (slices, planes).
    """
    shared = cuda.shared.array(WARPS, _f32)
    thread, plane = np.int64(cuda.threadIdx.x), np.int64(cuda.blockIdx.x)
    lane, warp = thread & 31, thread >> 5
    first = np.int64(cuda.blockIdx.y) * each
    n, end = first + warp, min(first + each, count)
    a, b = np.float32(0), np.float32(0)
    while n < end:
        at, i = x + _4 * np.uint64((n * planes + plane) * size), lane
        while i + 32 < size:
            a = ptx.add(a, read_f32(at + _4 * np.uint64(i)))
            b = ptx.add(b, read_f32(at + _4 * np.uint64(i + 32)))
            i += 64
        if i < size:
            a = ptx.add(a, read_f32(at + _4 * np.uint64(i)))
        n += WARPS
    a = ptx.add(a, b)
    for k in (16, 8, 4, 2, 1):
        a = ptx.add(a, cuda.shfl_xor_sync(0xFFFFFFFF, a, k))
    if lane == 0:
        shared[warp] = a
    cuda.syncthreads()
    if thread == 0:
        for k in range(1, WARPS):
            a = ptx.add(a, shared[k])
        write_f32(out + _4 * np.uint64(np.int64(cuda.blockIdx.y) * planes + plane), a)


@cuda_kernel(_u64, _u64, *(_u32,) * 8, _u64)
def add_vector(  # type: ignore[no-untyped-def]
    x: Any, vector: Any, n: Any, vectors: Any, size: Any, size_m: Any, size_s: Any,
    planes: Any, planes_m: Any, planes_s: Any, out: Any,
):  # fmt: skip
    """x (A, planes, size) of n numbers plus one number a plane.

    size, planes
        Each a `divisor`. vectors: whether groups of `EACH` are whole: aligned, and in one plane
        (size a multiple of 4) or along the vector (size 1, planes a multiple of 4).
    """
    i = np.uint32(EACH) * np.uint32(cuda.grid(1))
    if i >= n:
        return
    if vectors != np.uint32(0):
        q = quotient(i, size_m, size_s)
        p = np.uint32(q - np.uint32(quotient(q, planes_m, planes_s) * planes))
        at = vector + _4 * np.uint64(p)
        if size == np.uint32(1):
            e, f, g, h = ptx.load128(at)
        else:
            e = ptx.load32(at)
            f, g, h = e, e, e
        a, b, c, d = ptx.load128(x + _4 * np.uint64(i))
        ptx.store128(
            out + _4 * np.uint64(i),
            _plus(a, e), _plus(b, f), _plus(c, g), _plus(d, h),
        )  # fmt: skip
        return
    for k in range(i, min(np.uint32(i + np.uint32(EACH)), n)):
        q = quotient(np.uint32(k), size_m, size_s)
        p = np.uint32(q - np.uint32(quotient(q, planes_m, planes_s) * planes))
        e, a = ptx.load32(vector + _4 * np.uint64(p)), ptx.load32(x + _4 * np.uint64(k))
        ptx.store32(out + _4 * np.uint64(k), _plus(a, e))


_plus = ptx.instruction(
    "{ .reg .f32 a, b; mov.b32 a, $1; mov.b32 b, $2; add.rn.f32 a, a, b; mov.b32 $0, a; }",
    (_u32,),
    (_u32, _u32),
)


def summed(x: Any, count: int, planes: int, size: int) -> Any:
    """The sums (planes,) of a contiguous float32 device array seen as (count, planes, size)."""
    library = cupy()
    lines = count if size > 1 else -(-count // 64)
    across = planes if size > 1 else blocks_for(planes, THREADS)
    slices = max(1, min(lines, BLOCKS // across))
    each = -(-count // slices)
    slices = -(-count // each)
    out = library.empty((slices, planes), np.float32)
    if size > 1:
        sum_planes.launch(
            (planes, slices), THREADS, pointer(x), count, planes, size, each, pointer(out)
        )
    else:
        _columns(x, count, planes, each, out)
    if slices == 1:
        return out[0]
    total = library.empty((1, planes), np.float32)
    _columns(out, slices, planes, slices, total)
    return total[0]


def _columns(x: Any, rows: int, width: int, each: int, out: Any) -> None:
    active = THREADS // width * width if width <= THREADS else THREADS
    sum_columns.launch(
        (blocks_for(width, THREADS), -(-rows // each)), THREADS,
        pointer(x), rows, width, each, active, pointer(out),
    )  # fmt: skip


def added(x: Any, vector: Any, planes: int, size: int) -> Any:
    """x plus one number a plane: x (A, planes, size), both contiguous float32 on the device.

    Fewer than 2**31 numbers.
    """
    y = cupy().empty(x.shape, np.float32)
    whole = aligned(x, vector, y) and (size % 4 == 0 or (size == 1 and planes % 4 == 0))
    add_vector.launch(
        blocks_for(x.size, EACH * THREADS), THREADS,
        pointer(x), pointer(vector), x.size, int(whole), *divisor(size), *divisor(planes),
        pointer(y),
    )  # fmt: skip
    return y
