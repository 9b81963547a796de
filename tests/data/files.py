"""Write IDX files: what the tests of the readers read."""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.data.idx import TYPES


def header(code: int, *shape: int) -> bytes:
    """The header of an IDX file."""
    return struct.pack(f">4B{len(shape)}I", 0, 0, code, len(shape), *shape)


def idx_bytes(array: NDArray[Any]) -> bytes:
    """An array as an IDX file."""
    codes = {np.dtype(kind).newbyteorder("="): code for code, kind in TYPES.items()}
    big = array.astype(array.dtype.newbyteorder(">"))
    return header(codes[array.dtype], *array.shape) + big.tobytes()
