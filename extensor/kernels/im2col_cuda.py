"""im2col on CUDA: `extensor.kernels.im2col` for device arrays of 4- or 8-byte numbers, same bits.

A thread keeps what is the same for all that it writes: its column (c, u, v) where patches are rows,
its place (n, i, j) where they are columns; neighbouring lanes write neighbouring entries. `fold`
has a thread for each pixel, which sums its copies in the CPU's order.
Matrices of 2**31 entries and more are worked on by runs of images.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import contiguous, cupy, pointer
from extensor.errors import DTypeError
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.index_cuda import (
    LIMIT,
    behind_window,
    divisor,
    first_window,
    geometry,
    quotient,
    row_of,
    spans,
)
from extensor.kernels.memory import (
    read_f32,
    read_f64,
    read_i32,
    read_i64,
    write_f32,
    write_f64,
    write_i32,
    write_i64,
)
from extensor.kernels.window import Pair, four, out_size, same

THREADS, EACH = 256, 8
_u64, _u32, _i64 = types.uint64, types.uint32, types.int64
_0, _1, OUTSIDE = np.uint32(0), np.uint32(1), np.uint32(0xFFFFFFFF)


@njit()
def tap(column: Any, geo: Any) -> Any:
    """(channel, u - ph, v - pw) of a column of the patches; below 0: very large."""
    area, line, steps = row_of(geo, 1), row_of(geo, 2), row_of(geo, 8)
    channel = quotient(column, area[1], area[2])
    rest = np.uint32(column - np.uint32(channel * area[0]))
    u = quotient(rest, line[1], line[2])
    v = np.uint32(rest - np.uint32(u * line[0]))
    return channel, np.uint32(u - steps[2]), np.uint32(v - steps[3])


@njit()
def place(t: Any, geo: Any) -> Any:
    """(first plane of the image, i sh, j sw) of a row of the patches."""
    places, wide, steps = row_of(geo, 3), row_of(geo, 4), row_of(geo, 8)
    image = quotient(t, places[1], places[2])
    at = np.uint32(t - np.uint32(image * places[0]))
    i = quotient(at, wide[1], wide[2])
    j = np.uint32(at - np.uint32(i * wide[0]))
    return np.uint32(image * row_of(geo, 0)[3]), np.uint32(i * steps[0]), np.uint32(j * steps[1])


@njit()
def pixel(at: Any, by: Any, geo: Any) -> Any:
    """Where the entry of a row (its `place`) and a column (its `tap`) comes from, or OUTSIDE."""
    h, w = row_of(geo, 1)[3], row_of(geo, 4)[3]
    y, z = np.uint32(at[1] + by[1]), np.uint32(at[2] + by[2])
    if y >= h or z >= w:
        return OUTSIDE
    line = np.uint32(np.uint32(np.uint32(at[0] + by[0]) * h) + y)
    return np.uint32(np.uint32(line * w) + z)


@njit()
def _copy(x: Any, source: Any, out: Any, to: Any, width: Any) -> Any:
    """Copy a number of 4 or 8 bytes; zero where it comes from outside."""
    if width == np.uint32(4):
        value = np.int32(0)
        if source != OUTSIDE:
            value = read_i32(x + np.uint64(4) * np.uint64(source))
        write_i32(out + np.uint64(4) * to, value)
    else:
        long = np.int64(0)
        if source != OUTSIDE:
            long = read_i64(x + np.uint64(8) * np.uint64(source))
        write_i64(out + np.uint64(8) * to, long)


@cuda_kernel(*(_u64, _u32, _u64, _u32, _u32), *(_u32,) * 6, _u64)
def gather_rows(  # type: ignore[no-untyped-def]
    x: Any, width: Any, geo: Any, rows: Any, band: Any, run: Any, run_m: Any, run_s: Any,
    runs: Any, runs_m: Any, runs_s: Any, out: Any,
):  # fmt: skip
    """The patches (T, K) of images at ``x``: a column a thread, `EACH` rows of it.

    rows
        T.
    band
        Rows that a block writes at a time.
    run, runs
        Columns of a block, and how many runs make K; each a `divisor`.
    """
    thread, block = np.uint32(cuda.threadIdx.x), np.uint32(cuda.blockIdx.x)
    row, group = quotient(thread, run_m, run_s), quotient(block, runs_m, runs_s)
    column = np.uint32(np.uint32(block - np.uint32(group * runs)) * run)
    column = np.uint32(column + np.uint32(thread - np.uint32(row * run)))
    length = row_of(geo, 0)[0]
    if row >= band or column >= length:
        return
    by = tap(column, geo)
    t = np.uint32(np.uint32(group * np.uint32(band * np.uint32(EACH))) + row)
    for _ in range(EACH):
        if t < rows:
            source = pixel(place(t, geo), by, geo)
            _copy(x, source, out, np.uint64(np.uint32(np.uint32(t * length) + column)), width)
        t = np.uint32(t + band)


@cuda_kernel(*(_u64, _u32, _u64, _u32, _u32, _u32, _u32), _u64, _u64)
def gather_columns(  # type: ignore[no-untyped-def]
    x: Any, width: Any, geo: Any, count: Any, runs: Any, runs_m: Any, runs_s: Any,
    pitch: Any, out: Any,
):  # fmt: skip
    """``count`` entries of each row of the patches (K, T), T = ``pitch``: a place a thread.

    runs
        Blocks that make ``count`` places, a `divisor`; a block writes `EACH` rows.
    """
    block = np.uint32(cuda.blockIdx.x)
    group = quotient(block, runs_m, runs_s)
    t = np.uint32(np.uint32(block - np.uint32(group * runs)) * np.uint32(THREADS))
    t = np.uint32(t + np.uint32(cuda.threadIdx.x))
    if t >= count:
        return
    at, length = place(t, geo), row_of(geo, 0)[0]
    column = np.uint32(group * np.uint32(EACH))
    for _ in range(EACH):
        if column < length:
            source = pixel(at, tap(column, geo), geo)
            _copy(x, source, out, np.uint64(column) * pitch + np.uint64(t), width)
        column = np.uint32(column + _1)


@njit()
def _sum(
    read: Any, size: Any, zero: Any, cols: Any, image: Any, at: Any, y: Any, z: Any, g: Any
) -> Any:
    """The copies of a padded pixel (y, z), in the order (i, j). at: (c kh) kw; g: rows.

    The first of g: how many entries apart neighbouring rows and columns lie.
    """
    step, line, places, wide, steps, apart = g
    total = zero
    i = first_window(y, line[3], apart[0], apart[1])
    bottom = behind_window(y, places[3], apart[0], apart[1])
    left = first_window(z, line[0], apart[2], apart[3])
    right = behind_window(z, wide[0], apart[2], apart[3])
    while i < bottom:
        u = np.uint32(y - np.uint32(i * steps[0]))
        t = np.uint32(np.uint32(image * places[0]) + np.uint32(i * wide[0]))
        j = left
        while j < right:
            v = np.uint32(z - np.uint32(j * steps[1]))
            column = np.uint32(np.uint32(at + np.uint32(u * line[0])) + v)
            entry = np.uint32(np.uint32(np.uint32(t + j) * step[0]) + np.uint32(column * step[1]))
            total = total + read(cols + size * np.uint64(entry))
            j = np.uint32(j + _1)
        i = np.uint32(i + _1)
    return total


@cuda_kernel(_u64, _u32, _u64, _u32, _u32, _u32, _u64)
def sum_copies(  # type: ignore[no-untyped-def]
    cols: Any, width: Any, geo: Any, down: Any, across: Any, cells: Any, out: Any
):
    """One pixel of (N, C, H, W) a thread; rows of the patches are ``down`` entries apart, columns
    ``across``."""
    cell = np.uint32(cuda.blockIdx.x * THREADS + cuda.threadIdx.x)
    if cell >= cells:
        return
    area, line, places = row_of(geo, 1), row_of(geo, 2), row_of(geo, 3)
    wide, plane, length = row_of(geo, 4), row_of(geo, 5), row_of(geo, 6)
    channels, steps, apart = row_of(geo, 7), row_of(geo, 8), row_of(geo, 9)
    p = quotient(cell, plane[1], plane[2])
    rest = np.uint32(cell - np.uint32(p * plane[0]))
    y = quotient(rest, length[1], length[2])
    z = np.uint32(rest - np.uint32(y * length[0]))
    image = quotient(p, channels[1], channels[2])
    at = np.uint32(np.uint32(p - np.uint32(image * channels[0])) * area[0])
    y, z = np.uint32(y + steps[2]), np.uint32(z + steps[3])
    g = ((down, across), line, places, wide, steps, apart)
    if width == np.uint32(4):
        total = _sum(read_f32, np.uint64(4), np.float32(0), cols, image, at, y, z, g)
        write_f32(out + np.uint64(4) * np.uint64(cell), total)
    else:
        long = _sum(read_f64, np.uint64(8), np.float64(0), cols, image, at, y, z, g)
        write_f64(out + np.uint64(8) * np.uint64(cell), long)


def _width(op: str, a: Any) -> int:
    if a.dtype not in (np.float32, np.float64):
        raise DTypeError(f"{op}: {a.dtype} on a GPU; allowed: float32, float64")
    return int(a.dtype.itemsize)


def patches(x: Any, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> Any:
    """`extensor.kernels.im2col.patches` of a device array."""
    n, c, h, w = four("patches", "x", x.shape)
    out = out_size("patches", (h, w), kernel, stride, padding)
    width, x = _width("patches", x), contiguous(x)
    t, k = out[0] * out[1], c * kernel[0] * kernel[1]
    cols = cupy().empty((n * t, k), x.dtype)
    if not cols.size:
        return cols
    geo = geometry((c, h, w), kernel, stride, padding, out)
    runs = blocks_for(k, THREADS)
    run = blocks_for(k, runs)
    band = THREADS // run
    for first, count in spans("patches", n, max(t * k, c * h * w)):
        gather_rows.launch(
            blocks_for(count * t, EACH * band) * runs, blocks_for(band * run, 32) * 32,
            pointer(x[first:]), width, pointer(geo), count * t, band, *divisor(run),
            *divisor(runs), pointer(cols[first * t :]),
        )  # fmt: skip
    return cols


def patches_transposed(x: Any, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> Any:
    """`extensor.kernels.im2col.patches_transposed` of a device array."""
    n, c, h, w = four("patches_transposed", "x", x.shape)
    out = out_size("patches_transposed", (h, w), kernel, stride, padding)
    width, x = _width("patches_transposed", x), contiguous(x)
    t, k = out[0] * out[1], c * kernel[0] * kernel[1]
    cols = cupy().empty((k, n * t), x.dtype)
    if not cols.size:
        return cols
    geo = geometry((c, h, w), kernel, stride, padding, out)
    for first, count in spans("patches_transposed", n, max(t * k, c * h * w)):
        runs = blocks_for(count * t, THREADS)
        gather_columns.launch(
            runs * blocks_for(k, EACH), THREADS,
            pointer(x[first:]), width, pointer(geo), count * t, *divisor(runs), n * t,
            pointer(cols[:, first * t :]),
        )  # fmt: skip
    return cols


def fold(
    cols: Any,
    x_shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
) -> Any:
    """`extensor.kernels.im2col.fold` of a device array."""
    n, c, h, w = four("fold", "x", x_shape)
    out = out_size("fold", (h, w), kernel, stride, padding)
    t, k = out[0] * out[1], c * kernel[0] * kernel[1]
    same("fold", "cols", cols.shape, (n * t, k))
    width = _width("fold", cols)
    turned = cols.T.flags.c_contiguous and cols.size < LIMIT
    cols = cols if turned else contiguous(cols)
    down, across = (1, n * t) if turned else (k, 1)
    dx = cupy().empty((n, c, h, w), cols.dtype)
    if not dx.size:
        return dx
    geo = geometry((c, h, w), kernel, stride, padding, out)
    runs = [(0, n)] if turned else spans("fold", n, max(t * k, c * h * w))
    for first, count in runs:
        sum_copies.launch(
            blocks_for(count * c * h * w, THREADS), THREADS,
            pointer(cols[first * t :]), width, pointer(geo), down, across, count * c * h * w,
            pointer(dx[first:]),
        )  # fmt: skip
    return dx
