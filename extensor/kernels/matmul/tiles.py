"""Products of packed operands in fixed-order tiles: decode panels into the cache, multiply there.

The lane operand (fewer rows: the weights, or the gradient in a weight gradient) is decoded once
for all; the rows of the other one are decoded panel by panel inside each chunk. Every element of
the result is summed by one chunk with k ascending, so neither the chunks nor the number of threads
can change a bit.
"""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.matmul.decode import decode_lanes, decode_rows, scale_lanes, scale_rows
from extensor.kernels.matmul.lookup import copy_floats
from extensor.kernels.matmul.micro import ROWS, block_tile_8, block_tile_16
from extensor.kernels.matmul.operand import Side
from extensor.kernels.matmul.segments import Segments

Floats = NDArray[np.float32]


@kernel(parallel=True)
def lane_panels(
    side: Side, r0: int, r1: int, seg: Segments, lanes: int, panel: Floats, scales: Floats
) -> None:
    """Decode rows r0 .. r1 for all of K, as the lane operand.

    panel (tiles, K, lanes) flat; scales (tiles, S, lanes) flat; tiles = ceil((r1 - r0) / lanes).
    """
    tiles = (r1 - r0 + lanes - 1) // lanes
    starts, cuts, second = seg.starts, seg.cuts, seg.second
    pieces = len(cuts) - 1
    length = starts[-1]
    count = len(second)
    for job in prange(tiles * pieces):
        t = job // pieces
        c = job - t * pieces
        row = r0 + t * lanes
        n = min(lanes, r1 - row)
        s0 = cuts[c]
        s1 = cuts[c + 1]
        k0 = starts[s0]
        o = (t * length + k0) * lanes
        decode_lanes(side, row, n, k0, starts[s1], panel, o, lanes)
        o = (t * count + s0) * lanes
        scale_lanes(side, row, n, second, s0, s1, scales, o, lanes)


@kernel()
def block_chunk(
    side: Side,
    r0: int,
    r1: int,
    seg: Segments,
    lanes: int,
    lane_panel: Floats,
    lane_scales: Floats,
    out: Floats,
    n0: int,
    n1: int,
) -> None:
    """``out[r0:r1, n0:n1]``: rows r0 .. r1 of ``side`` against the lanes n0 .. n1."""
    rows = r1 - r0
    padded = (rows + ROWS - 1) // ROWS * ROWS
    tiles = (n1 - n0 + lanes - 1) // lanes
    wide = tiles * lanes
    starts, cuts, first = seg.starts, seg.cuts, seg.first
    length = starts[-1]
    count = len(first)
    acc = np.zeros(padded * wide, np.float32)
    panel = np.empty(padded * seg.longest + 1, np.float32)
    scales = np.empty(padded * seg.longest, np.float32)
    for c in range(len(cuts) - 1):
        s0 = cuts[c]
        s1 = cuts[c + 1]
        k0 = starts[s0]
        k1 = starts[s1]
        ldp = k1 - k0
        lds = s1 - s0
        decode_rows(side, r0, rows, k0, k1, panel, ldp)
        scale_rows(side, r0, rows, first, s0, s1, scales)
        panel[rows * ldp : padded * ldp] = np.float32(0)
        scales[rows * lds : padded * lds] = np.float32(0)
        for t in range(tiles):
            q = (t * length + k0) * lanes
            u = (t * count + s0) * lanes
            if lanes == 16:
                for m in range(0, padded, ROWS):
                    block_tile_16(
                        panel, m * ldp, ldp, lane_panel, q, scales, m * lds, lds, lane_scales, u,
                        acc, m * wide + t * lanes, wide, starts, s0, s1,
                    )  # fmt: skip
            else:
                for m in range(0, padded, ROWS):
                    block_tile_8(
                        panel, m * ldp, ldp, lane_panel, q, scales, m * lds, lds, lane_scales, u,
                        acc, m * wide + t * lanes, wide, starts, s0, s1,
                    )  # fmt: skip
    for r in range(rows):
        copy_floats(acc, r * wide, n1 - n0, out, (r0 + r) * out.shape[1] + n0)


@kernel(parallel=True)
def block_product(
    side: Side,
    chunk: int,
    seg: Segments,
    lanes: int,
    lane_panel: Floats,
    lane_scales: Floats,
    out: Floats,
    n0: int,
    n1: int,
) -> None:
    """``out[:, n0:n1]``, ``chunk`` rows at a time."""
    rows = side.codes.shape[0]
    for c in prange((rows + chunk - 1) // chunk):
        r1 = min(rows, (c + 1) * chunk)
        block_chunk(side, c * chunk, r1, seg, lanes, lane_panel, lane_scales, out, n0, n1)
