"""Both orientations of a matrix in one read: blocks along rows and blocks along columns.

A thread block has a tile of 64 rows and 128 columns. Each thread quantizes units of eight
neighbours in a row (`cuda_load`) on their way into shared memory (`cuda_tile`); then it takes 4
columns by 8 rows from there, so that the 8 rows of a column are again one word of codes, the four
words of one Philox counter are used up, and the 8 lanes that hold 64 rows of a column write 32
bytes in a row. Without the first half it quantizes columns alone.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import library_of, pointer
from extensor.capture import key_arguments
from extensor.formats import MXFP4, Block
from extensor.kernels.choice import Choice
from extensor.kernels.cuda import CudaKernel, blocks_for, cuda_kernel
from extensor.kernels.keys_cuda import key_words
from extensor.kernels.packed import Packed
from extensor.kernels.quantize.cuda_fast import SOURCES, Fast, capability, fast_plan, fits
from extensor.kernels.quantize.cuda_load import THREADS, load8
from extensor.kernels.quantize.cuda_rows import amax_of, codes8, put
from extensor.kernels.quantize.cuda_scales import power_scale
from extensor.kernels.quantize.cuda_tile import (
    COLUMNS,
    ROWS,
    eight_draws,
    eight_rows,
    finish_column,
    stage,
    tile_address,
)
from extensor.kernels.quantize.cuda_words import over_4_lanes
from extensor.noise import Key

BAND = 16
"""Tiles below each other that are done one after the other: they share sectors of the output."""
_u32, _u64 = types.uint32, types.uint64
_NONE = np.uint32(0xFFFFFFFF)


@njit()
def _unit(row: Any, height: Any, width: Any, column: Any) -> Any:
    """The unit of a place in x; rows past the end repeat the last."""
    r = min(row, np.uint32(height - np.uint32(1)))
    first = np.uint32(r * np.uint32(width >> np.uint32(3)))
    return np.uint32(first + np.uint32(column >> np.uint32(3)))


@njit()
def _finish_row(
    v: Any, codes: Any, scales: Any, unit: Any, units: Any,
    draws: int, clip: int, add: Any, shift: Any, stream: Any, seed: Any,
) -> None:  # fmt: skip
    """Quantize a unit of a row and store it."""
    a = over_4_lanes(amax_of(v))
    code, m = power_scale(a, add, shift)
    word = codes8(v, m, draws, clip, np.uint32(unit + unit), np.uint32(0), stream, seed)
    put(codes, scales, unit, units, 4, a, word, code, 255)


@cache
def mx_both(
    source: int, rows: int, draw_rows: int, clip_rows: int, draw_columns: int, clip_columns: int
) -> CudaKernel:
    """Power-of-two scales, blocks of 32, each orientation with its own rule, rounding and key.

    rows
        Whether rows are quantized too.
    source, draw_rows .. clip_columns
        See `cuda_rows.mx_rows`.
    """

    @cuda_kernel(
        _u64, _u32, _u32, _u32, _u64, _u64, _u32, _u32, _u64, _u64, _u64,
        _u64, _u64, _u32, _u32, _u64, _u64, _u64,
        needs=(8, 0), bounds=(THREADS, 3 if draw_columns else 4),
        constants=(source, rows, draw_rows, clip_rows, draw_columns, clip_columns),
    )  # fmt: skip
    def both(
        x: Any, height: Any, width: Any, across: Any,
        codes_c: Any, scales_c: Any, add_c: Any, shift_c: Any, key_c: Any, stream_c: Any,
        seed_c: Any, codes: Any, scales: Any, add: Any, shift: Any, key: Any, stream: Any,
        seed: Any,
    ) -> None:  # fmt: skip
        if draw_rows:
            stream, seed = key_words(key, stream, seed)
        if draw_columns:
            stream_c, seed_c = key_words(key_c, stream_c, seed_c)
        tile, t = tile_address(), np.uint32(cuda.threadIdx.x)
        b = np.uint32(cuda.blockIdx.x)
        low, rest = np.uint32(b & np.uint32(BAND - 1)), np.uint32(b // np.uint32(BAND))
        down = np.uint32(np.uint32(np.uint32(rest // across) * np.uint32(BAND)) + low)
        top = np.uint32(down * np.uint32(ROWS))
        left = np.uint32(np.uint32(rest % across) * np.uint32(COLUMNS))
        if top >= height:
            return
        units = np.uint32(np.uint64(height) * np.uint64(width) >> np.uint64(3))
        c = np.uint32(t & np.uint32(15))
        column = np.uint32(left + np.uint32(c * np.uint32(8)))
        inside = column < width
        column = min(column, np.uint32(width - np.uint32(8)))
        row = np.uint32(t >> np.uint32(4))
        r0 = _unit(np.uint32(top + row), height, width, column)
        r1 = _unit(np.uint32(top + row + np.uint32(16)), height, width, column)
        r2 = _unit(np.uint32(top + row + np.uint32(32)), height, width, column)
        r3 = _unit(np.uint32(top + row + np.uint32(48)), height, width, column)
        v0, v1 = load8(source, x, r0), load8(source, x, r1)
        v2, v3 = load8(source, x, r2), load8(source, x, r3)
        stage(tile, row, c, v0)
        stage(tile, np.uint32(row + np.uint32(16)), c, v1)
        stage(tile, np.uint32(row + np.uint32(32)), c, v2)
        stage(tile, np.uint32(row + np.uint32(48)), c, v3)
        cuda.syncthreads()
        if rows:
            lower = inside and np.uint32(top + np.uint32(32)) < height
            r0, r1 = r0 if inside else _NONE, r1 if inside else _NONE
            r2, r3 = r2 if lower else _NONE, r3 if lower else _NONE
            _finish_row(
                v0, codes, scales, r0, units, draw_rows, clip_rows, add, shift, stream, seed
            )
            _finish_row(
                v1, codes, scales, r1, units, draw_rows, clip_rows, add, shift, stream, seed
            )
            _finish_row(
                v2, codes, scales, r2, units, draw_rows, clip_rows, add, shift, stream, seed
            )
            _finish_row(
                v3, codes, scales, r3, units, draw_rows, clip_rows, add, shift, stream, seed
            )

        g = np.uint32(t >> np.uint32(3))
        row = np.uint32(np.uint32(t & np.uint32(7)) * np.uint32(8))
        v = eight_rows(tile, row, g)
        column = np.uint32(left + np.uint32(g * np.uint32(4)))
        row = np.uint32(top + row)
        w = v
        if draw_columns:
            step = np.uint32(width >> np.uint32(2))
            first = np.uint32(np.uint32(row * step) + np.uint32(column >> np.uint32(2)))
            w = eight_draws(first, step, stream_c, seed_c)
        step = np.uint32(height >> np.uint32(3))
        u0 = np.uint32(np.uint32(column * step) + np.uint32(row >> np.uint32(3)))
        u1 = np.uint32(u0 + step)
        u2 = np.uint32(u1 + step)
        u3 = np.uint32(u2 + step)
        if row >= height or column >= width:
            u0, u1, u2, u3 = _NONE, _NONE, _NONE, _NONE
        finish_column(
            0, v, w, codes_c, scales_c, u0, units, draw_columns, clip_columns, add_c, shift_c
        )
        finish_column(
            1, v, w, codes_c, scales_c, u1, units, draw_columns, clip_columns, add_c, shift_c
        )
        finish_column(
            2, v, w, codes_c, scales_c, u2, units, draw_columns, clip_columns, add_c, shift_c
        )
        finish_column(
            3, v, w, codes_c, scales_c, u3, units, draw_columns, clip_columns, add_c, shift_c
        )

    return both


for _one in ((0, 1, 0, 0, 0, 0), (1, 1, 1, 0, 1, 1), (0, 0, 0, 0, 1, 0)):
    mx_both(*_one)  # listed, so that tests compile them


def _plan(x: Any, fmt: Block, choice: Choice) -> Fast | None:
    """The plan of one orientation; None where this kernel lacks the case."""
    p = fast_plan(fmt, choice)
    if p is None or fmt != MXFP4 or p.pre or not fits(x, 32):
        return None
    return None if x.shape[0] % 32 or x.size >= 2**34 or capability() < (8, 0) else p


def _target(x: Any, p: Fast, key: Key | None, rows: int, length: int) -> tuple[Packed, Any]:
    """Empty rows of ``length``, and what the kernel takes for their orientation."""
    library = library_of(x)
    codes = library.empty((rows, length // 2), np.uint8)
    scales = library.empty((rows, length // 32), np.uint8)
    cap = (np.uint32(p.add), np.uint32(p.shift))
    noise = key_arguments(key if p.draws else None)
    packed = Packed(codes, scales, None, MXFP4, length, rows)
    return packed, (pointer(codes), pointer(scales), *cap, *noise)


def _launch(x: Any, kernel: CudaKernel, *orientations: Any) -> None:
    height, width = x.shape
    down, across = blocks_for(height, ROWS), blocks_for(width, COLUMNS)
    shape = (np.uint32(height), np.uint32(width), np.uint32(across))
    blocks = blocks_for(down, BAND) * BAND * across
    kernel.launch(blocks, THREADS, pointer(x), *shape, *orientations[0], *orientations[1])


def quantize_both_cuda(
    x: Any,
    fmt: Block,
    choice_rows: Choice,
    key_rows: Key | None,
    choice_columns: Choice,
    key_columns: Key | None,
) -> tuple[Packed, Packed] | None:
    """Quantize x along its rows and along its columns; None where this kernel lacks the case.

    x
        (R, K) on the device as `quantize_fast_cuda` takes it, R and K multiples of 32.
    Returns what quantizing ``x`` and ``x.T`` give, the second (K, R); element (r, k) has the
    random word of index ``r K + k`` in both, each of its own key.
    """
    p, q = _plan(x, fmt, choice_rows), _plan(x, fmt, choice_columns)
    if p is None or q is None:
        return None
    height, width = x.shape
    rows, to_rows = _target(x, p, key_rows, height, width)
    columns, to_columns = _target(x, q, key_columns, width, height)
    _launch(x, mx_both(SOURCES[x.dtype], 1, p.draws, p.clip, q.draws, q.clip), to_columns, to_rows)
    return rows, columns


def quantize_columns_cuda(x: Any, fmt: Block, choice: Choice, key: Key | None) -> Packed | None:
    """Quantize x (R, K) along its columns alone, the second result of `quantize_both_cuda`."""
    p = _plan(x, fmt, choice)
    if p is None:
        return None
    columns, to = _target(x, p, key, x.shape[1], x.shape[0])
    _launch(x, mx_both(SOURCES[x.dtype], 0, 0, 0, p.draws, p.clip), to, to)
    return columns
