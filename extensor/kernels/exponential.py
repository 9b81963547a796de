"""``e`` to the x in float32 scalars that a loop turns into vectors.

``x = n ln 2 + r`` with |r| <= 0.35, then the Taylor polynomial of degree 7 and ``n`` added to the
exponent. Adding and taking away ``1.5 2**23`` rounds to an integer, whose bits are the low ones of
the sum: so these functions must be compiled without fastmath, wherever they are called.
"""

from typing import Any

import numpy as np
from numba import njit

_LOG2E, _MAGIC = np.float32(1.4426950408889634), np.float32(12582912.0)
_HIGH, _LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
"""ln 2 in two parts; the products of the first with whole numbers are exact."""
_C = tuple(np.float32(1 / k) for k in (1, 1, 2, 6, 24, 120, 720, 5040))
_SMALLEST, _0 = np.float32(-87.0), np.float32(0)


@njit()
def exp_of_negative(x: Any) -> Any:
    """``e**x`` for x <= 0: 0 below -87, where float32 has hardly a number left; NaN stays NaN.

    The relative error is below 2e-7.

    >>> float(exp_of_negative(np.float32(-1))), float(exp_of_negative(np.float32(-np.inf)))
    (0.3678794503211975, 0.0)
    """
    v = _SMALLEST if x < _SMALLEST else x  # noqa: FURB136 - max() loses NaN
    shifted = np.float32(v * _LOG2E + _MAGIC)
    n = np.float32(shifted - _MAGIC)
    r = np.float32(np.float32(v - n * _HIGH) - n * _LOW)
    p = _C[7] * r + _C[6]
    p = (p * r + _C[5]) * r + _C[4]
    p = (p * r + _C[3]) * r + _C[2]
    p = (p * r + _C[1]) * r + _C[0]
    power = np.int32((shifted.view(np.int32) << np.int32(23)) + np.int32(127 << 23))
    y = np.float32(p * power.view(np.float32))
    return _0 if x < _SMALLEST else y
