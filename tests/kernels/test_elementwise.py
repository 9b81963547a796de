"""ReLU against float64 NumPy; memory orders are kept."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extensor.errors import ShapeError
from extensor.kernels.elementwise import relu, relu_grad
from extensor.kernels.order import order
from tests.kernels.sums import normal, orders
from tests.kernels.threads import same_on_any_threads

SPECIAL = np.array([-np.inf, -1, -0.0, 0.0, 1e-45, 1, np.inf, np.nan], np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_relu(dtype: Any) -> None:
    x: NDArray[Any] = SPECIAL.astype(dtype)
    np.testing.assert_array_equal(relu(x), np.maximum(x, 0))
    g: NDArray[Any] = np.arange(1, 9, dtype=dtype)
    np.testing.assert_array_equal(relu_grad(g, x), g * (x > 0))
    assert relu(x).dtype == relu_grad(g, x).dtype == dtype


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (33, 3, 5, 7), (3, 7, 31, 40), (0, 2, 3, 4)])
def test_relu_keeps_the_memory_order(shape: tuple[int, ...]) -> None:
    x, g = normal(1, *shape), normal(2, *shape)
    for name, other in orders(x).items():
        y, d = relu(other), relu_grad(g, other)
        np.testing.assert_array_equal(y, np.maximum(x, 0), name)
        np.testing.assert_array_equal(d, g * (x > 0), name)
        if min(shape) > 1 and name != "gaps":
            assert order(y) == order(d) == order(other), name


def test_relu_of_a_scalar() -> None:
    assert relu(np.array(-2, np.float32)).item() == 0
    assert relu_grad(np.array(3, np.float32), np.array(2, np.float32)).item() == 3


def test_relu_grad_does_not_multiply() -> None:
    g = np.array([np.inf, np.nan], np.float32)
    assert relu_grad(g, np.zeros(2, np.float32)).tolist() == [0, 0]


def test_relu_grad_errors() -> None:
    z = np.zeros((2, 3), np.float32)
    with pytest.raises(ShapeError, match="equal"):
        relu_grad(z, z[0])


def test_threads_change_no_bit() -> None:
    same_on_any_threads(
        "from extensor.kernels.elementwise import *\n"
        "x = normal(1, 100003)\n"
        "show(relu(x), relu_grad(x[::-1], x))\n"
    )
