"""The kernels on ghosts: what each would give, without computing it.

The twin of `extensor.kernels.front` for `extensor.ghost` arrays: shapes, types, layouts and packed
sizes as the kernels make them. A kernel that is not here runs on the zeros behind the ghosts.
"""

from typing import Any

import numpy as np

from extensor.formats import Block, Element
from extensor.ghost import beside, ghost
from extensor.kernels.packed import Packed, scale_shape
from extensor.kernels.window import out_size


def _packed(rows: int, length: int, group: int, fmt: Block, choice: Any) -> Packed:
    scales = ghost(scale_shape(rows, length, group, fmt), fmt.scale_storage)
    second: Any = 1.0 if fmt.tensor_scale and choice.tensor_scale is not None else None
    if choice.tensor_scale == "row":
        second = np.ones(rows, np.float32)
    codes = ghost((rows, fmt.row_bytes(length)), np.uint8)
    return Packed(codes, scales, second, fmt, length, group if fmt.shape[0] > 1 else rows)


def quantize(x: Any, fmt: Block, choice: Any, *_: Any, **__: Any) -> Packed:
    """Packed rows of (A, R, K)."""
    return _packed(x.shape[0] * x.shape[1], x.shape[2], x.shape[1], fmt, choice)


def _places(x: Any, kernel: Any, stride: Any, padding: Any) -> tuple[int, int]:
    """(T, K) of the patches."""
    ho, wo = out_size("patches", x.shape[2:], kernel, stride, padding)
    return x.shape[0] * ho * wo, x.shape[1] * kernel[0] * kernel[1]


def quantize_patches(
    x: Any, kernel: Any, stride: Any = (1, 1), padding: Any = (0, 0), *, fmt: Block, choice: Any,
    along: str = "K", **_: Any,
) -> Packed:  # fmt: skip
    """Packed patches, blocks along K or along T."""
    t, k = _places(x, kernel, stride, padding)
    rows, length = (t, k) if along == "K" else (k, t)
    return _packed(rows, length, rows, fmt, choice)


def patches(x: Any, kernel: Any, stride: Any = (1, 1), padding: Any = (0, 0)) -> Any:
    """(T, K)."""
    return ghost(_places(x, kernel, stride, padding), x.dtype)


def images_of(rows: Any, n: int, ho: int, wo: int) -> Any:
    """(N, O, Ho, Wo), the batch innermost in memory."""
    return ghost((rows.shape[1], ho, wo, n), rows.dtype).transpose(3, 0, 1, 2)


def conv2d(
    x: Any, w: Any, stride: Any = (1, 1), padding: Any = (0, 0), bias: Any = None, **_: Any
) -> Any:
    """(N, O, Ho, Wo), the batch innermost in memory."""
    ho, wo = out_size("conv2d", x.shape[2:], w.shape[2:], stride, padding)
    return images_of(ghost((0, w.shape[0]), x.dtype), len(x), ho, wo)


def max_pool2d(x: Any, kernel: Any, stride: Any = None, padding: Any = (0, 0)) -> Any:
    """(N, C, Ho, Wo), its axes in memory as those of x."""
    ho, wo = out_size("pool", x.shape[2:], kernel, stride or kernel, padding)
    return beside(x, (*x.shape[:2], ho, wo))


avg_pool2d = max_pool2d


def matmul(a: Packed, b: Packed, exact: bool = False) -> Any:
    """(rows of a, rows of b)."""
    return ghost((a.rows, b.rows))


def matmul_native(x: Any, b: Packed, exact: bool = False) -> Any:
    """(rows of x, rows of b)."""
    return ghost((len(x), b.rows))


def dequantize(p: Packed, dtype: Any = np.float32, **_: Any) -> Any:
    """(rows, K)."""
    return ghost((p.rows, p.length), dtype)


def encode_elements(x: Any, fmt: Element, *_: Any, **__: Any) -> Any:
    """One code a number."""
    return ghost(x.shape, fmt.storage)


def decode_elements(codes: Any, fmt: Element, dtype: Any = np.float32) -> Any:
    """One number a code."""
    return ghost(codes.shape, dtype)


def hadamard(x: Any, n: int, signs: Any = None) -> Any:
    """float32 rows."""
    return ghost((int(np.prod(x.shape[:-1])), x.shape[-1]))


def dropout(x: Any, p: float, key: Any) -> Any:
    """As many numbers, in C order."""
    return ghost(x.shape, x.dtype)


def relu(x: Any) -> Any:
    """As many numbers, in the same layout."""
    return beside(x, x.shape)
