"""Decoding inside a product: packed codes into float32 panels that stay in the cache.

Two layouts. *Rows*: a row's elements one after the other. *Lanes*: ``lanes`` rows side by side,
``panel[k * lanes + lane]``, so that one vector holds the same k of several rows. Elements are
decoded without their scales; `scale_rows` and `scale_lanes` bring those.
"""

import numpy as np
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.matmul.lookup import look_up, look_up_pairs, spread, spread_pairs
from extensor.kernels.matmul.operand import Side


@kernel()
def value_at(
    codes: NDArray[np.uint8], row: int, table: NDArray[np.float32], bits: int, k: int
) -> np.float32:
    """The value of element k of a packed row, by the table of `operand.element_table`."""
    if bits == 8:
        return np.float32(table[codes[row, k]])
    if bits == 4:
        return np.float32(table[2 * np.int64(codes[row, k >> 1]) + (k & 1)])
    at = bits * k
    shift = at & 7
    word = np.int64(codes[row, at >> 3]) >> shift
    if shift + bits > 8:
        word |= np.int64(codes[row, (at >> 3) + 1]) << (8 - shift)
    return np.float32(table[word & ((1 << bits) - 1)])


@kernel()
def decode_rows(
    side: Side, r0: int, n: int, k0: int, k1: int, out: NDArray[np.float32], stride: int
) -> None:
    """Elements k0 .. k1 of rows r0 .. r0 + n into ``out[row * stride + k - k0]``.

    May write one element past the end of each row; the next row then overwrites it.
    """
    codes, table, bits = side.codes, side.table, side.bits
    width = codes.shape[1]
    if bits == 4 and k0 & 1 == 0:
        pairs = (k1 - k0 + 1) >> 1
        for r in range(n):
            look_up_pairs(codes, (r0 + r) * width + (k0 >> 1), pairs, table, out, r * stride, 1)
    elif bits == 8:
        for r in range(n):
            look_up(codes, (r0 + r) * width + k0, k1 - k0, table, out, r * stride, 1)
    else:
        for r in range(n):
            for k in range(k0, k1):
                out[r * stride + k - k0] = value_at(codes, r0 + r, table, bits, k)


@kernel()
def decode_lanes(
    side: Side, r0: int, n: int, k0: int, k1: int, out: NDArray[np.float32], o: int, lanes: int
) -> None:
    """Elements k0 .. k1 of rows r0 .. r0 + n into ``out[o + (k - k0) * lanes + lane]``.

    Lanes from n on become zero.
    """
    codes, table, bits = side.codes, side.table, side.bits
    width = codes.shape[1]
    if bits == 4 and k0 & 1 == 0:
        pairs = (k1 - k0) >> 1
        for lane in range(n):
            at = (r0 + lane) * width + (k0 >> 1)
            spread_pairs(codes, at, pairs, table, out, o + lane, lanes)
            if (k1 - k0) & 1:
                last = value_at(codes, r0 + lane, table, bits, k1 - 1)
                out[o + (k1 - 1 - k0) * lanes + lane] = last
    elif bits == 8:
        for lane in range(n):
            at = (r0 + lane) * width + k0
            spread(codes, at, k1 - k0, table, out, o + lane, lanes)
    else:
        for lane in range(n):
            for k in range(k0, k1):
                value = value_at(codes, r0 + lane, table, bits, k)
                out[o + (k - k0) * lanes + lane] = value
    for lane in range(n, lanes):
        for k in range(k1 - k0):
            out[o + k * lanes + lane] = np.float32(0)


@kernel()
def scale_row(r: int, tile: int, group: int, tiles: int) -> int:
    """Which row of scales row r has, see `operand.Side`."""
    if tile == 1:
        return r
    return (r // group) * tiles + (r % group) // tile


@kernel()
def scale_rows(
    side: Side,
    r0: int,
    n: int,
    blocks: NDArray[np.int64],
    s0: int,
    s1: int,
    out: NDArray[np.float32],
) -> None:
    """The scales of rows r0 .. r0 + n in segments s0 .. s1 into ``out``, row by row.

    Segment s lies in block ``blocks[s]``.
    """
    scales, values = side.scales, side.values
    tile, group, tiles = side.tile, side.group, side.tiles
    for r in range(n):
        row = scale_row(r0 + r, tile, group, tiles)
        at = r * (s1 - s0) - s0
        for s in range(s0, s1):
            out[at + s] = values[scales[row, blocks[s]]]


@kernel()
def scale_lanes(
    side: Side,
    r0: int,
    n: int,
    blocks: NDArray[np.int64],
    s0: int,
    s1: int,
    out: NDArray[np.float32],
    o: int,
    lanes: int,
) -> None:
    """The scales of rows r0 .. r0 + n into ``out[o + (s - s0) * lanes + lane]``; the rest zero."""
    scales, values = side.scales, side.values
    tile, group, tiles = side.tile, side.group, side.tiles
    for lane in range(n):
        row = scale_row(r0 + lane, tile, group, tiles)
        for s in range(s0, s1):
            out[o + (s - s0) * lanes + lane] = values[scales[row, blocks[s]]]
    for lane in range(n, lanes):
        for s in range(s1 - s0):
            out[o + s * lanes + lane] = np.float32(0)
