"""im2col against sliding windows; fold is its transpose; memory orders and threads."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extensor.errors import ShapeError
from extensor.kernels.conv import reference
from extensor.kernels.im2col import fold, patches, patches_transposed
from tests.kernels.sums import normal, orders
from tests.kernels.threads import same_on_any_threads

Pair = tuple[int, int]
CASES = [
    # shape, kernel, stride, padding
    ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0)),
    ((15, 3, 6, 7), (5, 5), (1, 1), (2, 2)),
    ((17, 6, 5, 5), (5, 5), (1, 1), (0, 0)),
    ((3, 2, 7, 6), (2, 3), (2, 3), (1, 0)),
    ((2, 2, 2, 3), (1, 1), (1, 2), (3, 4)),
    ((2, 7, 4, 4), (3, 3), (3, 1), (1, 2)),
    ((0, 2, 4, 4), (3, 3), (1, 1), (0, 0)),
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_patches(
    shape: tuple[int, int, int, int], kernel: Pair, stride: Pair, padding: Pair, dtype: Any
) -> None:
    x: NDArray[Any] = normal(1, *shape).astype(dtype)
    view = reference.windows(x, kernel, stride, padding)
    k = shape[1] * kernel[0] * kernel[1]
    wanted = view.transpose(0, 2, 3, 1, 4, 5).reshape(-1, k) if shape[0] else np.empty((0, k))
    for name, other in orders(x).items():
        got = patches(other, kernel, stride, padding)
        np.testing.assert_array_equal(got, wanted, name)
        assert got.dtype == dtype
        turned = patches_transposed(other, kernel, stride, padding)
        np.testing.assert_array_equal(turned, wanted.T, name)
        assert turned.flags.c_contiguous


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), CASES)
def test_fold_is_the_transpose(
    shape: tuple[int, int, int, int], kernel: Pair, stride: Pair, padding: Pair
) -> None:
    """<patches(x), m> = <x, fold(m)>, exactly: whole numbers."""
    x = np.round(normal(1, *shape) * 8)
    cols = patches(x, kernel, stride, padding)
    m = np.round(normal(2, *cols.shape) * 8)
    back = fold(m, shape, kernel, stride, padding)
    assert back.shape == shape
    assert (cols * m).sum() == (x * back).sum()
    rows = np.ascontiguousarray(m.T).T
    np.testing.assert_array_equal(fold(rows, shape, kernel, stride, padding), back)


def test_fold_counts_the_copies() -> None:
    ones = patches(np.ones((2, 3, 5, 6)), (3, 2), (2, 1), (1, 1))
    count = fold(ones, (2, 3, 5, 6), (3, 2), (2, 1), (1, 1))
    wanted = np.zeros((7, 8))
    for i in range(3):
        for j in range(7):
            wanted[2 * i : 2 * i + 3, j : j + 2] += 1
    np.testing.assert_array_equal(count, np.broadcast_to(wanted[1:6, 1:7], count.shape))


def test_threads_change_no_bit() -> None:
    same_on_any_threads(
        "from extensor.kernels.im2col import *\n"
        "x = normal(1, 11, 3, 6, 6)\n"
        "cols = patches(x, (3, 3))\n"
        "show(cols, patches_transposed(x, (3, 3)), fold(cols, x.shape, (3, 3)))\n"
    )


def test_errors() -> None:
    x = np.ones((2, 3, 5, 5), np.float32)
    with pytest.raises(ShapeError, match="4 axes"):
        patches(x[0], (2, 2))
    with pytest.raises(ShapeError, match="larger than the image"):
        patches_transposed(x, (6, 2))
    with pytest.raises(ShapeError, match=r"ask for \(32, 12\)"):
        fold(np.ones((32, 11)), (2, 3, 5, 5), (2, 2))
