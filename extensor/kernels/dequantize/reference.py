"""The slow exact dequantizer: the definition, in fractions rounded by NumPy's own conversion."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.kernels.pack import unpack_reference
from extensor.kernels.packed import Packed


def dequantize_reference(p: Packed, dtype: Any = np.float32) -> NDArray[Any]:
    """`dequantize`, by its definition: (element * block scale) * tensor scale."""
    rows, (height, width) = p.rows, p.fmt.shape
    codes = unpack_reference(p.codes, p.fmt.packed_bits, p.length)
    group = max(p.group, 1)
    r = np.arange(rows)
    line = r // group * -(-group // height) + r % group // height
    scales = p.scales.astype(np.float64) if p.scales.dtype.kind == "f" else (
        p.fmt.scale.values[p.scales]
    )  # fmt: skip
    each = np.repeat(scales, width, axis=1)[line, : p.length] if rows else scales
    with np.errstate(over="ignore", invalid="ignore"):
        first = (p.fmt.element.values[codes] * each.reshape(rows, p.length)).astype(dtype)
        return first if p.tensor_scale is None else first * np.dtype(dtype).type(p.tensor_scale)
