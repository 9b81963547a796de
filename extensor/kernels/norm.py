"""Layer norm and RMS norm in float32: each row is read once into the cache and finished there.

A row is the work of one thread, and its sums the same on any number of them. The formulas stand in
`extensor.ops.norm`.
"""

import math

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.jit import kernel

Floats = NDArray[np.float32]
_0, _1 = np.float32(0), np.float32(1)


@kernel(fastmath={"reassoc"})
def _mean(x: Floats) -> np.float32:
    total = _0
    for i in range(x.size):
        total += x[i]
    return np.float32(total / np.float32(x.size))


@kernel(fastmath={"reassoc"})
def _inverse_deviation(x: Floats, m: np.float32, eps: np.float32) -> np.float32:
    """1 / sqrt(mean((x - m)**2) + eps)."""
    total = _0
    for i in range(x.size):
        total += (x[i] - m) * (x[i] - m)
    return np.float32(_1 / math.sqrt(total / np.float32(x.size) + eps))


@kernel(fastmath={"reassoc"})
def _product_mean(u: Floats, x: Floats, m: np.float32) -> np.float32:
    """mean(u (x - m))."""
    total = _0
    for i in range(x.size):
        total += u[i] * (x[i] - m)
    return np.float32(total / np.float32(x.size))


@kernel(parallel=True)
def _forward(
    x: Floats, weight: Floats, bias: Floats, affine: bool, center: bool, eps: np.float32, y: Floats
) -> None:
    for r in prange(len(x)):
        m = _mean(x[r]) if center else _0
        s = _inverse_deviation(x[r], m, eps)
        if affine:
            for i in range(x.shape[1]):
                y[r, i] = (x[r, i] - m) * s * weight[i] + bias[i]
        else:
            for i in range(x.shape[1]):
                y[r, i] = (x[r, i] - m) * s


@kernel(parallel=True)
def _backward(u: Floats, x: Floats, center: bool, eps: np.float32, dx: Floats) -> None:
    for r in prange(len(x)):
        m = _mean(x[r]) if center else _0
        level = _mean(u[r]) if center else _0
        s = _inverse_deviation(x[r], m, eps)
        slope = np.float32(_product_mean(u[r], x[r], m) * s * s)
        for i in range(x.shape[1]):
            dx[r, i] = (u[r, i] - level - (x[r, i] - m) * slope) * s


def _rows(x: Floats) -> Floats:
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])


def _normed(
    x: Floats, weight: Floats, bias: Floats, affine: bool, center: bool, eps: float
) -> Floats:
    y = np.empty(x.shape, np.float32)
    _forward(_rows(x), weight, bias, affine, center, np.float32(eps), _rows(y))
    return y


_NONE = np.empty(0, np.float32)


def standardize(x: Floats, eps: float = 1e-5, center: bool = True) -> Floats:
    """(x - m) / sqrt(mean((x - m)**2) + eps) over the last axis; m: the mean, or 0.

    >>> standardize(np.float32([[1, 3]]), eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    return _normed(x, _NONE, _NONE, False, center, eps)


def layer_norm(x: Floats, weight: Floats, bias: Floats, eps: float = 1e-5) -> Floats:
    """`standardize`, times weight, plus bias.

    >>> layer_norm(np.float32([[1, 3]]), np.float32([2, 2]), np.float32([0, 1]), eps=0.0).tolist()
    [[-2.0, 3.0]]
    """
    weight, bias = np.ascontiguousarray(weight), np.ascontiguousarray(bias)
    return _normed(x, weight, bias, True, True, eps)


def standardize_grad(u: Floats, x: Floats, eps: float = 1e-5, center: bool = True) -> Floats:
    """The Jacobian of `standardize` at x, times u; the shapes are equal.

    >>> standardize_grad(np.float32([[1, 3]]), np.float32([[1, 3]]), eps=1.0).tolist()
    [[-0.3535533845424652, 0.3535533845424652]]
    """
    dx = np.empty(x.shape, np.float32)
    _backward(_rows(u), _rows(x), center, np.float32(eps), _rows(dx))
    return dx
