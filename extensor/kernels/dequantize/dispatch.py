"""``dequantize``: packed rows in, numbers out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import DTypeError, ShapeError
from extensor.kernels.dequantize.fast import dequantize_fast, supports
from extensor.kernels.dequantize.general import decode_blocks, scale_values, value_table
from extensor.kernels.packed import Packed


def output_for(p: Packed, dtype: Any, out: Any, empty: Any) -> Any:
    """Where to decode to: ``out`` if it fits, or what ``empty(shape, dtype)`` makes."""
    given = np.dtype(dtype) if out is None else out.dtype
    if given not in (np.float32, np.float64):
        raise DTypeError(f"dequantize: dtype {given}; allowed: float32, float64")
    if out is None:
        return empty((p.rows, p.length), given)
    if out.shape != (p.rows, p.length) or not out.flags.c_contiguous:
        raise ShapeError(
            f"dequantize: out of shape {out.shape}; allowed: C-contiguous {(p.rows, p.length)}"
        )
    return out


def dequantize(
    p: Packed, dtype: Any = np.float32, *, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """The numbers that packed rows mean, C-contiguous (rows, K).

    dtype
        float32 (one rounding, in the product with the tensor scale) or float64. A value beyond
        float32 becomes Inf there; a block whose scale is NaN is NaN.
    out
        Where to write: a C-contiguous (rows, K) array of a dtype above, which then decides. A new
        one of many megabytes costs as much as the decoding.

    >>> from extensor.formats import MXFP4
    >>> codes = np.full((1, 16), 0x72, np.uint8)                # codes 2 and 7: 1 and 6
    >>> p = Packed(codes, np.array([[128]], np.uint8), None, MXFP4, 5, 1)
    >>> dequantize(p).tolist()
    [[2.0, 12.0, 2.0, 12.0, 2.0]]
    """
    out = output_for(p, dtype, out, np.empty)
    if isinstance(p.tensor_scale, np.ndarray):
        dequantize(p._replace(tensor_scale=None), out=out)
        np.multiply(out, p.tensor_scale[:, None], out=out)
        return out
    if out.size and out.dtype == np.float32 and supports(p.fmt):
        dequantize_fast(p, out)
    elif out.size:
        dequantize_general(p, out)
    return out


def dequantize_general(p: Packed, out: NDArray[Any]) -> None:
    """`dequantize` for every format, into ``out``."""
    decode_blocks(
        np.ascontiguousarray(p.codes),
        p.fmt.packed_bits,
        value_table(p.fmt.element),
        np.ascontiguousarray(scale_values(p.scales, p.fmt.scale)),
        p.fmt.shape[0],
        p.fmt.length,
        max(p.group, 1),
        1.0 if p.tensor_scale is None else p.tensor_scale,
        out,
    )
