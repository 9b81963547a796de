"""x into shared memory, in the order in which fragments are read.

A unit is 8 elements of a column, 16 bytes: what one thread needs beside one word of codes. Units
lie by group of 512 elements, block of a thread, word, tile of 8 columns and lane: a warp reads 512
bytes of x in a row, and later 512 bytes of fragments.
"""

from typing import Any

import numpy as np
from numba import njit

from extensor.kernels.matmul import cuda_fragment as f


@njit()
def _fetch(
    unit: Any, units: Any, first: Any, log: Any, x: Any, pitch: Any, columns: Any, turn: Any
) -> Any:
    """The bytes of a unit; zeros beyond the last column."""
    task, zero = np.int32(unit >> np.int32(5)), np.uint32(0)
    column = np.int32((task + turn) & np.int32((8 << log) - 1))
    if column < columns and unit < units:
        half = np.int64(first) * 2 + np.int64(task >> np.int32(3 + log))
        at = np.int64(column) * pitch + (half << 9) + (np.int64(unit & np.int32(31)) << 4)
        return f.load128_kept(x + np.uint64(at))
    return zero, zero, zero, zero


@njit()
def _put(unit: Any, units: Any, log: Any, base: Any, turn: Any, v: Any) -> None:
    """Store a unit in pairs (0, 4), (1, 5), (2, 6), (3, 7), as `cuda_fragment` makes them."""
    low, high = np.uint32(0x5410), np.uint32(0x7632)
    if unit < units:
        task, lane = np.uint32(unit >> np.int32(5)), np.uint32(unit & np.int32(31))
        column = np.uint32((task + np.uint32(turn)) & np.uint32((8 << log) - 1))
        word = np.uint32(lane & np.uint32(3))
        block = np.uint32(((task >> np.uint32(3 + log)) << np.uint32(3)) + (lane >> np.uint32(2)))
        spot = np.uint32(((block >> np.uint32(2)) << np.uint32(2)) + word)
        line = np.uint32((spot << np.uint32(log)) + (column >> np.uint32(3)))
        slot = np.uint32(((column & np.uint32(7)) << np.uint32(2)) + (block & np.uint32(3)))
        f.store128_shared(
            base + np.uint32(line << np.uint32(9)) + swizzled(slot, word),
            f.permute(v[0], v[2], low),
            f.permute(v[0], v[2], high),
            f.permute(v[1], v[3], low),
            f.permute(v[1], v[3], high),
        )


@njit()
def swizzled(lane: Any, word: Any) -> Any:
    """Where a lane's 16 bytes for word 0 to 3 of a block lie among the 512 of its tile.

    The four words of a block, which one warp stores together, so fall into different banks.
    """
    return np.uint32(np.uint32(lane ^ np.uint32(word << np.uint32(1))) << np.uint32(4))


@njit()
def stage(
    start: Any,
    step: Any,
    units: Any,
    first: Any,
    log: Any,
    x: Any,
    pitch: Any,
    columns: Any,
    base: Any,
    turn: Any,
) -> None:
    """Copy ``units`` units of x, of group ``first`` and on, to the shared address ``base``.

    start, step
        The thread's first unit, and the number of threads; eight loads of each are under way.
    log
        Tiles of 8 columns, as a power of two; ``columns`` of them exist, ``pitch`` bytes apart.
    turn
        Which column comes first: blocks that differ here read different lines at a time.
    """
    u0 = start
    while u0 < units:
        u1 = u0 + step
        u2, u3 = u1 + step, u1 + step + step
        u4, u5 = u3 + step, u3 + step + step
        u6, u7 = u5 + step, u5 + step + step
        v0 = _fetch(u0, units, first, log, x, pitch, columns, turn)
        v1 = _fetch(u1, units, first, log, x, pitch, columns, turn)
        v2 = _fetch(u2, units, first, log, x, pitch, columns, turn)
        v3 = _fetch(u3, units, first, log, x, pitch, columns, turn)
        v4 = _fetch(u4, units, first, log, x, pitch, columns, turn)
        v5 = _fetch(u5, units, first, log, x, pitch, columns, turn)
        v6 = _fetch(u6, units, first, log, x, pitch, columns, turn)
        v7 = _fetch(u7, units, first, log, x, pitch, columns, turn)
        _put(u0, units, log, base, turn, v0)
        _put(u1, units, log, base, turn, v1)
        _put(u2, units, log, base, turn, v2)
        _put(u3, units, log, base, turn, v3)
        _put(u4, units, log, base, turn, v4)
        _put(u5, units, log, base, turn, v5)
        _put(u6, units, log, base, turn, v6)
        _put(u7, units, log, base, turn, v7)
        u0 = u7 + step
