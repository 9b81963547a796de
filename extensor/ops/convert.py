"""Between storages and native arrays: what the fallback decodes, and how an answer is stored."""

from typing import Any

import numpy as np

from extensor.backend import as_array
from extensor.errors import DTypeError
from extensor.kernels.front import decode_elements, dequantize, encode_elements
from extensor.storage import Coded, Native, Storage


def arrays_of(storage: Storage, wide: bool = False) -> Any:
    """The numbers of a storage as a native array; decoded to float32 (``wide``: float64)."""
    if isinstance(storage, Native):
        return storage.array
    if isinstance(storage, Coded):
        return decode_elements(storage.codes, storage.dtype, np.float64 if wide else np.float32)
    if storage.transform is not None:
        raise DTypeError(
            "fallback: the tensor is rotated or prescaled (q.transform); allowed: a product with "
            "an operand of equal transform, or ex.dequantize(q) for the stored values"
        )
    return storage.spread(dequantize(storage.rows, np.float64 if wide else np.float32))


def store(array: Any, to: Any) -> Storage:
    """A native array as a tensor's storage, rounded once to a native or coded format (or to a
    NumPy type)."""
    if isinstance(to, np.dtype):
        return Native(as_array(array).astype(to, copy=False))
    if to.kind == "native":
        array = as_array(array)
        return Native(array if array.dtype == to.storage else array.astype(to.storage))
    return Coded(encode_elements(as_array(array), to), to)
