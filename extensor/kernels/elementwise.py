"""Elementwise float32 loops where NumPy is several times slower, and the classifier's loss.

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


def cross_entropy(z: Floats, labels: NDArray[np.integer[Any]]) -> tuple[Floats, Floats]:
    """(losses (N,), p (N, K)): minus the log of the softmax of z (N, K) at each label.

    ``loss[n] = log(sum over k of exp(z[n, k] - m)) - (z[n, label] - m)`` with m the row's
    maximum, so nothing overflows; p is the softmax, which the gradient needs. ``exp`` and ``log``
    are NumPy's. ShapeError (also an IndexError's message) for labels outside of 0 .. K - 1.

    >>> losses, p = cross_entropy(np.zeros((1, 4), np.float32), np.array([2]))
    >>> p.tolist(), round(losses.item(), 6)
    ([[0.25, 0.25, 0.25, 0.25]], 1.386294)
    """
    if z.ndim != 2 or labels.shape != z.shape[:1]:
        raise ShapeError(
            f"cross_entropy: logits {z.shape} and labels {labels.shape}; it takes (N, K) and (N,)"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < z.shape[1]:
        raise ShapeError(
            f"cross_entropy: labels run from {labels.min()} to {labels.max()}; "
            f"with {z.shape[1]} classes they must lie in 0 .. {z.shape[1] - 1}"
        )
    shifted = z - z.max(axis=1, keepdims=True)
    p = np.exp(shifted)
    total = p.sum(axis=1, keepdims=True)
    losses = np.log(total[:, 0]) - shifted[np.arange(len(z)), labels]
    p /= total
    return losses, p


def cross_entropy_grad(g: Floats, p: Floats, labels: NDArray[np.integer[Any]]) -> Floats:
    """dL/dz (N, K) from g = dL/dlosses (N,): ``g[n] (p[n, k] - [k = label n])``.

    >>> cross_entropy_grad(np.ones(1), np.array([[0.25, 0.75]]), np.array([1])).tolist()
    [[0.25, -0.25]]
    """
    d = p.copy("K")
    d[np.arange(len(p)), labels] -= p.dtype.type(1)
    d *= g[:, None]
    return d
