"""GELU and its derivative in float32, and the error function.

``gelu(x) = x P(X <= x)`` for a normal X. In float32 the odd part ``P - 1/2`` is ``x A(x²) / B(x²)``
on |x| < 5.6, and one half beyond; A and B are our own fit of degree 5 (least squares, weights of
Lawson, relative error 2e-8), so a loop of products and one quotient runs in vectors. Largest error
of P in float32: 2e-7, measured on 400,001 points. Everything walks the memory as it lies.

Hendrycks and Gimpel, "Gaussian error linear units", 2016.
"""

import math
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.exponential import exp_of_negative
from extensor.kernels.order import dense, flat_like, shaped_like

Floats = NDArray[np.float32]
CHUNK = 8192
_END = np.float32(5.6)
_A = tuple(
    np.float32(c)
    for c in (
        0.398942272, 0.033929364, 0.00467737171, 0.000168932663, 6.28980099e-06, 2.22971705e-08,
    )
)  # fmt: skip
_B = tuple(
    np.float32(c)
    for c in (0.25171463, 0.02867775, 0.00188551155, 7.33452791e-05, 1.17965151e-06)
)  # fmt: skip
_0, _HALF, _1 = np.float32(0), np.float32(0.5), np.float32(1)
_DENSITY = np.float32(1 / math.sqrt(2 * math.pi))


@njit(inline="always")
def _probability(x: Any) -> Any:
    """P(X <= x), for a normal X."""
    t = x * x
    a = ((((_A[5] * t + _A[4]) * t + _A[3]) * t + _A[2]) * t + _A[1]) * t + _A[0]
    b = ((((_B[4] * t + _B[3]) * t + _B[2]) * t + _B[1]) * t + _B[0]) * t + _1
    inside = _HALF + x * a / b
    above = _1 if x >= _END else inside
    return _0 if x <= -_END else above


@kernel(parallel=True)
def _gelu(x: Floats, y: Floats) -> None:
    for k in prange((x.size + CHUNK - 1) // CHUNK):
        for i in range(k * CHUNK, min((k + 1) * CHUNK, x.size)):
            y[i] = x[i] * _probability(x[i])


@kernel(parallel=True)
def _gelu_grad(g: Floats, x: Floats, dx: Floats) -> None:
    for k in prange((x.size + CHUNK - 1) // CHUNK):
        for i in range(k * CHUNK, min((k + 1) * CHUNK, x.size)):
            v = x[i]
            dx[i] = g[i] * (_probability(v) + v * (_DENSITY * exp_of_negative(-_HALF * v * v)))


@kernel(parallel=True)
def _erf(x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    for k in prange((x.size + CHUNK - 1) // CHUNK):
        for i in range(k * CHUNK, min((k + 1) * CHUNK, x.size)):
            y[i] = math.erf(x[i])


def gelu(x: Floats) -> Floats:
    """x P(X <= x), in the memory order of x.

    >>> gelu(np.array([-9, 0, 1, 9], np.float32)).round(4).tolist()
    [-0.0, 0.0, 0.8413000106811523, 9.0]
    """
    x = dense(x)
    flat = np.empty(x.size, np.float32)
    _gelu(flat_like(x, x), flat)
    return shaped_like(x, flat)


def gelu_grad(g: Floats, x: Floats) -> Floats:
    """g times the derivative of gelu at x, in the memory order of x; the shapes are equal.

    >>> gelu_grad(np.ones(2, np.float32), np.array([0, 9], np.float32)).tolist()
    [0.5, 1.0]
    """
    x = dense(x)
    dx = np.empty(x.size, np.float32)
    _gelu_grad(flat_like(x, g), flat_like(x, x), dx)
    return shaped_like(x, dx)


def erf(x: NDArray[Any]) -> NDArray[Any]:
    """The error function, computed in float64, in the type of x.

    >>> erf(np.array([0.5])).round(6).tolist()
    [0.5205]
    """
    wide = np.ascontiguousarray(x, np.float64).reshape(-1)
    y = np.empty(wide.size)
    _erf(wide, y)
    return y.reshape(np.shape(x)).astype(x.dtype)
