"""Maxima of 2 x 2 windows side by side on CUDA, and their gradient: a window a thread.

The usual pooling layer, where no window meets another: a thread reads its four numbers once, as
two pairs, where `extensor.kernels.pool_cuda` has a thread a pixel that looks at all four.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import cupy, pointer
from extensor.kernels import ptx
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.index_cuda import LIMIT, divisor, quotient
from extensor.kernels.window import Pair

THREADS = 256
_u64, _u32 = types.uint64, types.uint32
_0, _4 = np.uint32(0), np.uint64(4)


@njit()
def _four(x: Any, cell: Any, wide: Any, wide_m: Any, wide_s: Any) -> Any:
    """(address of a window's first pair, bytes of a line of the image, its four numbers)."""
    line = quotient(cell, wide_m, wide_s)
    column = np.uint32(cell - np.uint32(line * wide))
    pixel = np.uint64(np.uint32(np.uint32(line * wide) * np.uint32(4)) + np.uint32(column * 2))
    bytes_of_line = np.uint64(wide) * np.uint64(8)
    at = x + _4 * pixel
    a, b = ptx.load64(at)
    c, d = ptx.load64(at + bytes_of_line)
    return _4 * pixel, bytes_of_line, (a, b, c, d)


@njit()
def _larger(best: Any, bits: Any) -> Any:
    v = ptx.float32_of(bits)
    return v if v > best or np.isnan(v) else best


@cuda_kernel(_u64, _u32, _u32, _u32, _u32, _u64)
def largest_of_four(x: Any, cells: Any, wide: Any, wide_m: Any, wide_s: Any, y: Any):  # type: ignore[no-untyped-def]
    """The largest of each window, NaN if there is one; ``wide`` windows a line."""
    cell = np.uint32(np.uint32(cuda.blockIdx.x) * np.uint32(THREADS) + np.uint32(cuda.threadIdx.x))
    if cell < cells:
        _at, _line, v = _four(x, cell, wide, wide_m, wide_s)
        best = _larger(_larger(np.float32(-np.inf), v[0]), v[1])
        best = _larger(_larger(best, v[2]), v[3])
        ptx.store32(y + _4 * np.uint64(cell), ptx.bits32(best))


@njit()
def _hit(bits: Any, m: Any) -> Any:
    v = ptx.float32_of(bits)
    return v == m or np.isnan(v)


@cuda_kernel(_u64, _u64, _u64, _u32, _u32, _u32, _u32, _u64)
def give_to_largest(  # type: ignore[no-untyped-def]
    g: Any, x: Any, y: Any, cells: Any, wide: Any, wide_m: Any, wide_s: Any, dx: Any
):
    """g at the first of each window that is the maximum ``y`` or NaN, else 0."""
    cell = np.uint32(np.uint32(cuda.blockIdx.x) * np.uint32(THREADS) + np.uint32(cuda.threadIdx.x))
    if cell < cells:
        at, line, v = _four(x, cell, wide, wide_m, wide_s)
        m = ptx.float32_of(ptx.load32(y + _4 * np.uint64(cell)))
        given = ptx.float32_of(ptx.load32(g + _4 * np.uint64(cell)))
        own = ptx.bits32(ptx.add(np.float32(0), given))
        a = _hit(v[0], m)
        b = not a and _hit(v[1], m)
        c = not (a or b) and _hit(v[2], m)
        d = not (a or b or c) and _hit(v[3], m)
        ptx.store64(dx + at, own if a else _0, own if b else _0)
        ptx.store64(dx + at + line, own if c else _0, own if d else _0)


def quads(x: Any, kernel: Pair, step: Pair, padding: Pair) -> bool:
    """Whether images are float32 in order that fall into whole 2 x 2 windows side by side."""
    return bool(
        kernel == step == (2, 2)
        and padding == (0, 0)
        and x.dtype == np.float32
        and x.flags.c_contiguous
        and x.shape[2] % 2 == 0 == x.shape[3] % 2
        and 0 < x.size < LIMIT
        and int(pointer(x)) % 8 == 0
    )


def largest(x: Any) -> Any:
    """The maxima of images (N, C, H, W) that are `quads`: (N, C, H / 2, W / 2)."""
    n, c, h, w = x.shape
    y = cupy().empty((n, c, h // 2, w // 2), np.float32)
    largest_of_four.launch(
        blocks_for(y.size, THREADS), THREADS, pointer(x), y.size, *divisor(w // 2), pointer(y)
    )
    return y


def largest_grad(g: Any, x: Any, y: Any) -> Any:
    """The gradient of `largest`; g and y in order, x `quads`."""
    dx = cupy().empty(x.shape, np.float32)
    give_to_largest.launch(
        blocks_for(y.size, THREADS), THREADS,
        pointer(g), pointer(x), pointer(y), y.size, *divisor(x.shape[3] // 2), pointer(dx),
    )  # fmt: skip
    return dx
