"""Attention weights and their gradient in float32: one walk over each row, in the cache.

A row is the work of one thread, and its sum the same on any number of them.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.exponential import exp_of_negative

Floats = NDArray[np.float32]
_0, _1 = np.float32(0), np.float32(1)


@kernel(fastmath={"reassoc"})
def _sum(x: Floats) -> np.float32:
    total = _0
    for i in range(x.size):
        total += x[i]
    return total


@kernel(fastmath={"reassoc"})
def _dot(x: Floats, y: Floats) -> np.float32:
    total = _0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@kernel()
def _softmax(x: Floats, scale: np.float32, y: Floats) -> None:
    """softmax(scale x) of one row; zeros where all of x is minus infinity."""
    top = np.float32(-np.inf)
    for i in range(x.size):
        v = x[i] * scale
        top = v if v > top else top  # noqa: FURB136 - max() takes NaN
    top = _0 if top == np.float32(-np.inf) else top
    for i in range(x.size):
        y[i] = exp_of_negative(np.float32(x[i] * scale - top))
    total = _sum(y)
    total = _1 if total == _0 else total
    for i in range(x.size):
        y[i] /= total


@kernel(parallel=True)
def _weights(x: Floats, queries: int, causal: bool, scale: np.float32, y: Floats) -> None:
    keys = x.shape[1]
    for r in prange(len(x)):
        n = min(r % queries + 1, keys) if causal else keys
        _softmax(x[r, :n], scale, y[r, :n])
        y[r, n:] = _0


@kernel(parallel=True)
def _softmax_grad(g: Floats, y: Floats, dx: Floats) -> None:
    for r in prange(len(y)):
        d = _dot(g[r], y[r])
        for i in range(y.shape[1]):
            dx[r, i] = y[r, i] * (g[r, i] - d)


def _rows(x: Floats) -> Floats:
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])


def attention_weights(scores: Floats, causal: bool = False, scale: float = 1.0) -> Floats:
    """softmax(scale scores) over the last axis; causal: query i sees keys 0 .. i.

    >>> attention_weights(np.zeros((2, 2), np.float32), causal=True).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    x = _rows(scores)
    y = np.empty_like(x)
    _weights(x, scores.shape[-2], causal, np.float32(scale), y)
    return y.reshape(scores.shape)


def softmax_grad(g: Floats, y: Floats, axis: int = -1) -> Floats:
    """y (g - sum(g y)) over the last axis, which ``axis`` must be.

    >>> softmax_grad(np.float32([[1, 3]]), np.float32([[0.5, 0.5]])).tolist()
    [[-0.5, 0.5]]
    """
    dx: Any = np.empty(y.shape, np.float32)
    _softmax_grad(_rows(g), _rows(y), _rows(dx))
    return dx  # type: ignore[no-any-return]
