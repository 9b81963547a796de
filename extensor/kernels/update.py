"""The arithmetic of optimizers: one pass each, in place, over flat float32 arrays.

Arrays are 1-D, C-contiguous, of one length; coefficients are Python floats, rounded to float32
once before the loop. Each product is rounded, then each sum, in the order of the formula (Numba
contracts nothing without fastmath), so a step has the same bits wherever it is repeated.

>>> u, m = np.ones(3, np.float32), np.full(3, 2, np.float32)
>>> momentum(m, u, 0.5)
>>> m.tolist(), u.tolist()
([2.0, 2.0, 2.0], [2.0, 2.0, 2.0])
"""

import numpy as np
from numpy.typing import NDArray

from extensor.jit import kernel

Flat = NDArray[np.float32]

LANES = 64
"""How many sums `square_sum` keeps: part of the definition of its order."""


@kernel()
def add_scaled(y: Flat, x: Flat, c: float) -> None:
    """``y += c * x``: weight decay (``c`` the rate), descent (``c`` minus the learning rate).

    >>> y = np.ones(2, np.float32)
    >>> add_scaled(y, y, -0.5)
    >>> y.tolist()
    [0.5, 0.5]
    """
    a = np.float32(c)
    for i in range(y.size):
        y[i] = y[i] + a * x[i]


@kernel()
def scale(y: Flat, c: float) -> None:
    """``y *= c``.

    >>> y = np.ones(2, np.float32)
    >>> scale(y, 3.0)
    >>> y.tolist()
    [3.0, 3.0]
    """
    a = np.float32(c)
    for i in range(y.size):
        y[i] = y[i] * a


@kernel()
def clamp(y: Flat, limit: float) -> None:
    """``y = min(max(y, -limit), limit)``; NaN stays NaN.

    >>> y = np.array([-3, 0.5, np.nan], np.float32)
    >>> clamp(y, 1.0)
    >>> y.tolist()
    [-1.0, 0.5, nan]
    """
    top = np.float32(limit)
    for i in range(y.size):
        y[i] = max(min(y[i], top), -top)


@kernel()
def square_sum(x: Flat) -> float:
    """The sum of squares in float64, always added in one order.

    Element ``i`` is added to lane ``i mod 64``, ascending; then the upper half of the lanes is
    added to the lower half until one is left. Squares of float32 values are exact in float64.

    >>> square_sum(np.full(130, 3, np.float32))
    1170.0
    """
    lanes = np.zeros(LANES, np.float64)
    whole = x.size // LANES
    for row in range(whole):
        start = row * LANES
        for j in range(LANES):  # of constant length, so that it becomes vector code
            v = np.float64(x[start + j])
            lanes[j] += v * v
    for i in range(whole * LANES, x.size):
        v = np.float64(x[i])
        lanes[i % LANES] += v * v
    width = LANES // 2
    while width > 0:
        for j in range(width):
            lanes[j] += lanes[j + width]
        width //= 2
    return float(lanes[0])


@kernel()
def momentum(m: Flat, u: Flat, mu: float) -> None:
    """Heavy ball: ``m = mu * m + u``, then ``u = m``.

    >>> m, u = np.ones(1, np.float32), np.ones(1, np.float32)
    >>> momentum(m, u, 0.5)
    >>> m.item(), u.item()
    (1.5, 1.5)
    """
    a = np.float32(mu)
    for i in range(u.size):
        v = a * m[i] + u[i]
        m[i] = v
        u[i] = v


@kernel()
def nesterov(m: Flat, u: Flat, mu: float) -> None:
    """Look ahead: ``m = mu * m + u``, then ``u = u + mu * m``.

    >>> m, u = np.ones(1, np.float32), np.ones(1, np.float32)
    >>> nesterov(m, u, 0.5)
    >>> m.item(), u.item()
    (1.5, 1.75)
    """
    a = np.float32(mu)
    for i in range(u.size):
        v = a * m[i] + u[i]
        m[i] = v
        u[i] = u[i] + a * v


@kernel()
def adam(
    m: Flat, v: Flat, u: Flat, beta1: float, beta2: float, fix1: float, fix2: float, eps: float
) -> None:
    """Adam's direction from the gradient in ``u``, with the two running means updated.

    ``m = b1 m + (1-b1) u``; ``v = b2 v + (1-b2) (u u)``; ``u = (m fix1) / (sqrt(v) fix2 + eps)``
    where the caller gives the bias corrections ``fix1 = 1 / (1 - b1^t)`` and
    ``fix2 = 1 / sqrt(1 - b2^t)`` (Kingma and Ba, arXiv 1412.6980, algorithm 1).

    >>> m, v, u = np.zeros(1, np.float32), np.zeros(1, np.float32), np.full(1, 4, np.float32)
    >>> adam(m, v, u, 0.5, 0.75, 2.0, 2.0, 0.0)
    >>> m.item(), v.item(), u.item()
    (2.0, 4.0, 1.0)
    """
    b1, c1 = np.float32(beta1), np.float32(1.0 - beta1)
    b2, c2 = np.float32(beta2), np.float32(1.0 - beta2)
    f1, f2, e = np.float32(fix1), np.float32(fix2), np.float32(eps)
    for i in range(u.size):
        g = u[i]
        first = b1 * m[i] + c1 * g
        second = b2 * v[i] + c2 * (g * g)
        m[i] = first
        v[i] = second
        u[i] = (first * f1) / (np.sqrt(second) * f2 + e)
