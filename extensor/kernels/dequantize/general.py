"""The general dequantizer: every element and scale format, through tables of all codes.

``value = (element * block scale) * tensor scale``: the first product is exact in float32 for
narrow scales, the second rounds once (numerics.md, section 1).
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.formats import Element
from extensor.jit import kernel
from extensor.kernels.pack import unpack_row


@lru_cache(maxsize=64)
def value_table(element: Element) -> NDArray[np.float64]:
    """The value of every code of a format of at most 16 bits, read-only."""
    table: NDArray[np.float64] = element.values.copy()
    table.flags.writeable = False
    return table


def scale_values(scales: Any, scale: Element) -> NDArray[np.float64]:
    """The values of stored scales, float64."""
    if scales.dtype.kind == "f":
        return np.asarray(scales, np.float64)
    values: NDArray[np.float64] = value_table(scale)[scales]
    return values


@kernel(parallel=True)
def decode_blocks(
    codes: NDArray[np.uint8],
    bits: int,
    values: NDArray[np.float64],
    scales: NDArray[np.float64],
    height: int,
    length: int,
    group: int,
    factor: float,
    out: NDArray[np.float32],
) -> None:
    """Decode all rows into ``out``, (rows, K) float32 or float64.

    values
        The value of each code.
    scales
        (scale rows, blocks) values.
    group
        Rows of one matrix.
    factor
        The tensor scale; 1 where there is none.
    """
    rows, n = out.shape
    per_group = (group + height - 1) // height
    for row in prange(rows):
        unpacked = np.empty(n, np.uint8)
        unpack_row(codes[row], bits, unpacked)
        s = row // group * per_group + row % group // height
        for k in range(n):
            v = out.dtype.type(values[unpacked[k]] * scales[s, k // length])
            out[row, k] = out.dtype.type(v * out.dtype.type(factor))
