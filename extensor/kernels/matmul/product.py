"""``matmul`` and ``matmul_native``: checks, the path, and the tensor scales at the end."""

import numpy as np
from numpy.typing import NDArray

from extensor.errors import DTypeError, ShapeError
from extensor.kernels.matmul.exact import blocked_product, native_product
from extensor.kernels.matmul.fast import for_blas, panel_product
from extensor.kernels.matmul.reference import final_scale
from extensor.kernels.packed import Packed

Floats = NDArray[np.float32]


def _scaled(y: Floats, *operands: Packed) -> Floats:
    final = final_scale(*operands)
    if final is not None:
        with np.errstate(all="ignore"):
            np.multiply(y, final, out=y)
    return y


def matmul(a: Packed, b: Packed, exact: bool = False) -> Floats:
    """The product of two packed operands, deq(a) @ deq(b).T: float32 (rows of a, rows of b).

    Both are blocked along K, in any two formats. ``exact`` asks for the order of
    `extensor.kernels.matmul.reference`, which is the same on every machine; without it large
    products go through BLAS, within `extensor.kernels.matmul.fast.bound`. NaN scales give NaN.

    >>> from extensor.formats import MXFP4
    >>> codes = np.full((2, 16), 0x22, np.uint8)                          # 32 ones
    >>> p = Packed(codes, np.array([[127], [128]], np.uint8), None, MXFP4, 32, 2)
    >>> matmul(p, p).tolist()
    [[32.0, 64.0], [64.0, 128.0]]

    Raises ShapeError where the lengths differ.
    """
    if a.length != b.length:
        raise ShapeError(
            f"matmul: rows of {a.length} and of {b.length} elements; allowed: equal lengths "
            "(both operands blocked along the axis that is summed)"
        )
    if 0 in (a.rows, b.rows, a.length):
        return np.zeros((a.rows, b.rows), np.float32)
    if not exact and for_blas(a.rows, b.rows, a.length):
        return _scaled(panel_product(a, b), a, b)
    return _scaled(blocked_product(a, b), a, b)


def matmul_native(x: Floats, b: Packed, exact: bool = False) -> Floats:
    """The product of float32 rows with a packed operand, x @ deq(b).T: float32 (M, rows of b).

    x
        (M, K) float32, any memory order.

    >>> from extensor.formats import MXFP4
    >>> b = Packed(np.full((1, 16), 0x22, np.uint8), np.full((1, 1), 126, np.uint8), None, MXFP4, 32, 1)
    >>> matmul_native(np.ones((1, 32), np.float32), b).tolist()
    [[16.0]]

    Raises DTypeError for anything but float32, ShapeError where the lengths differ.
    """  # noqa: E501
    if x.dtype != np.float32:
        raise DTypeError(f"matmul: {x.dtype} with a blocked operand; allowed: float32")
    if x.ndim != 2 or x.shape[1] != b.length:
        raise ShapeError(
            f"matmul: shape {x.shape} and rows of {b.length} elements; allowed: (M, {b.length})"
        )
    if 0 in (*x.shape, b.rows):
        return np.zeros((len(x), b.rows), np.float32)
    x = np.ascontiguousarray(x)
    if not x.flags.writeable:
        x = x.copy()
    if not exact and for_blas(len(x), b.rows, b.length):
        return _scaled(panel_product(x, b), b)
    return _scaled(native_product(x, b, fused=not exact), b)
