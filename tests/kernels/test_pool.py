"""Pooling: fast loops and NumPy against the definition, ties, NaN, memory orders and threads."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extensor.errors import ShapeError
from extensor.kernels.pool import avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_grad
from tests.kernels.sums import normal, orders
from tests.kernels.threads import same_on_any_threads

Pair = tuple[int, int]
CASES = [
    # n, c, height, width, kernel, stride, padding
    (16, 6, 8, 10, (2, 2), (2, 2), (0, 0)),
    (17, 3, 7, 5, (2, 2), (2, 2), (0, 0)),
    (1, 1, 2, 2, (2, 2), (2, 2), (0, 0)),
    (15, 2, 7, 6, (3, 3), (2, 2), (1, 1)),
    (33, 2, 5, 6, (3, 2), (1, 1), (2, 1)),
    (3, 2, 9, 9, (2, 3), (3, 4), (0, 2)),
    (0, 2, 4, 4, (2, 2), (2, 2), (0, 0)),
]


def by_definition(
    x: NDArray[Any], g: NDArray[Any], kernel: Pair, stride: Pair, padding: Pair
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(the maxima, dx of max pooling, dx of average pooling), window by window."""
    y, dx, spread = np.zeros_like(g), np.zeros_like(x), np.zeros_like(x)
    for n, c, i, j in np.ndindex(*g.shape):
        place = [
            (p, q)
            for p in range(i * stride[0] - padding[0], i * stride[0] - padding[0] + kernel[0])
            for q in range(j * stride[1] - padding[1], j * stride[1] - padding[1] + kernel[1])
            if 0 <= p < x.shape[2] and 0 <= q < x.shape[3]
        ]
        values = [x[n, c, p, q] for p, q in place]
        first = int(np.argmax(values))  # NumPy's argmax takes the first NaN, else the first maximum
        y[n, c, i, j] = values[first]
        dx[n, c, *place[first]] += g[n, c, i, j]
        for p, q in place:
            spread[n, c, p, q] += g[n, c, i, j] / (kernel[0] * kernel[1])
    return y, dx, spread


@pytest.mark.parametrize(("n", "c", "h", "w", "kernel", "stride", "padding"), CASES)
@pytest.mark.parametrize("layout", ["nchw", "chwn"])
def test_against_the_definition(
    n: int, c: int, h: int, w: int, kernel: Pair, stride: Pair, padding: Pair, layout: str
) -> None:
    x = orders(np.round(normal(1, n, c, h, w) * 2) / 2)[layout]  # halves: many ties
    x[normal(2, *x.shape) > 2] = np.nan
    y = max_pool2d(x, kernel, stride, padding)
    g = np.round(normal(3, *y.shape) * 64)  # whole numbers: sums are exact in any order
    wanted, dx, spread = by_definition(x, g, kernel, stride, padding)
    np.testing.assert_array_equal(y, wanted)
    got = max_pool2d_grad(g, x, y, kernel, stride, padding)
    np.testing.assert_array_equal(got, dx)
    assert got.dtype == y.dtype == np.float32

    got = avg_pool2d_grad(orders(g)[layout], x.shape, kernel, stride, padding)
    np.testing.assert_allclose(got, spread, rtol=0, atol=kernel[0] * kernel[1] * 256 * 2.0**-22)
    mean = avg_pool2d(np.ones_like(x), kernel, stride, padding)
    assert mean.max(initial=0) <= 1
    if padding == (0, 0):
        np.testing.assert_array_equal(mean, np.ones_like(mean))


@pytest.mark.parametrize(("kernel", "stride", "padding"), [case[4:] for case in CASES[:6]])
def test_memory_order_changes_no_bit(kernel: Pair, stride: Pair, padding: Pair) -> None:
    x = normal(1, 19, 3, 9, 8)
    y, mean = max_pool2d(x, kernel, stride, padding), avg_pool2d(x, kernel, stride, padding)
    g = normal(2, *y.shape)
    dx = max_pool2d_grad(g, x, y, kernel, stride, padding)
    spread = avg_pool2d_grad(g, x.shape, kernel, stride, padding)
    for name, other in orders(x).items():
        got = max_pool2d(other, kernel, stride, padding)
        np.testing.assert_array_equal(got, y, name)
        np.testing.assert_array_equal(avg_pool2d(other, kernel, stride, padding), mean, name)
        got = max_pool2d_grad(g, other, got, kernel, stride, padding)
        np.testing.assert_array_equal(got, dx, name)
        got = avg_pool2d_grad(orders(g)[name], x.shape, kernel, stride, padding)
        np.testing.assert_array_equal(got, spread, name)
    inner = orders(x)["chwn"]
    assert max_pool2d(inner, kernel, stride, padding).transpose(1, 2, 3, 0).flags.c_contiguous


def test_float64_stays_float64() -> None:
    x = normal(1, 2, 1, 4, 4).astype(np.float64)
    y = max_pool2d(x, (2, 2))
    assert y.dtype == max_pool2d_grad(y, x, y, (2, 2)).dtype == avg_pool2d(x, (2, 2)).dtype
    assert y.dtype == np.float64


def test_threads_change_no_bit() -> None:
    same_on_any_threads(
        "from extensor.kernels.pool import *\n"
        "x = normal(1, 5, 6, 6, 20).transpose(3, 0, 1, 2)\n"
        "for step in ((2, 2), (1, 1)):\n"
        "    y = max_pool2d(x, (2, 2), step)\n"
        "    show(y, max_pool2d_grad(y, x, y, (2, 2), step))\n"
        "    show(avg_pool2d(x, (2, 2), step), avg_pool2d_grad(y, x.shape, (2, 2), step))\n"
    )


def test_errors() -> None:
    x = np.ones((1, 1, 4, 4), np.float32)
    with pytest.raises(ShapeError, match="smaller than the kernel"):
        max_pool2d(x, (2, 2), padding=(2, 0))
    with pytest.raises(ShapeError, match="larger than the image"):
        avg_pool2d(x, (5, 2))
    with pytest.raises(ShapeError, match="4 axes"):
        max_pool2d(x[0], (2, 2))
    with pytest.raises(ShapeError, match="y has shape"):
        max_pool2d_grad(np.ones((1, 1, 2, 2), np.float32), x, x, (2, 2))
    with pytest.raises(ShapeError, match="g has shape"):
        avg_pool2d_grad(x, (1, 1, 4, 4), (2, 2))
