"""An operand as the kernels see it: arrays and numbers only, ready for Numba.

Codes are decoded by a table: for 4-bit codes one entry a *byte* that holds two values, so that one
8-byte copy decodes two elements whatever the format is. Scales are decoded by a table too.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extensor.formats import Element, Fixed, Float
from extensor.kernels.packed import Packed


class Side(NamedTuple):
    """One operand of a product.

    codes
        (rows, bytes) packed codes.
    table
        float32: the value of code c at c; for 4-bit codes the two values of byte v at 2 v, 2 v + 1.
    bits
        Stored bits of a code: 4, 6 or 8.
    scales, values
        The scale of block j of scale row i is ``values[scales[i, j]]``, float32.
    tile, group, tiles
        Row r has scale row ``(r // group) * tiles + (r % group) // tile``.
    """

    codes: NDArray[np.uint8]
    table: NDArray[np.float32]
    bits: int
    scales: NDArray[Any]
    values: NDArray[np.float32]
    tile: int
    group: int
    tiles: int


@lru_cache(maxsize=64)
def element_table(element: Float | Fixed, bits: int) -> NDArray[np.float32]:
    """The decode table of an element format whose codes are stored in ``bits`` bits.

    >>> from extensor.formats import E2M1
    >>> element_table(E2M1, 4)[2 * 0x9F:][:2].tolist()      # byte 0x9F: codes 0xF, 0x9
    [-6.0, -0.5]
    """
    values = element.values.astype(np.float32)
    if bits == 4:
        return np.stack([np.tile(values, 16), np.repeat(values, 16)], axis=1).reshape(-1)
    return np.resize(values, 2**bits)


@lru_cache(maxsize=16)
def _scale_table(scale: Element) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return scale.values.astype(np.float32)


def _writeable(array: NDArray[Any]) -> NDArray[Any]:
    array = np.ascontiguousarray(array)
    return array if array.flags.writeable else array.copy()


def side(p: Packed) -> Side:
    """The operand for the kernels; only read-only or scattered arrays are copied.

    (Numba compiles a kernel anew for read-only arrays: a copy is cheaper.)

    >>> from extensor.formats import MXFP4
    >>> p = Packed(np.zeros((2, 16), np.uint8), np.zeros((2, 1), np.uint8), None, MXFP4, 32, 2)
    >>> side(p).values[128], side(p).bits
    (np.float32(2.0), 4)
    """
    scales = _writeable(p.scales)
    if scales.dtype == np.uint8:
        values = _scale_table(p.fmt.scale)
    else:
        if scales.dtype.kind == "u":
            scales = _scale_table(p.fmt.scale)[scales]
        values = scales.astype(np.float32).reshape(-1)
        scales = np.arange(scales.size, dtype=np.uint32).reshape(scales.shape)
    tile, group = p.fmt.shape[0], max(int(p.group), 1)
    return Side(
        codes=_writeable(p.codes),
        table=element_table(p.fmt.element, p.fmt.packed_bits),
        bits=p.fmt.packed_bits,
        scales=scales,
        values=values,
        tile=tile,
        group=group,
        tiles=-(-group // tile),
    )


class Segments(NamedTuple):
    """K, cut at the block boundaries of two operands.

    starts
        (S + 1,) where each segment starts, and K.
    first, second
        (S,) the block of each operand that a segment lies in.
    cuts
        Segments where a panel starts, and S: panels hold whole segments, about `PANEL` elements.
    longest
        The largest panel in elements.
    """

    starts: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    cuts: NDArray[np.int64]
    longest: int


PANEL = 512
"""Elements of K that are decoded at a time; not a matter of bits."""


@lru_cache(maxsize=256)
def segments(length: int, first: int, second: int) -> Segments:
    """The segments of ``length`` elements in blocks of ``first`` and of ``second`` elements.

    >>> segments(40, 32, 16).starts.tolist(), segments(40, 32, 16).second.tolist()
    ([0, 16, 32, 40], [0, 1, 2])
    """
    starts = np.union1d(np.arange(0, length, first), np.arange(0, length, second))
    starts = np.append(starts, length).astype(np.int64)
    cuts = [0]
    for s in range(1, len(starts) - 1):
        if starts[s + 1] - starts[cuts[-1]] > PANEL:
            cuts.append(s)
    if len(starts) > 1:
        cuts.append(len(starts) - 1)
    edges = starts[cuts]
    return Segments(
        starts,
        starts[:-1] // first,
        starts[:-1] // second,
        np.array(cuts, np.int64),
        int(np.diff(edges).max(initial=0)),
    )
