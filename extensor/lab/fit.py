"""Robust curve fitting in NumPy: Levenberg-Marquardt on the Huber loss, and a line search.

>>> def residuals(p):
...     return p[0] * np.array([1.0, 2.0, 3.0]) - np.array([2.0, 4.0, 6.0])
>>> least(residuals, np.array([1.0]), 1e-3)[0].round(6).tolist()
[2.0]
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from extensor.lab.samples import Doubles

Residuals = Callable[[Doubles], Doubles]


def huber(residuals: Doubles, delta: float) -> float:
    """Sum of r²/2 up to ``delta``, of ``delta (|r| - delta / 2)`` beyond.

    >>> huber(np.array([0.5, 2.0]), 1.0)
    1.625
    """
    size = np.abs(residuals)
    near = np.minimum(size, delta)
    return float((near * (size - near / 2)).sum())


def _slopes(residuals: Residuals, p: Doubles) -> Doubles:
    """Central differences: d residual / d parameter, one column each."""
    columns = []
    for i in range(len(p)):
        step = np.zeros_like(p)
        step[i] = 1e-6 * max(1.0, abs(p[i]))
        columns.append((residuals(p + step) - residuals(p - step)) / (2 * step[i]))
    return np.stack(columns, 1)


def least(
    residuals: Residuals, start: Any, delta: float, steps: int = 400
) -> tuple[Doubles, float]:
    """Parameters of the least Huber loss near a start, and that loss.

    Levenberg-Marquardt on reweighted squares: a residual beyond ``delta`` weighs delta / |r|. The
    damping scales with the curvature of each parameter, so their units do not matter.
    """
    p = np.array(start, np.float64)
    r = residuals(p)
    cost, damping = huber(r, delta), 1e-3
    for _ in range(steps):
        weight = delta / np.maximum(np.abs(r), delta)
        slopes = _slopes(residuals, p)
        normal = slopes.T @ (weight[:, None] * slopes)
        gradient = slopes.T @ (weight * r)
        before = cost
        while damping < 1e12:
            matrix = normal + damping * np.diag(np.diag(normal) + 1e-300)
            with np.errstate(over="ignore", invalid="ignore"):
                new = p - np.linalg.solve(matrix, gradient)
                answer = residuals(new)
                tried = huber(answer, delta)
            if tried < cost:
                p, r, cost, damping = new, answer, tried, max(damping / 10, 1e-12)
                break
            damping *= 10
        else:
            break
        if before - cost <= 1e-15 * before:
            break
    return p, cost


def smallest(cost: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one number, falling and then rising, is smallest: golden section.

    >>> round(smallest(lambda x: (x - 0.3) ** 2, 0, 1), 6)
    0.3
    """
    ratio = (5**0.5 - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = cost(a), cost(b)
    while high - low > 1e-9 * max(1.0, abs(high)):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = cost(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = cost(b)
    return (low + high) / 2
