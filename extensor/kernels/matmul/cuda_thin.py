"""When a product of two packed FP4 operands is thin, and its launch: see `cuda_narrow`."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from extensor.backend import cupy, pointer
from extensor.formats import E2M1, E4M3, E8M0
from extensor.kernels.cuda import blocks_for
from extensor.kernels.index_cuda import LIMIT, divisor
from extensor.kernels.matmul.cuda_narrow import KERNELS, ROWS, THREADS, TILES, WARPS
from extensor.kernels.matmul.cuda_operand import operand
from extensor.kernels.packed import Packed
from extensor.kernels.planes_cuda import summed

THIN = 256
"""Rows or length up to which a product counts as thin."""
BUSY = 132 * 16
"""Warps that keep a large GPU busy, about: below, K is cut into slices."""
LONG = 1 << 16
"""Rows from which an answer is stored column by column: what a convolution reads next."""
LEAST = 4
"""Steps of K of a slice at least."""
_BLOCKS = {(E8M0, 32), (E4M3, 16)}


def thin(a: Packed, b: Packed) -> bool:
    """Whether `thin_product` takes two operands: MXFP4 or NVFP4 both, and thin somewhere."""
    kinds = {(p.fmt.scale, p.fmt.length) for p in (a, b)}
    fp4 = a.fmt.element == b.fmt.element == E2M1 and len(kinds) == 1 and kinds <= _BLOCKS
    return (
        fp4
        and min(a.rows, b.rows, a.length) <= THIN
        and all(p.fmt.shape[0] == 1 or p.group == p.rows for p in (a, b))
        and a.rows * b.rows < LIMIT
    )


class Cut(NamedTuple):
    """How a product is cut up, and the arguments of its kernel behind the operands.

    turned
        Whether b has more rows: the operand with more is the one whose tiles are tall.
    upright
        Whether the answer is stored column by column.
    kernel
        Its key in `cuda_narrow.KERNELS`.
    warps, slices
        Tiles of the answer; slices of K, each with a partial answer.
    sizes
        rows, columns, steps, each, down, across, and the divisor of the groups of rows.
    """

    turned: bool
    upright: bool
    kernel: tuple[int, int, int]
    warps: int
    slices: int
    sizes: tuple[int, ...]


@lru_cache(maxsize=1024)
def cut(m: int, n: int, blocks: int, length: int, whole: bool) -> Cut:
    """The cut of an (m, n) product over so many blocks; ``whole``: K is never cut.

    >>> cut(4096 * 784, 6, 1, 32, False).slices, cut(6, 25, 100352, 32, False).slices
    (1, 2091)
    """
    turned = n > m
    rows, columns = (n, m) if turned else (m, n)
    count = -(-blocks * length // 32)
    wide = int(count >= 4 and blocks * length % 32 == 0)
    steps = -(-count // 4) if wide else count
    tiles = next((t for t in TILES if 8 * t >= columns), TILES[-1])
    groups = blocks_for(rows, ROWS)
    warps = groups * blocks_for(columns, 8 * tiles)
    slices = 1 if whole else max(1, min(BUSY // warps, steps // LEAST))
    each = -(-steps // slices)
    upright = m >= LONG and not whole
    down, across = (4, 4 * rows) if turned or upright else (4 * columns, 4)
    sizes = (rows, columns, steps, each, down, across, *divisor(groups))
    return Cut(turned, upright, (tiles, length, wide), warps, -(-steps // each), sizes)


def _run(p: Cut, a: Packed, b: Packed, y: Any, factor: Any, gate: Any) -> None:
    (left, kept_left), (right, kept_right) = map(operand, (b, a) if p.turned else (a, b))
    KERNELS[p.kernel].launch(
        (blocks_for(p.warps, WARPS), p.slices), THREADS,
        left, right, pointer(y), factor, gate, *p.sizes,
    )  # fmt: skip
    del kept_left, kept_right


def thin_product(a: Packed, b: Packed, final: Any) -> Any:
    """deq(a) deq(b).T: float32 (rows of a, rows of b); see `cuda_narrow`.

    C-contiguous, but for `LONG` answers, whose transpose is.

    final
        A (1,) float32 device array that multiplies last, or None.
    """
    p = cut(a.rows, b.rows, a.scales.shape[1], a.fmt.length, False)
    shape = (b.rows, a.rows) if p.upright else (a.rows, b.rows)
    y = cupy().empty((p.slices, *shape), np.float32)
    factor = np.uint64(0) if final is None or p.slices > 1 else pointer(final)
    _run(p, a, b, y, factor, np.uint64(0))
    if p.slices == 1:
        return y[0].T if p.upright else y[0]
    total = summed(y, p.slices, a.rows * b.rows, 1).reshape(shape)
    total = total.T if p.upright else total
    return total if final is None else total * final


def repair(y: Any, a: Packed, b: Packed, final: Any, state: Any) -> None:
    """Write the product into ``y`` where an operand did not fold.

    state
        (2, 8) words of `cuda_fold`, one row an operand.
    """
    p = cut(a.rows, b.rows, a.scales.shape[1], a.fmt.length, True)
    factor = np.uint64(0) if final is None else pointer(final)
    _run(p, a, b, y, factor, pointer(state))
