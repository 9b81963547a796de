"""How the skinny product is cut up for the multiprocessors, and its launch.

The cut is chosen by a small model of time: bytes of the weight and of x that the busiest
multiprocessor reads, and what it costs to add parts up across blocks. It is a function of the shape
and the device alone, and so are the bits of the result.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from extensor.backend import contiguous, cupy, pointer
from extensor.errors import DispatchError
from extensor.formats import E2M1, E8M0
from extensor.kernels.cuda import blocks_for
from extensor.kernels.matmul.cuda_fragment import STRIDE
from extensor.kernels.matmul.cuda_skinny import (
    GROUP,
    KERNELS,
    SHARED,
    THREADS,
    TILES,
    UNITS,
    WARPS,
    add_parts,
)
from extensor.kernels.packed import Packed

WEIGHT, STAGING, HANDOVER = 23.0, 60.0, 3000.0
"""Bytes a nanosecond of a multiprocessor, of the weight and of x; ns of a second kernel."""


class Plan(NamedTuple):
    """The cut of one product.

    tiles
        Tiles of 8 columns.
    slices, along, turns
        Slices of K for different blocks; warps of a block that share rows; 16-row groups of a warp.
    each
        Groups of 512 elements of a warp.
    across, shared, apart
        Blocks along the rows, bytes of shared memory, and where sums lie in it.
    """

    tiles: int
    slices: int
    along: int
    turns: int
    each: int
    across: int
    shared: int
    apart: int


def cut(
    rows: int,
    groups: int,
    tiles: int,
    slices: int,
    along: int,
    turns: int,
    room: int = SHARED,
) -> Plan | None:
    """The plan with these numbers, or None where it does not fit ``room`` of shared memory.

    >>> cut(8192, 16, 1, 1, 16, 4).across
    128
    """
    count = -(-groups // (slices * along))
    if count * along * (slices - 1) >= groups:
        return None
    staged = min(count * along, groups) * UNITS * tiles
    sums = WARPS * turns * 8 * tiles * STRIDE * 4 if along > 1 else 0
    if staged + sums > room:
        return None
    across = -(-rows // (WARPS // along * turns * 16))
    return Plan(tiles, slices, along, turns, count, across, staged + sums, staged)


def cost(plan: Plan, rows: int, m: int, processors: int) -> float:
    """About how long a plan takes, in ns."""
    waves = -(-plan.across * plan.slices // processors)
    weight = WARPS * plan.turns * plan.each * 16 * GROUP * 17 / 32
    weight *= 0.7 + 0.3 * plan.tiles
    time = waves * (weight / WEIGHT + plan.each * plan.along * UNITS * plan.tiles / STAGING)
    if plan.slices > 1:
        time += HANDOVER + 8 * plan.slices * m * rows / processors / STAGING
    return time


@lru_cache(maxsize=1024)
def plan(
    rows: int, groups: int, tiles: int, m: int, processors: int, room: int = SHARED
) -> Plan | None:
    """The cheapest cut of a product; None where rows are too long for all.

    >>> plan(8192, 16, 1, 8, 132).along, plan(25, 6272, 8, 6, 132)
    (16, None)
    """
    found = [
        p
        for slices in range(1, min(groups, 64) + 1)
        for along in (1, 2, 4, 8, 16)
        for turns in (1, 2, 4, 8)
        if (p := cut(rows, groups, tiles, slices, along, turns, room))
    ]
    if not found:
        return None
    return min(found, key=lambda p: (cost(p, rows, m, processors), -p.along, p))


@lru_cache(maxsize=16)
def _limits(device: int) -> tuple[int, int]:
    """Multiprocessors, and the most shared memory of a block."""
    attributes = cupy().cuda.Device(device).attributes
    most = int(attributes["MaxSharedMemoryPerBlockOptin"])
    return int(attributes["MultiProcessorCount"]), most


def _plan(w: Packed, m: int, pieces: int) -> Plan | None:
    tiles = next(t for t in TILES if 8 * t >= m * pieces)
    groups, device = -(-w.scales.shape[1] // 16), cupy().cuda.Device().id
    return plan(w.rows, groups, tiles, m, *_limits(device))


def skinny(w: Packed, m: int, pieces: int) -> bool:
    """Whether a weight has a skinny product with m rows of so many pieces each.

    It is MXFP4 in blocks of (1, 32), and a slice of a row fits shared memory.
    """
    kind = w.fmt.element == E2M1 and w.fmt.scale == E8M0 and w.fmt.shape == (1, 32)
    return kind and _plan(w, m, pieces) is not None


def skinny_product(
    x: Any, pieces: int, w: Packed, final: Any = None, chosen: Plan | None = None
) -> Any:
    """x times a packed MXFP4 weight: float32 (M, rows of w), for few rows of x.

    x
        (pieces * M, padded K) bf16 bits from `extensor.kernels.matmul.cuda_pieces`, zeros beyond K;
        at most `COLUMNS` of `cuda_skinny` rows.
    final
        A (1,) float32 device array that multiplies last, or None.
    chosen
        A cut, for measurements; None for that of `plan`.
    """
    codes, scales = contiguous(w.codes), contiguous(w.scales)
    columns, rows, blocks = x.shape[0], w.rows, scales.shape[1]
    m, groups = columns // pieces, -(-blocks // 16)
    tiles = next(t for t in TILES if 8 * t >= columns)
    p = chosen or _plan(w, m, pieces)
    if p is None:
        raise DispatchError(f"matmul: rows of {groups * GROUP} do not fit tensor cores; see skinny")
    y = cupy().empty((m, rows), "float32")
    factor = np.uint64(0) if final is None else pointer(final)
    parts = p.slices * (pieces if p.along == 1 else 1)
    out = y if parts == 1 else cupy().empty((parts, m, rows), "float32")
    KERNELS[tiles, blocks % 16 == 0].launch(
        (p.across, p.slices),
        THREADS,
        pointer(codes),
        pointer(scales),
        pointer(x),
        pointer(out),
        factor if parts == 1 else np.uint64(0),
        rows,
        blocks,
        columns,
        m,
        pieces,
        x.shape[1] * 2,
        p.along.bit_length() - 1,
        p.turns.bit_length() - 1,
        p.each,
        groups,
        p.apart,
        shared=p.shared,
    )
    if parts > 1:
        add_parts.launch(
            blocks_for(m * rows, 256), 256, pointer(out), pointer(y), factor, m * rows, parts
        )
    return y
