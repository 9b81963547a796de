"""Pooling on CUDA: `extensor.kernels.pool` for device arrays, the same numbers.

An output, or in the gradients a pixel of the image, has a thread of its own, which walks its
windows in ascending order: no atomics, one fixed order of sums. float32 and float64 have kernels;
other float types take the definition in NumPy's words, which the array library of the GPU runs.
Results are C-contiguous.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import contiguous, cupy, pointer
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.index_cuda import (
    behind_window,
    first_window,
    geometry,
    quotient,
    row_of,
    spans,
)
from extensor.kernels.memory import read_f32, read_f64, write_f32, write_f64
from extensor.kernels.pool import reference
from extensor.kernels.pool.api import geometry as check
from extensor.kernels.pool_quad_cuda import largest, largest_grad, quads
from extensor.kernels.window import Pair, same

THREADS = 256
_u64, _u32 = types.uint64, types.uint32
_0, _1, _4 = np.uint32(0), np.uint32(1), np.uint32(4)
_SMALL = np.float32(-np.inf)


@njit()
def _split(cell: Any, plane: Any, line: Any) -> Any:
    """(plane, row, column) of an index; ``plane`` and ``line`` are divisors."""
    p = quotient(cell, plane[1], plane[2])
    rest = np.uint32(cell - np.uint32(p * plane[0]))
    i = quotient(rest, line[1], line[2])
    return p, i, np.uint32(rest - np.uint32(i * line[0]))


@njit()
def _span(i: Any, step: Any, padding: Any, size: Any, limit: Any) -> Any:
    """(first, one behind the last) pixel of window ``i``, padding left out."""
    at = np.uint32(i * step)
    first = np.uint32(at - padding) if at > padding else _0
    behind = np.uint32(min(np.uint32(at + size), np.uint32(limit + padding)) - padding)
    return first, behind


@njit()
def _window(reads: Any, x: Any, p: Any, i: Any, j: Any, geo: Any, largest: Any) -> Any:
    """The largest element, or the sum, of window (i, j) of plane ``p``."""
    read, size, start = reads
    kernel, plane = row_of(geo, 2), row_of(geo, 5)
    across, steps = row_of(geo, 6), row_of(geo, 8)
    top, bottom = _span(i, steps[0], steps[2], kernel[3], row_of(geo, 1)[3])
    left, right = _span(j, steps[1], steps[3], kernel[0], across[0])
    best = start
    y = top
    while y < bottom:
        at = np.uint32(np.uint32(p * plane[0]) + np.uint32(y * across[0]))
        z = left
        while z < right:
            v = read(x + size * np.uint64(np.uint32(at + z)))
            if largest:
                if v > best or np.isnan(v):
                    best = v
            else:
                best = best + v
            z = np.uint32(z + _1)
        y = np.uint32(y + _1)
    return best


@cuda_kernel(_u64, _u32, _u64, _u32, _u64)
def largest_of(x: Any, width: Any, geo: Any, cells: Any, out: Any):  # type: ignore[no-untyped-def]
    """The largest element of a window, NaN if there is one; one output a thread."""
    cell = np.uint32(cuda.blockIdx.x * THREADS + cuda.threadIdx.x)
    if cell >= cells:
        return
    p, i, j = _split(cell, row_of(geo, 3), row_of(geo, 4))
    if width == _4:
        v = _window((read_f32, np.uint64(4), _SMALL), x, p, i, j, geo, True)
        write_f32(out + np.uint64(4) * np.uint64(cell), v)
    else:
        w = _window((read_f64, np.uint64(8), np.float64(_SMALL)), x, p, i, j, geo, True)
        write_f64(out + np.uint64(8) * np.uint64(cell), w)


@cuda_kernel(_u64, _u32, _u64, _u32, _u64)
def mean_of(x: Any, width: Any, geo: Any, cells: Any, out: Any):  # type: ignore[no-untyped-def]
    """The sum of a window over its size; one output a thread."""
    cell = np.uint32(cuda.blockIdx.x * THREADS + cuda.threadIdx.x)
    if cell >= cells:
        return
    p, i, j = _split(cell, row_of(geo, 3), row_of(geo, 4))
    count = row_of(geo, 1)[0]
    if width == _4:
        v = _window((read_f32, np.uint64(4), np.float32(0)), x, p, i, j, geo, False)
        write_f32(out + np.uint64(4) * np.uint64(cell), np.float32(v / np.float32(count)))
    else:
        w = _window((read_f64, np.uint64(8), np.float64(0)), x, p, i, j, geo, False)
        write_f64(out + np.uint64(8) * np.uint64(cell), w / np.float64(count))


@njit()
def _takes(reads: Any, x: Any, m: Any, p: Any, i: Any, j: Any, y: Any, z: Any, geo: Any) -> Any:
    """Whether pixel (y, z) is the first in window (i, j) that is the maximum ``m`` or NaN."""
    read, size, _ = reads
    kernel, plane = row_of(geo, 2), row_of(geo, 5)
    across, steps = row_of(geo, 6), row_of(geo, 8)
    base = np.uint32(p * plane[0])
    own = read(x + size * np.uint64(np.uint32(np.uint32(base + np.uint32(y * across[0])) + z)))
    if not (own == m or np.isnan(own)):
        return False
    top, _bottom = _span(i, steps[0], steps[2], kernel[3], row_of(geo, 1)[3])
    left, right = _span(j, steps[1], steps[3], kernel[0], across[0])
    a = top
    while a <= y:
        b = left
        while b < right and (a < y or b < z):
            v = read(
                x + size * np.uint64(np.uint32(np.uint32(a * across[0]) + np.uint32(base + b)))
            )
            if v == m or np.isnan(v):
                return False
            b = np.uint32(b + _1)
        a = np.uint32(a + _1)
    return True


@njit()
def _collect(reads: Any, g: Any, x: Any, out: Any, cell: Any, geo: Any) -> Any:
    """The gradient of a pixel: what the windows that cover it give, in ascending order.

    x, out
        The image and its maxima; 0 for the mean, where every window gives its share.
    """
    read, size, total = reads
    kernel, places, wide = row_of(geo, 2), row_of(geo, 3), row_of(geo, 4)
    steps, apart = row_of(geo, 8), row_of(geo, 9)
    p, y, z = _split(cell, row_of(geo, 5), row_of(geo, 6))
    down, right = np.uint32(y + steps[2]), np.uint32(z + steps[3])
    i = first_window(down, kernel[3], apart[0], apart[1])
    last = behind_window(down, places[3], apart[0], apart[1])
    start = first_window(right, kernel[0], apart[2], apart[3])
    end = behind_window(right, wide[0], apart[2], apart[3])
    count = row_of(geo, 1)[0]
    while i < last:
        at = np.uint32(np.uint32(p * places[0]) + np.uint32(i * wide[0]))
        j = start
        while j < end:
            place = size * np.uint64(np.uint32(at + j))
            if x == np.uint64(0):
                total = total + _share(read(g + place), count)
            elif _takes(reads, x, read(out + place), p, i, j, y, z, geo):
                total = total + read(g + place)
            j = np.uint32(j + _1)
        i = np.uint32(i + _1)
    return total


@njit()
def _share(g: Any, count: Any) -> Any:
    return g / type(g)(count)


@cuda_kernel(_u64, _u64, _u64, _u32, _u64, _u32, _u64)
def collect(g: Any, x: Any, y: Any, width: Any, geo: Any, cells: Any, dx: Any):  # type: ignore[no-untyped-def]
    """The gradient of one pixel a thread; see `_collect`."""
    cell = np.uint32(cuda.blockIdx.x * THREADS + cuda.threadIdx.x)
    if cell >= cells:
        return
    if width == _4:
        v = _collect((read_f32, np.uint64(4), np.float32(0)), g, x, y, cell, geo)
        write_f32(dx + np.uint64(4) * np.uint64(cell), v)
    else:
        w = _collect((read_f64, np.uint64(8), np.float64(0)), g, x, y, cell, geo)
        write_f64(dx + np.uint64(8) * np.uint64(cell), w)


def _plain(*arrays: Any) -> bool:
    """Whether the kernels take these: all float32, or all float64."""
    return all(a.dtype == arrays[0].dtype for a in arrays) and arrays[0].dtype in (
        np.float32, np.float64,
    )  # fmt: skip


def _windows(run: Any, op: str, x: Any, kernel: Pair, step: Pair, padding: Pair, out: Pair) -> Any:
    """One of the kernels with an output a thread, over runs of planes."""
    n, c, h, w = x.shape
    x, y = contiguous(x).reshape(n * c, h, w), cupy().empty((n * c, *out), x.dtype)
    geo = geometry((1, h, w), kernel, step, padding, out)
    places = out[0] * out[1]
    for first, count in spans(op, n * c, max(h * w, places)):
        run.launch(
            blocks_for(count * places, THREADS), THREADS,
            pointer(x[first:]), x.dtype.itemsize, pointer(geo), count * places, pointer(y[first:]),
        )  # fmt: skip
    return y.reshape(n, c, *out)


def _gradient(
    op: str, g: Any, x: Any, y: Any, shape: Any, kernel: Pair, step: Pair, padding: Pair
) -> Any:
    """`collect` over runs of planes; x and y None for the mean."""
    n, c, h, w = shape
    out = (g.shape[2], g.shape[3])
    g, dx = contiguous(g).reshape(n * c, *out), cupy().empty((n * c, h, w), g.dtype)
    if x is not None:
        x, y = contiguous(x).reshape(n * c, h, w), contiguous(y).reshape(n * c, *out)
    geo = geometry((1, h, w), kernel, step, padding, out)
    for first, count in spans(op, n * c, max(h * w, out[0] * out[1])):
        collect.launch(
            blocks_for(count * h * w, THREADS), THREADS,
            pointer(g[first:]), np.uint64(0) if x is None else pointer(x[first:]),
            np.uint64(0) if y is None else pointer(y[first:]), g.dtype.itemsize, pointer(geo),
            count * h * w, pointer(dx[first:]),
        )  # fmt: skip
    return dx.reshape(n, c, h, w)


def max_pool2d(x: Any, kernel: Pair, stride: Pair | None = None, padding: Pair = (0, 0)) -> Any:
    """`extensor.kernels.pool.max_pool2d` of a device array."""
    step, out = check("max_pool2d", x.shape, kernel, stride, padding)
    if not _plain(x):
        return reference.max_pool2d(x, kernel, step, padding, out)
    if quads(x, kernel, step, padding):
        return largest(x)
    return _windows(largest_of, "max_pool2d", x, kernel, step, padding, out)


def max_pool2d_grad(
    g: Any, x: Any, y: Any, kernel: Pair, stride: Pair | None = None, padding: Pair = (0, 0)
) -> Any:
    """`extensor.kernels.pool.max_pool2d_grad` of device arrays."""
    op = "max_pool2d_grad"
    step, out = check(op, x.shape, kernel, stride, padding)
    for name, a in (("g", g), ("y", y)):
        same(op, name, a.shape, (*x.shape[:2], *out))
    if not _plain(g, x, y):
        return reference.max_pool2d_grad(g, x, y, kernel, step, padding)
    if quads(x, kernel, step, padding):
        return largest_grad(contiguous(g), x, contiguous(y))
    return _gradient(op, g, x, y, x.shape, kernel, step, padding)


def avg_pool2d(x: Any, kernel: Pair, stride: Pair | None = None, padding: Pair = (0, 0)) -> Any:
    """`extensor.kernels.pool.avg_pool2d` of a device array."""
    step, out = check("avg_pool2d", x.shape, kernel, stride, padding)
    if not _plain(x):
        return reference.avg_pool2d(x, kernel, step, padding, out)
    return _windows(mean_of, "avg_pool2d", x, kernel, step, padding, out)


def avg_pool2d_grad(
    g: Any,
    x_shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
) -> Any:
    """`extensor.kernels.pool.avg_pool2d_grad` of a device array."""
    op = "avg_pool2d_grad"
    step, out = check(op, x_shape, kernel, stride, padding)
    same(op, "g", g.shape, (*x_shape[:2], *out))
    if not _plain(g):
        return reference.avg_pool2d_grad(g, x_shape, kernel, step, padding)
    return _gradient(op, g, None, None, x_shape, kernel, step, padding)
