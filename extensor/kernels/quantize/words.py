"""The random words of a tile, in the order in which the tile is quantized.

Words belong to logical indices (`extensor.noise`), whatever the order in memory: where K is the
logically contiguous axis a row's words are one run of Philox counters; where R is, those of one
place in K are, and the tile is turned over; else they are made one by one.
"""

import numpy as np
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.address import address_of
from extensor.kernels.philox import philox_words
from extensor.kernels.tiles import turn
from extensor.philox import word

SLACK = 64
"""Words more than asked for that the buffers must hold."""


@kernel()
def _run(first: int, count: int, at: int, counters: NDArray[np.int64]) -> int:
    """Append the counters of ``count`` indices from ``first``; how many there are then."""
    lo, hi = first >> 2, (first + count - 1) >> 2
    for i in range(hi - lo + 1):
        counters[at + i] = lo + i
    return at + hi - lo + 1


@kernel()
def words_along_rows(
    first: int,
    row_stride: int,
    rows: int,
    length: int,
    stream: int,
    seed: int,
    counters: NDArray[np.int64],
    spare: NDArray[np.int32],
    out: NDArray[np.int32],
    starts: NDArray[np.int64],
) -> None:
    """Words where the logical index grows by one along K.

    first, row_stride
        The logical index of the tile's first number, and from one row to the next.
    counters
        Scratch of ``length // 4 + SLACK``.
    out
        (rows, length + SLACK).
    spare
        Scratch of ``rows * length + SLACK``.
    starts
        Out: the byte address of each row's first word.
    """
    if row_stride == length:
        count = _run(first, rows * length, 0, counters)
        philox_words(counters, count, stream, seed, spare)
        for r in range(rows):
            starts[r] = address_of(spare) + 4 * ((first & 3) + r * length)
        return
    for r in range(rows):
        index = first + r * row_stride
        count = _run(index, length, 0, counters)
        philox_words(counters, count, stream, seed, out[r])
        starts[r] = address_of(out[r]) + 4 * (index & 3)


@kernel()
def words_across_rows(
    first: int,
    step: int,
    rows: int,
    length: int,
    width: int,
    stream: int,
    seed: int,
    counters: NDArray[np.int64],
    spare: NDArray[np.int32],
    columns: NDArray[np.int64],
    out: NDArray[np.int32],
    starts: NDArray[np.int64],
) -> None:
    """Words where the logical index grows by one from row to row, and by ``step`` along K."""
    base = address_of(spare)
    if step == rows:
        count = _run(first, rows * length, 0, counters)
        for k in range(length):
            columns[k] = base + 4 * ((first & 3) + k * rows)
    else:
        count = 0
        for k in range(length):
            index = first + k * step
            columns[k] = base + 16 * count + 4 * (index & 3)
            count = _run(index, rows, count, counters)
    for k in range(length, width):
        columns[k] = base
    philox_words(counters, count, stream, seed, spare)
    turn(columns, width, rows, address_of(out), 4 * out.shape[1])
    for r in range(rows):
        starts[r] = address_of(out[r])


@kernel()
def words_one_by_one(
    first: int,
    row_stride: int,
    step: int,
    rows: int,
    length: int,
    stream: int,
    seed: int,
    out: NDArray[np.int32],
    starts: NDArray[np.int64],
) -> None:
    """Words of any logical strides."""
    for r in range(rows):
        starts[r] = address_of(out[r])
        for k in range(length):
            index = np.uint64(first + r * row_stride + k * step)
            out[r, k] = np.int32(word(index, np.uint64(stream), np.uint64(seed)))
