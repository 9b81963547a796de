"""Products of native rows with packed ones, and whole panels for BLAS: scales folded in.

Element times block scale is exact in float32, so a folded panel holds what ``dequantize`` gives
(without the tensor scale).
"""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.matmul.decode import decode_rows, scale_rows
from extensor.kernels.matmul.lookup import copy_floats
from extensor.kernels.matmul.micro import (
    ROWS,
    fused_tile_8,
    fused_tile_16,
    plain_tile_8,
    plain_tile_16,
)
from extensor.kernels.matmul.operand import Side
from extensor.kernels.matmul.segments import Segments

Floats = NDArray[np.float32]


@kernel(parallel=True)
def fold_lanes(seg: Segments, lanes: int, panel: Floats, scales: Floats) -> None:
    """Multiply a lane panel (tiles, K, lanes) by its scales (tiles, S, lanes), in place."""
    starts = seg.starts
    length = starts[-1]
    count = len(seg.first)
    for job in prange(len(scales) // lanes):
        t = job // count
        s = job - t * count
        for k in range(starts[s], starts[s + 1]):
            for lane in range(lanes):
                panel[(t * length + k) * lanes + lane] *= scales[job * lanes + lane]


@kernel(parallel=True)
def folded_rows(side: Side, r0: int, r1: int, seg: Segments, out: Floats) -> None:
    """Rows r0 .. r1, element * block scale, into ``out`` (flat, one element longer)."""
    starts, first = seg.starts, seg.first
    length = starts[-1]
    count = len(first)
    for row in prange(r1 - r0):
        scales = np.empty(count, np.float32)
        line = np.empty(length + 1, np.float32)
        decode_rows(side, r0 + row, 1, 0, length, line, length)
        scale_rows(side, r0 + row, 1, first, 0, count, scales)
        for s in range(count):
            for k in range(starts[s], starts[s + 1]):
                line[k] *= scales[s]
        copy_floats(line, 0, length, out, row * length)


@kernel()
def plain_chunk(
    x: Floats,
    r0: int,
    r1: int,
    seg: Segments,
    lanes: int,
    lane_panel: Floats,
    fused: bool,
    out: Floats,
    n0: int,
    n1: int,
) -> None:
    """``out[r0:r1, n0:n1]``: rows r0 .. r1 of x against the lanes n0 .. n1."""
    rows = r1 - r0
    padded = (rows + ROWS - 1) // ROWS * ROWS
    tiles = (n1 - n0 + lanes - 1) // lanes
    wide = tiles * lanes
    starts, cuts = seg.starts, seg.cuts
    length = starts[-1]
    acc = np.zeros(padded * wide, np.float32)
    panel = np.zeros(padded * seg.longest, np.float32)
    for c in range(len(cuts) - 1):
        k0 = starts[cuts[c]]
        k1 = starts[cuts[c + 1]]
        step = k1 - k0
        for r in range(rows):
            copy_floats(x, (r0 + r) * length + k0, step, panel, r * step)
        panel[rows * step : padded * step] = np.float32(0)
        for t in range(tiles):
            q = (t * length + k0) * lanes
            for m in range(0, padded, ROWS):
                a = m * wide + t * lanes
                if lanes == 16 and fused:
                    fused_tile_16(panel, m * step, step, lane_panel, q, acc, a, wide, step)
                elif lanes == 16:
                    plain_tile_16(panel, m * step, step, lane_panel, q, acc, a, wide, step)
                elif fused:
                    fused_tile_8(panel, m * step, step, lane_panel, q, acc, a, wide, step)
                else:
                    plain_tile_8(panel, m * step, step, lane_panel, q, acc, a, wide, step)
    for r in range(rows):
        copy_floats(acc, r * wide, n1 - n0, out, (r0 + r) * out.shape[1] + n0)


@kernel(parallel=True)
def plain_product(
    x: Floats,
    chunk: int,
    seg: Segments,
    lanes: int,
    lane_panel: Floats,
    fused: bool,
    out: Floats,
    n0: int,
    n1: int,
) -> None:
    """``out[:, n0:n1]``, ``chunk`` rows at a time."""
    rows = x.shape[0]
    for c in prange((rows + chunk - 1) // chunk):
        r1 = min(rows, (c + 1) * chunk)
        plain_chunk(x, c * chunk, r1, seg, lanes, lane_panel, fused, out, n0, n1)
