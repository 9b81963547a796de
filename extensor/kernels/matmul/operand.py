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
