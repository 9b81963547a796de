"""Products and spreads over axes: prod, var, std."""

import math
from typing import Any

import numpy as np

from extensor.ops.reduce import Axis, Total, count, kept, mean, reduction, spread
from extensor.ops.registry import Op
from extensor.ops.scan import before, cumprod
from extensor.ops.shape import flip, permute, reshape


def _others(x: Any) -> Any:
    """For every entry of the last axis the product of the others, without a division."""
    left = before(cumprod(x, axis=-1), -1)
    right = before(cumprod(flip(x, axis=-1), axis=-1), -1)
    return left * flip(right, axis=-1)


def _prod_grad(
    g: Any, y: Any, x: Any, axis: Axis = None, keepdims: bool = False
) -> tuple[Any, ...]:
    gone = [i for i, n in enumerate(kept(x.shape, axis)) if axis is None or n != x.shape[i]]
    order = [i for i in range(x.ndim) if i not in gone] + gone
    moved = permute(x, axes=tuple(order)) if x.ndim else x
    length = math.prod(x.shape[i] for i in gone)
    flat = reshape(moved, shape=(*moved.shape[: x.ndim - len(gone)], length))
    rest = reshape(_others(flat), shape=moved.shape)
    back = permute(rest, axes=tuple(int(i) for i in np.argsort(order))) if x.ndim else rest
    return (spread(g, x, axis) * back,)


def _variance(x: Any, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    away = x - np.sum(x, axis=axis, keepdims=True) / x.dtype.type(max(count(x.shape, axis), 1))
    total = np.sum(away * away, axis=axis, keepdims=keepdims)
    with np.errstate(divide="ignore", invalid="ignore"):
        return total / x.dtype.type(max(count(x.shape, axis) - correction, 0))


def _away(g: Any, x: Any, axis: Axis, correction: float) -> Any:
    """``g (x - mean) / (n - correction)``: half the gradient of the variance."""
    away = x - mean(x, axis=axis, keepdims=True)
    return spread(g, x, axis) * away * (1.0 / max(count(x.shape, axis) - correction, 1e-30))


# fmt: off
prod: Op = reduction("prod",
                     lambda x, axis=None, keepdims=False, dtype=None: np.prod(
                         x, axis=axis, keepdims=keepdims),
                     _prod_grad, "the product", saves=(0,), result="sum", complex=True)
prod.__class__ = Total
var: Op = reduction("var", _variance,
                    lambda g, y, x, axis=None, correction=0.0, keepdims=False: (
                        _away(g * 2.0, x, axis, correction),),
                    "sum((x - mean)²) / (n - correction)", saves=(0,), result="float")
std: Op = reduction("std", lambda x, axis=None, correction=0.0, keepdims=False: np.sqrt(
                        _variance(x, axis, correction, keepdims)),
                    lambda g, y, x, axis=None, correction=0.0, keepdims=False: (
                        _away(g / y, x, axis, correction),),
                    "the square root of the variance", saves=(0, "y"), result="float")
# fmt: on
