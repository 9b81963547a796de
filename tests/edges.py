"""Where a rounding can go wrong: the inputs that every encode is tried on.

>>> from tests.oracle import E2M1
>>> [float(x) for x in edges(E2M1)[:5]]
[0.0, 5e-324, 0.12499999999999999, 0.125, 0.12500000000000003]
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tests.oracle import Spec


@cache
def edges(spec: Spec, dtype: type[np.floating] = np.float64) -> NDArray[np.floating]:
    """Every value, every midpoint, both float neighbours of each, overflow and underflow edge.

    Ascending, without repeats, non-negative; points that ``dtype`` cannot hold appear as
    neighbours that it can.
    """
    values = np.array([float(m) for m in spec.magnitudes])
    step = values[1] - values[0]
    points = np.concatenate(
        [
            values,
            (values[1:] + values[:-1]) / 2,
            step * np.array([0.25, 0.5, 0.75]),
            values[-1] * np.array([2.0, 4.0]),
        ]
    )
    with np.errstate(over="ignore"):
        points = points.astype(dtype)
    below, above = np.nextafter(points, dtype(-np.inf)), np.nextafter(points, dtype(np.inf))
    info = np.finfo(dtype)
    last = np.array([0, info.smallest_subnormal, info.max], dtype)
    found = np.unique(np.concatenate([points, below, above, last]))
    return np.asarray(found[(found >= 0) & np.isfinite(found)], dtype)


def both_signs(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """The values, their negatives, the two infinities and NaN."""
    return np.concatenate([x, -x, np.array([np.inf, -np.inf, np.nan], x.dtype)])
