"""``Packed``: rows of a blocked tensor, as every blocked kernel takes and gives them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extensor.formats import Block


class Packed(NamedTuple):
    """Rows of a blocked tensor: what every blocked kernel takes and gives.

    codes
        (rows, fmt.row_bytes(length)) bytes: packed codes, each row padded to whole blocks with
        zero codes.
    scales
        (scale rows, fmt.blocks(length)) of ``fmt.scale_storage``. One row of scales for each row
        of codes, or for each ``m`` rows of a matrix where the block is an (m, n) tile.
    tensor_scale
        A float32 value, one for each row (rows,), or None where the tensor has none.
    fmt
        What the bytes mean.
    length
        K, the number of elements in a row.
    group
        Rows of one matrix: tiles do not cross it. Equal to ``rows`` for blocks along one axis.

    >>> from extensor.formats import MXFP4
    >>> p = Packed(np.zeros((2, 32), np.uint8), np.zeros((2, 2), np.uint8), None, MXFP4, 40, 2)
    >>> p.rows, p.nbytes
    (2, 68)
    """

    codes: NDArray[np.uint8]
    scales: NDArray[Any]
    tensor_scale: Any
    fmt: Block
    length: int
    group: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.codes.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes of codes, scales and the tensor scale."""
        second = 0 if self.tensor_scale is None else 4 * np.size(self.tensor_scale)
        return self.codes.nbytes + self.scales.nbytes + second


def scale_shape(rows: int, length: int, group: int, fmt: Block) -> tuple[int, int]:
    """The shape of the scales of ``rows`` rows of ``length`` elements.

    >>> from extensor.formats import NVFP4_2D
    >>> scale_shape(40, 40, 20, NVFP4_2D)
    (4, 3)
    """
    height = fmt.shape[0]
    if height == 1:
        return rows, fmt.blocks(length)
    matrices = rows // group if group else 0
    return matrices * -(-group // height), fmt.blocks(length)
