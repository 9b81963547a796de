"""Reductions over some or all axes. Sums run in float32 or wider, never in float16."""

import math
from typing import Any

import numpy as np

from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import broadcast_to, reshape

Axis = int | tuple[int, ...] | None
REDUCE = (
    Sample(((3, 4),)),
    Sample(((2, 3, 4),), {"axis": 1}),
    Sample(((2, 3, 4),), {"axis": (0, -1), "keepdims": True}),
)


def kept(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """The shape with every reduced axis of length 1."""
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    gone = {a % len(shape) for a in axes}
    return tuple(1 if i in gone else n for i, n in enumerate(shape))


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many numbers each answer is made of."""
    return math.prod(shape) // math.prod(kept(shape, axis))


def _spread(g: Any, x: Any, axis: Axis) -> Any:
    return broadcast_to(reshape(g, shape=kept(x.shape, axis)), shape=x.shape)


def _extreme(g: Any, y: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    """The gradient of a maximum goes to its places; equal ones share it."""
    hit = (x == reshape(y, shape=kept(x.shape, axis))).to(g.dtype)
    return (_spread(g, x, axis) * hit / hit.sum(axis=axis, keepdims=True),)


def _logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    y = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis)


def _reduction(name: str, meaning: Any, grad: Any, doc: str, **facts: Any) -> Op:
    return op(name, meaning, grad, doc, samples=REDUCE, **facts)


# fmt: off
sum: Op = _reduction("sum",
                     lambda x, axis=None, keepdims=False: np.sum(x, axis=axis, keepdims=keepdims),
                 lambda g, y, x, axis=None, keepdims=False: (_spread(g, x, axis),), "the sum",
                 result="sum")
mean: Op = _reduction("mean",
                  lambda x, axis=None, keepdims=False: np.mean(x, axis=axis, keepdims=keepdims),
                  lambda g, y, x, axis=None, keepdims=False: (
                      _spread(g, x, axis) * (1.0 / count(x.shape, axis)),),
                  "the mean", result="float")
max: Op = _reduction("max",
                     lambda x, axis=None, keepdims=False: np.max(x, axis=axis, keepdims=keepdims),
                 _extreme, "the largest; NaN propagates", saves=(0, "y"))
min: Op = _reduction("min",
                     lambda x, axis=None, keepdims=False: np.min(x, axis=axis, keepdims=keepdims),
                 _extreme, "the smallest; NaN propagates", saves=(0, "y"))
logsumexp: Op = _reduction("logsumexp", _logsumexp,
                       lambda g, y, x, axis=None, keepdims=False: (
                           _spread(g, x, axis)
                           * (x - reshape(y, shape=kept(x.shape, axis))).exp(),),
                       "log(sum(exp(x))), without overflow", saves=(0, "y"), result="float")
argmax: Op = op("argmax", lambda x, axis=None: np.argmax(x, axis=axis), None,
            "the index of the first largest", result="index", samples=REDUCE[:2])
argmin: Op = op("argmin", lambda x, axis=None: np.argmin(x, axis=axis), None,
            "the index of the first smallest", result="index", samples=REDUCE[:2])
all: Op = _reduction("all",
                     lambda x, axis=None, keepdims=False: np.all(x, axis=axis, keepdims=keepdims),
                 None, "whether all are true", result="bool")
any: Op = _reduction("any",
                     lambda x, axis=None, keepdims=False: np.any(x, axis=axis, keepdims=keepdims),
                 None, "whether any is true", result="bool")
# fmt: on
