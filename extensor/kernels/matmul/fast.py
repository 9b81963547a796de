"""The default path for large products: decode panels, multiply them with BLAS.

Tolerance. |y - meaning| <= n 2^-24 sum |a_k| |b_k| / (1 - n 2^-24), n the roundings that a term
goes through (Higham, Accuracy and Stability, section 3.1), for any order of the sums:

- BLAS: n = K + 4: a product and K - 1 sums, 2 for decoding (exact but for float32 scales), 2 for
  the tensor scales;
- tiles: n = S + m + 4: S - 1 sums of the segments that K is cut into, 2 for the scale product and
  its multiply, 2 for the tensor scales, and m sums inside a segment: 0 for E2M1 and INT8, where
  they are exact, else the longest segment.

`bound` computes it: from the formats and the length alone.

>>> from extensor.formats import MXFP4
>>> p = Packed(np.full((1, 16), 0x22, np.uint8), np.full((1, 1), 126, np.uint8), None, MXFP4, 32, 1)
>>> decoded(p, 0, 1)[0, :3].tolist(), panel_product(p, p).tolist()
([0.5, 0.5, 0.5], [[8.0]])
>>> bound(p, p, np.array([[8.0]])) < 8 * 6 * 2.0**-24
array([[ True]])
"""

import numpy as np
from numpy.typing import NDArray

from extensor.formats import E2M1, INT8
from extensor.kernels.matmul.operand import side
from extensor.kernels.matmul.plain import folded_rows
from extensor.kernels.matmul.segments import segments
from extensor.kernels.packed import Packed

Floats = NDArray[np.float32]

PANEL_FLOATS = 1 << 21
"""A decoded panel for BLAS: 8 MiB, at least 64 rows. Fixed, whatever the number of threads."""

BLAS_WORK, BLAS_ROWS = 1 << 30, 128
"""BLAS takes products of at least so many multiply-adds with at least so many rows and columns."""


def for_blas(m: int, n: int, k: int) -> bool:
    """Whether an (m, k) times (k, n) product goes to BLAS.

    >>> for_blas(50176, 6, 25), for_blas(4096, 4096, 4096)
    (False, True)
    """
    return min(m, n) >= BLAS_ROWS and m * n * k >= BLAS_WORK


def panel_rows(length: int) -> int:
    """Rows of a panel.

    >>> panel_rows(4096), panel_rows(10**6)
    (512, 64)
    """
    return max(64, PANEL_FLOATS // length)


def decoded(p: Packed, r0: int, r1: int) -> Floats:
    """Rows r0 .. r1 as float32, without the tensor scale: (r1 - r0, length)."""
    flat = np.empty((r1 - r0) * p.length, np.float32)
    folded_rows(side(p), r0, r1, segments(p.length, p.fmt.length, p.fmt.length), flat)
    return flat.reshape(r1 - r0, p.length)


def panel_product(a: Packed | Floats, b: Packed) -> Floats:
    """a @ deq(b).T without tensor scales, by BLAS on panels: (rows of a, rows of b)."""
    step = panel_rows(b.length)
    m = len(a.codes) if isinstance(a, Packed) else len(a)
    out = np.empty((m, b.rows), np.float32)
    for n0 in range(0, b.rows, step):
        n1 = min(b.rows, n0 + step)
        right = decoded(b, n0, n1).T
        for m0 in range(0, m, step):
            m1 = min(m, m0 + step)
            left = decoded(a, m0, m1) if isinstance(a, Packed) else a[m0:m1]
            out[m0:m1, n0:n1] = left @ right
    return out


def roundings(a: Packed | int, b: Packed) -> int:
    """n of the tolerance above, for the path that the product takes.

    a
        The first operand, or the number of rows of a native one.

    >>> from extensor.formats import MXFP4
    >>> p = Packed(np.zeros((8, 32), np.uint8), np.zeros((8, 2), np.uint8), None, MXFP4, 64, 8)
    >>> roundings(p, p), roundings(8, p)
    (6, 132)
    """
    k = b.length
    if isinstance(a, int):
        return 2 * k + 4
    if for_blas(a.rows, b.rows, k):
        return k + 4
    seg = segments(k, a.fmt.length, b.fmt.length)
    inside = int(np.diff(seg.starts).max(initial=0))
    exact = {a.fmt.element, b.fmt.element} <= {E2M1, INT8} and inside <= 1024
    return len(seg.first) + (0 if exact else inside) + 4


def bound(a: Packed | int, b: Packed, magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest |y - meaning| that rounding can make: the tolerance of the default path.

    magnitude
        sum |a_k| |b_k| for each element of the result, float64.
    """
    n = roundings(a, b) * 2.0**-24
    return magnitude * (n / (1.0 - n)) + b.length * 2.0**-149
