"""Products of two packed FP4 operands that are thin somewhere, on tensor cores: nothing is staged.

Convolutions make them: millions of patches times six filters, six gradients times millions of
patches. Both operands are read packed, once for each tile of the other, and decoded in registers
(`cuda_fragment`); so the time is that of reading 4-bit numbers and writing the answer. A warp has
32 rows of a, up to 32 rows of b, and a slice of K; slices are added in a fixed order.

Lane (g, t), g the lane over 4, has rows g, g + 8, ... and in each step of K one 32-bit word (eight
codes) of a group of 32 places, or with ``wide`` all four words of every fourth group. Both operands
use the same order of k, which a sum over k does not see.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.kernels import ptx
from extensor.kernels.cuda import CudaKernel, cuda_kernel
from extensor.kernels.index_cuda import quotient
from extensor.kernels.matmul.cuda_fragment import UNIT, pairs, permute
from extensor.kernels.matmul.cuda_operand import OPERAND

THREADS, WARPS = 256, 8
ROWS = 32
"""Rows of a that a warp has."""
TILES = (1, 2, 4)
"""Tiles of eight rows of b that a warp may have."""
_u32, _i64, _f32 = types.uint32, types.int64, types.float32
_0, _ONE = np.uint32(0), np.uint32(0x3F803F80)
_4, _8 = np.uint64(4), np.int64(8)
_NOTHING = (np.float32(0),) * 4

_decode = ptx.instruction(
    f"{{ .reg .b32 t, v, u, p0, p1, p2, p3; mov.b32 u, {UNIT}; "
    + " ".join(pairs("$4", "$5", ["p0", "p1", "p2", "p3"], True))
    + " mov.b32 $0, p0; mov.b32 $1, p1; mov.b32 $2, p2; mov.b32 $3, p3; }",
    (_u32,) * 4,
    (_u32, _u32),
)
"""Four bf16 pairs, exact, of eight E2M1 codes and their scale (a pair of equal bf16)."""


def _mma(first: int) -> str:
    left = f"{{${4 + first}, ${8 + first}, ${5 + first}, ${9 + first}}}"
    right = f"{{${12 + first}, ${13 + first}}}"
    return (
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {c0, c1, c2, c3}, "
        f"{left}, {right}, {{c0, c1, c2, c3}};"
    )


_FOUR = range(4)
_multiply = ptx.instruction(
    "{ .reg .f32 c0, c1, c2, c3; "
    + " ".join(f"mov.f32 c{i}, ${16 + i};" for i in _FOUR)
    + f" {_mma(0)} {_mma(2)} "
    + " ".join(f"mov.f32 ${i}, c{i};" for i in _FOUR)
    + " }",
    (_f32,) * 4,
    (_u32,) * 12 + (_f32,) * 4,
)


@njit()
def _add(low: Any, high: Any, right: Any, c: Any) -> Any:
    """Add 16 rows times 8 columns over 32 places of K: (g, 2 t), (g, 2 t + 1), then g + 8.

    low, high
        The lane's eight numbers of row g and of row g + 8; right: of its column.
    """
    return _multiply(
        low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3],
        right[0], right[1], right[2], right[3], c[0], c[1], c[2], c[3],
    )  # fmt: skip


@njit()
def _pair(p: Any, scales: Any, index: Any, there: Any) -> Any:
    """The scale of a block as a pair of bf16; 1 beyond the end of a row."""
    if there:
        code = ptx.load8(scales + np.uint64(index))
        s = ptx.load32(np.uint64(p.values) + _4 * np.uint64(code))
        return permute(s, s, np.uint32(0x3232))
    return _ONE


@njit()
def _place(p: Any, row: Any) -> Any:
    """Addresses of a row's codes and scales."""
    codes = np.uint64(p.codes + row * p.pitch)
    return codes, np.uint64(p.scales + (row // p.tile) * p.blocks)


@njit()
def _one(p: Any, at: Any, length: int, group: Any, t: Any) -> Any:
    """Word t of a group: its bits, and the scale (twice, as `_all` gives two)."""
    index = group
    if length == 16:
        index = group * 2 + (t >> 1)
    there, word = index < p.blocks, _0
    if there:
        word = ptx.load32(at[0] + np.uint64(group * 16 + t * 4))
    pair = _pair(p, at[1], index, there)
    return (word, _0, _0, _0), pair, pair


@njit()
def _all(p: Any, at: Any, length: int, group: Any) -> Any:
    """The four words of a group, the scale of the first two and of the last two."""
    index = group if length == 32 else group * 2
    there = index < p.blocks
    words = (_0, _0, _0, _0)
    if there:
        words = ptx.load128(at[0] + np.uint64(group * 16))
    first = _pair(p, at[1], index, there)
    second = first
    if length == 16:
        second = _pair(p, at[1], index + 1, there)
    return words, first, second


@njit()
def _fetch(p: Any, at: Any, length: int, wide: int, step: Any, t: Any) -> Any:
    if wide:
        return _all(p, at, length, step * 4 + t)
    return _one(p, at, length, step, t)


@njit()
def _numbers(fetched: Any, i: int) -> Any:
    """The eight numbers of word i."""
    return _decode(fetched[0][i], fetched[1] if i < 2 else fetched[2])


@njit()
def _store(
    y: Any, row: Any, column: Any, rows: Any, columns: Any, down: Any, across: Any, factor: Any,
    c: Any,
) -> None:  # fmt: skip
    """Write a tile; ``down`` and ``across`` bytes to the next row and column.

    Two columns of a row go out together where they lie so: a row of a tile is then one sector.
    """
    at = y + np.uint64(column * across + row * down)
    behind = at + np.uint64(_8 * down)
    if across == 4 and down & 7 == 0 and column + 1 < columns:
        if row < rows:
            ptx.store64(at, _times(c[0], factor), _times(c[1], factor))
        if row + _8 < rows:
            ptx.store64(behind, _times(c[2], factor), _times(c[3], factor))
        return
    for i in range(2):
        if column + i < columns:
            if row < rows:
                ptx.store32(at + np.uint64(i * across), _times(c[i], factor))
            if row + _8 < rows:
                ptx.store32(behind + np.uint64(i * across), _times(c[i + 2], factor))


@njit()
def _times(x: Any, factor: Any) -> Any:
    return ptx.bits32(ptx.mul(x, factor))


def _kernel(tiles: int, length: int, wide: int) -> CudaKernel:
    """The kernel for ``8 * tiles`` rows of b and blocks of ``length``."""
    words = 4 if wide else 1

    @cuda_kernel(
        OPERAND, OPERAND, *(types.uint64,) * 3, *(_i64,) * 6, *(_u32,) * 3,
        needs=(9, 0), constants=(tiles, length, wide),
    )  # fmt: skip
    def narrow(
        a: Any, b: Any, y: Any, factor: Any, gate: Any, rows: Any, columns: Any, steps: Any,
        each: Any, down: Any, across: Any, groups: Any, groups_m: Any, groups_s: Any,
    ) -> None:  # fmt: skip
        """a times b: y (slices, rows x columns), a slice of ``each`` steps of K a block row.

        down, across
            Bytes of y to the next row (of a) and column (row of b).
        groups
            Of 32 rows of a, a `divisor`.
        factor
            Address of the float32 that multiplies last, or 0.
        gate
            Address of the states of two `cuda_fold` operands, or 0: with it, nothing is done
            where both folded.
        """
        if gate != np.uint64(0):
            lost = ptx.load32(gate + _4) | ptx.load32(gate + np.uint64(36))
            if lost == _0:
                return
        thread = np.uint32(cuda.threadIdx.x)
        warp = np.uint32(np.uint32(cuda.blockIdx.x) * np.uint32(WARPS))
        warp = np.uint32(warp + np.uint32(thread >> np.uint32(5)))
        chunk = quotient(warp, groups_m, groups_s)
        g = np.int64(np.uint32(thread & np.uint32(31)) >> np.uint32(2))
        t = np.int64(thread & np.uint32(3))
        row = np.int64(np.uint32(warp - np.uint32(chunk * groups))) * ROWS + g
        column = np.int64(chunk) * (8 * tiles)
        if column >= columns:
            return
        last_a, last_b = rows - 1, columns - 1
        a0, a1 = _place(a, min(row, last_a)), _place(a, min(row + 8, last_a))
        a2, a3 = _place(a, min(row + 16, last_a)), _place(a, min(row + 24, last_a))
        b0 = _place(b, min(column + g, last_b))
        b1 = _place(b, min(column + g + 8, last_b))
        b2 = _place(b, min(column + g + 16, last_b))
        b3 = _place(b, min(column + g + 24, last_b))
        c0, c1, c2, c3 = _NOTHING, _NOTHING, _NOTHING, _NOTHING
        d0, d1, d2, d3 = _NOTHING, _NOTHING, _NOTHING, _NOTHING
        step = np.int64(cuda.blockIdx.y) * each
        end = min(step + each, steps)
        while step < end:
            f0, f1 = _fetch(a, a0, length, wide, step, t), _fetch(a, a1, length, wide, step, t)
            f2, f3 = _fetch(a, a2, length, wide, step, t), _fetch(a, a3, length, wide, step, t)
            h0 = _fetch(b, b0, length, wide, step, t)
            h1, h2, h3 = h0, h0, h0
            if tiles > 1:
                h1 = _fetch(b, b1, length, wide, step, t)
            if tiles > 2:
                h2 = _fetch(b, b2, length, wide, step, t)
                h3 = _fetch(b, b3, length, wide, step, t)
            step += 1
            for i in range(words):
                low, high = _numbers(f0, i), _numbers(f1, i)
                lower, upper = _numbers(f2, i), _numbers(f3, i)
                right = _numbers(h0, i)
                c0, d0 = _add(low, high, right, c0), _add(lower, upper, right, d0)
                if tiles > 1:
                    right = _numbers(h1, i)
                    c1, d1 = _add(low, high, right, c1), _add(lower, upper, right, d1)
                if tiles > 2:
                    right = _numbers(h2, i)
                    c2, d2 = _add(low, high, right, c2), _add(lower, upper, right, d2)
                    right = _numbers(h3, i)
                    c3, d3 = _add(low, high, right, c3), _add(lower, upper, right, d3)
        final = np.float32(1)
        if factor != np.uint64(0):
            final = ptx.float32_of(ptx.load32(factor))
        y += np.uint64(np.int64(cuda.blockIdx.y) * rows * columns * 4)
        column += t + t
        lower_row = row + 16
        _store(y, row, column, rows, columns, down, across, final, c0)
        _store(y, lower_row, column, rows, columns, down, across, final, d0)
        if tiles > 1:
            _store(y, row, column + 8, rows, columns, down, across, final, c1)
            _store(y, lower_row, column + 8, rows, columns, down, across, final, d1)
        if tiles > 2:
            _store(y, row, column + 16, rows, columns, down, across, final, c2)
            _store(y, lower_row, column + 16, rows, columns, down, across, final, d2)
            _store(y, row, column + 24, rows, columns, down, across, final, c3)
            _store(y, lower_row, column + 24, rows, columns, down, across, final, d3)

    return narrow


KERNELS = {
    (tiles, length, wide): _kernel(tiles, length, wide)
    for tiles in TILES
    for length in (16, 32)
    for wide in (0, 1)
}
