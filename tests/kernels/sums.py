"""How far a float32 sum may be from the exact one, and images in every memory order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def assert_sums(got: Array, exact: Array, magnitude: Array, terms: int) -> None:
    """``got`` is a float32 sum of ``terms`` products; ``magnitude`` the sum of their sizes.

    Any order of n additions and n products, fused or not, errs by at most
    ``n u / (1 - n u)`` times the magnitude (u = 2^-24): Higham, Accuracy and Stability, §3.1.
    """
    nu = terms * 2.0**-24
    bound = nu / (1 - nu) * magnitude
    assert got.shape == exact.shape
    assert got.dtype == np.float32
    worst = np.abs(got.astype(np.float64) - exact) - bound
    assert (worst <= 0).all(), f"{worst.max()} above the bound"


def normal(seed: int, *shape: int) -> NDArray[np.float32]:
    """Reproducible normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def orders(x: Array) -> dict[str, Array]:
    """The same (N, C, H, W) values in C order, batch innermost, channels last, and with gaps."""
    gaps = np.zeros((*x.shape[:3], 2 * x.shape[3]), x.dtype)[..., ::2]
    gaps[...] = x
    return {
        "nchw": np.ascontiguousarray(x),
        "chwn": np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2),
        "nhwc": np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        "gaps": gaps,
    }
