"""A tile of a matrix in shared memory, and the columns of a thread in it: see `cuda_both`.

16 bytes are a cell. A row has 32 cells and a cell of padding comes after every 8 rows, so lanes 8
rows apart read from different banks; bit 0 of a cell's column is flipped by its bit 3, so lanes
that write every other cell do too.
"""

from typing import Any

import numpy as np
from numba import njit, types

from extensor.kernels import ptx
from extensor.kernels.quantize.cuda_noise import philox4
from extensor.kernels.quantize.cuda_rows import amax_of, put
from extensor.kernels.quantize.cuda_scales import power_scale
from extensor.kernels.quantize.cuda_words import (
    nearest8,
    nearest8_clip,
    over_4_lanes,
    stochastic8,
    stochastic8_clip,
)

ROWS, COLUMNS = 64, 128
"""A tile."""
_CELLS = (COLUMNS // 4) * ROWS + ROWS // 8
_u32 = types.uint32

_put_cell = ptx.instruction("st.shared.v4.u32 [$0], {$1,$2,$3,$4};", (), (_u32,) * 5, volatile=True)
_cell = ptx.instruction(
    "ld.shared.v4.u32 {$0,$1,$2,$3}, [$4];", (_u32,) * 4, (_u32,), volatile=True
)


@njit()
def _where(row: Any, column: Any) -> Any:
    """The byte offset of a cell: row, and column / 4."""
    c = np.uint32(column ^ np.uint32(np.uint32(column >> np.uint32(3)) & np.uint32(1)))
    cell = np.uint32(np.uint32(row * np.uint32(COLUMNS // 4)) + np.uint32(row >> np.uint32(3)))
    return np.uint32(np.uint32(cell + c) * np.uint32(16))


tile_address = ptx.shared_room("both_orientations_tile", 16 * _CELLS)
"""The address of the tile in shared memory, a uint32."""


@njit()
def eight_codes(v: Any, multiplier: Any, draws: int, clip: int, w: Any) -> Any:
    """The word of codes of eight numbers; w: their random words, where ``draws``."""
    m = ptx.float32_of(multiplier)
    if draws:
        if clip:
            return stochastic8_clip(
                v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m,
                w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7],
            )  # fmt: skip
        return stochastic8(
            v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m,
            w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7],
        )  # fmt: skip
    if clip:
        return nearest8_clip(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m)
    return nearest8(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m)


@njit()
def stage(tile: Any, row: Any, unit: Any, v: Any) -> None:
    """Put a unit of a row into the tile: two cells."""
    c = np.uint32(unit * np.uint32(2))
    _put_cell(np.uint32(tile + _where(row, c)), v[0], v[1], v[2], v[3])
    _put_cell(np.uint32(tile + _where(row, np.uint32(c + np.uint32(1)))), v[4], v[5], v[6], v[7])


@njit()
def finish_column(
    column: int, v: Any, w: Any, codes: Any, scales: Any, unit: Any, units: Any,
    draws: int, clip: int, add: Any, shift: Any,
) -> None:  # fmt: skip
    """Quantize one of a thread's four columns and store it; v and w hold eight rows of four."""
    own = (v[0][column], v[1][column], v[2][column], v[3][column],
           v[4][column], v[5][column], v[6][column], v[7][column])  # fmt: skip
    drawn = (w[0][column], w[1][column], w[2][column], w[3][column],
             w[4][column], w[5][column], w[6][column], w[7][column])  # fmt: skip
    a = over_4_lanes(amax_of(own))
    code, m = power_scale(a, add, shift)
    word = eight_codes(own, m, draws, clip, drawn)
    put(codes, scales, unit, units, 4, a, word, code, 255)


@njit()
def eight_rows(tile: Any, row: Any, cell: Any) -> Any:
    """Eight rows of four columns: eight tuples of four."""
    return (
        _cell(np.uint32(tile + _where(row, cell))),
        _cell(np.uint32(tile + _where(np.uint32(row + np.uint32(1)), cell))),
        _cell(np.uint32(tile + _where(np.uint32(row + np.uint32(2)), cell))),
        _cell(np.uint32(tile + _where(np.uint32(row + np.uint32(3)), cell))),
        _cell(np.uint32(tile + _where(np.uint32(row + np.uint32(4)), cell))),
        _cell(np.uint32(tile + _where(np.uint32(row + np.uint32(5)), cell))),
        _cell(np.uint32(tile + _where(np.uint32(row + np.uint32(6)), cell))),
        _cell(np.uint32(tile + _where(np.uint32(row + np.uint32(7)), cell))),
    )


@njit()
def eight_draws(first: Any, step: Any, stream: Any, seed: Any) -> Any:
    """The random words of eight rows of four columns; ``step`` counters from row to row."""
    zero = np.uint32(0)
    return (
        philox4(first, zero, stream, seed),
        philox4(np.uint32(first + step), zero, stream, seed),
        philox4(np.uint32(first + step * np.uint32(2)), zero, stream, seed),
        philox4(np.uint32(first + step * np.uint32(3)), zero, stream, seed),
        philox4(np.uint32(first + step * np.uint32(4)), zero, stream, seed),
        philox4(np.uint32(first + step * np.uint32(5)), zero, stream, seed),
        philox4(np.uint32(first + step * np.uint32(6)), zero, stream, seed),
        philox4(np.uint32(first + step * np.uint32(7)), zero, stream, seed),
    )
