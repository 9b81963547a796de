"""Tiles: a few rows of a strided array, copied into a small C-contiguous buffer.

The kernels of blocked formats read along K. Where K is not the axis that is contiguous in memory
(an operand of a backward product is a transpose), a tile of `ROWS` rows is turned over inside
the first-level cache, by 8 x 8 transposes in registers.
"""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.address import address_of, get_int32
from extensor.kernels.ir import I32, I64, const_each, i64, intrinsic, load_at, store_at, vector

ROWS = 32
"""Rows of a tile that is turned over."""


@intrinsic
def transpose8(typing: Any, columns: Any, shift: Any, to: Any, pitch: Any) -> Any:
    """Eight runs of eight 32-bit numbers, turned over.

    columns
        Address of eight 64-bit addresses, one of each run.
    shift
        Bytes that are added to each of them.
    to, pitch
        Address of the first of eight rows, and bytes from one to the next: number i of run j
        goes to place j of row i.
    """

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        v = []
        for j in range(8):
            run = b.add(load_at(b, b.add(args[0], i64(8 * j)), I64), args[1])
            v.append(load_at(b, run, vector(I32, 8)))
        pair = ([0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15])
        quad = ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15])
        half = ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15])

        def mix(x: Any, y: Any, order: list[int]) -> Any:
            return b.shuffle_vector(x, y, const_each(I32, order))

        two = [mix(v[2 * i], v[2 * i + 1], o) for i in range(4) for o in pair]
        four = []
        for i in (0, 4):
            for part in (0, 1):
                four += [mix(two[i + part], two[i + 2 + part], o) for o in quad]
        for i in range(4):
            for part in (0, 1):
                row = mix(four[i], four[4 + i], half[part])
                store_at(b, b.add(args[2], b.mul(args[3], i64(i + 4 * part))), row)
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), generate


@kernel()
def turn(columns: NDArray[np.int64], count: int, rows: int, to: int, pitch: int) -> None:
    """``count`` runs (a multiple of 8) of ``rows`` numbers become rows of ``count``.

    Eight numbers are read and eight rows written at a time, whatever ``rows`` is.
    """
    for k in range(0, count, 8):
        for r in range(0, rows, 8):
            transpose8(address_of(columns) + 8 * k, 4 * r, to + r * pitch + 4 * k, pitch)


@kernel()
def stage_columns(
    x: int,
    step: int,
    rows: int,
    length: int,
    width: int,
    spare: NDArray[np.int32],
    columns: NDArray[np.int64],
    out: NDArray[np.int32],
) -> None:
    """A tile whose rows are side by side in memory.

    x, step
        Address of its first number; bytes from one place in K to the next.
    rows, length, width
        Rows (at most `ROWS`) and numbers in each; what is missing up to ``width``, a multiple of
        8, becomes zero.
    spare
        Scratch of ``ROWS * (width + 1)``, the last `ROWS` of them zero.
    out
        `ROWS` rows of ``out.shape[1]`` numbers.
    """
    zeros = address_of(spare) + 4 * (spare.size - ROWS)
    for k in range(length):
        at = x + k * step
        columns[k] = at
        if rows < ROWS:
            for r in range(rows):
                spare[k * ROWS + r] = get_int32(at + 4 * r)
            columns[k] = address_of(spare) + 4 * ROWS * k
    for k in range(length, width):
        columns[k] = zeros
    turn(columns, width, rows, address_of(out), 4 * out.shape[1])


@kernel()
def stage_rows(
    x: int,
    row_step: int,
    step: int,
    rows: int,
    length: int,
    width: int,
    out: NDArray[np.int32],
) -> None:
    """A tile of any strides, number by number; zeros up to ``width``."""
    for r in range(rows):
        row = out[r]
        at = x + r * row_step
        for k in range(length):
            row[k] = get_int32(at + k * step)
        for k in range(length, width):
            row[k] = np.int32(0)
