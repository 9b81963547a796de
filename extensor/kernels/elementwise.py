"""Elementwise float32 loops where NumPy is several times slower.

Only these: NumPy's own addition, product and sums of float32 run at the speed of memory. The loops
walk the memory as it lies (any order of axes), one element at a time, so threads change no bit.
Other float types take NumPy.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.errors import ShapeError
from extensor.jit import kernel
from extensor.kernels.order import dense, flat_like, shaped_like

Floats = NDArray[Any]
CHUNK = 16384


@kernel(parallel=True)
def _relu(x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
    zero = np.float32(0)
    for k in prange((x.size + CHUNK - 1) // CHUNK):
        for i in range(k * CHUNK, min((k + 1) * CHUNK, x.size)):
            v = x[i]
            negative = v <= zero
            y[i] = zero if negative else v


@kernel(parallel=True)
def _relu_grad(g: NDArray[np.float32], y: NDArray[np.float32], dx: NDArray[np.float32]) -> None:
    zero = np.float32(0)
    for k in prange((y.size + CHUNK - 1) // CHUNK):
        for i in range(k * CHUNK, min((k + 1) * CHUNK, y.size)):
            d, v = g[i], y[i]
            dx[i] = d if v > zero else zero


def relu(x: Floats) -> Floats:
    """max(x, 0), in the memory order of x; NaN stays NaN.

    >>> relu(np.array([-1, 0, 2, np.nan], np.float32)).tolist()
    [0.0, 0.0, 2.0, nan]
    """
    if x.dtype != np.float32:
        y: Floats = np.maximum(x, x.dtype.type(0))
        return y
    x = dense(x)
    flat = np.empty(x.size, np.float32)
    _relu(flat_like(x, x), flat)
    return shaped_like(x, flat)


def relu_grad(g: Floats, y: Floats) -> Floats:
    """g where y > 0, else 0, in the memory order of y; y may be relu's input or its output.

    >>> relu_grad(np.full(3, 5, np.float32), np.array([-1, 0, 2], np.float32)).tolist()
    [0.0, 0.0, 5.0]
    """
    if g.shape != y.shape:
        raise ShapeError(f"relu_grad: g {g.shape} and y {y.shape}; the shapes must be equal")
    if not g.dtype == y.dtype == np.float32:
        return np.where(y > 0, g, g.dtype.type(0))
    y = dense(y)
    dx = np.empty(y.size, np.float32)
    _relu_grad(flat_like(y, g), flat_like(y, y), dx)
    return shaped_like(y, dx)
