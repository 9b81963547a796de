"""What tests of formats and kernels need: comparators that raise, and values that bite."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.formats import Element


def assert_bits_equal(a: Any, b: Any) -> None:
    """Raise AssertionError unless two arrays have one type, one shape and the same bits.

    NaN equals a NaN of the same bits; +0 and -0 differ.

    >>> assert_bits_equal(np.float32([0.0]), np.float32([-0.0]))
    Traceback (most recent call last):
        ...
    AssertionError: 1 of 1 differ; first at (0,): 0.0 and -0.0
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        raise AssertionError(f"{a.dtype} of shape {a.shape} and {b.dtype} of shape {b.shape}")
    x = np.ascontiguousarray(a).view(np.uint8).reshape(*a.shape, a.dtype.itemsize)
    y = np.ascontiguousarray(b).view(np.uint8).reshape(*b.shape, b.dtype.itemsize)
    wrong = (x != y).any(axis=-1)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{int(wrong.sum())} of {a.size} differ; first at {at}: {a[at]} and {b[at]}"
        )


def edges(fmt: Element) -> NDArray[np.float32]:
    """Where rounding to a format can go wrong: every value and every midpoint of its grid, and
    both float32 neighbours of each, with both signs.

    >>> from extensor.formats import E2M1
    >>> len(edges(E2M1)) > 80
    True
    """
    values = fmt.values[np.isfinite(fmt.values)]
    grid = np.unique(np.abs(values))
    points = np.concatenate([grid, (grid[1:] + grid[:-1]) / 2]).astype(np.float32)
    up, down = (np.nextafter(points, np.float32(s * np.inf)) for s in (1, -1))
    every = np.concatenate([points, up, down])
    return np.unique(np.concatenate([every, -every]))
