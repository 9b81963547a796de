"""Products in the fixed order of numerics.md section 6: what ``exact=True`` runs.

The tiles keep that order at no cost worth naming, so the default path runs them too, up to the
sizes where BLAS is better (`extensor.kernels.matmul.fast`). `reference` says the order in plain
Python.

>>> from extensor.formats import MXFP4
>>> p = Packed(np.full((1, 16), 0x22, np.uint8), np.full((1, 1), 126, np.uint8), None, MXFP4, 32, 1)
>>> blocked_product(p, p).tolist(), native_product(np.ones((1, 32), np.float32), p, True).tolist()
([[8.0]], [[16.0]])
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from extensor.kernels.matmul.micro import ROWS
from extensor.kernels.matmul.operand import Side, side
from extensor.kernels.matmul.plain import fold_lanes, plain_product
from extensor.kernels.matmul.segments import Segments, segments
from extensor.kernels.matmul.tiles import block_product, lane_panels
from extensor.kernels.packed import Packed

Floats = NDArray[np.float32]

LANE_FLOATS = 1 << 18
"""Decoded lane operand at a time: 1 MiB, more only where 16 rows of it are longer."""

CHUNK_FLOATS, CHUNK_ROWS = 48 << 10, 480
"""A decoded row panel fits the second-level cache and has at most so many rows, fewer where that
makes less than eight chunks; not a matter of bits."""

SKINNY = 32
"""A first operand of at most so many rows, fewer than the second has, becomes the lanes."""


def _chunk(rows: int, panel: int) -> int:
    most = min(CHUNK_ROWS, CHUNK_FLOATS // panel, -(-rows // 8))
    return max(ROWS, most // ROWS * ROWS)


def _lane_groups(w: Side, seg: Segments, n: int) -> Iterator[tuple[int, int, int, Floats, Floats]]:
    """(n0, n1, lanes, panel, scales) for groups of rows of the lane operand that fit the cache."""
    lanes = 8 if n <= 8 else 16
    length, count = int(seg.starts[-1]), len(seg.first)
    step = max(1, LANE_FLOATS // (lanes * length)) * lanes
    for n0 in range(0, n, step):
        n1 = min(n, n0 + step)
        padded = -(-(n1 - n0) // lanes) * lanes
        panel = np.empty(padded * length, np.float32)
        scales = np.empty(padded * count, np.float32)
        lane_panels(w, n0, n1, seg, lanes, panel, scales)
        yield n0, n1, lanes, panel, scales


def blocked_product(a: Packed, b: Packed) -> Floats:
    """deq(a) @ deq(b).T without the tensor scales: (rows of a, rows of b), C order.

    The operands have one length, at least 1. The order is that of `reference.exact_product`.
    """
    swap = a.rows < b.rows and a.rows <= SKINNY
    x, w = (b, a) if swap else (a, b)
    seg = segments(x.length, x.fmt.length, w.fmt.length)
    out = np.empty((x.rows, w.rows), np.float32)
    rows = side(x)
    for n0, n1, lanes, panel, scales in _lane_groups(side(w), seg, w.rows):
        block_product(rows, _chunk(x.rows, seg.longest), seg, lanes, panel, scales, out, n0, n1)
    return np.ascontiguousarray(out.T) if swap else out


def native_product(x: Floats, b: Packed, fused: bool) -> Floats:
    """x @ deq(b).T without the tensor scale: (M, rows of b), k ascending.

    x (M, K) is float32 in C order. ``fused`` rounds once a step, else twice (exact).
    """
    seg = segments(b.length, b.fmt.length, b.fmt.length)
    out = np.empty((x.shape[0], b.rows), np.float32)
    for n0, n1, lanes, panel, scales in _lane_groups(side(b), seg, b.rows):
        fold_lanes(seg, lanes, panel, scales)
        plain_product(x, _chunk(x.shape[0], seg.longest), seg, lanes, panel, fused, out, n0, n1)
    return out
