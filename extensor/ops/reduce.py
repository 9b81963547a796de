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
    left = kept(shape, axis)
    return math.prod(n for n, m in zip(shape, left, strict=True) if n != m)


def spread(g: Any, x: Any, axis: Axis) -> Any:
    """A gradient repeated over the axes that a reduction took away."""
    return broadcast_to(reshape(g, shape=kept(x.shape, axis)), shape=x.shape)


def _extreme(g: Any, y: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    """The gradient of a maximum goes to its places; equal ones share it."""
    hit = (x == reshape(y, shape=kept(x.shape, axis))).to(g.dtype)
    return (spread(g, x, axis) * hit / hit.sum(axis=axis, keepdims=True),)


def _logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    y = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis)


class Total(Op):
    """A reduction that can be asked for in another format: the numbers are converted first."""

    def __call__(self, *operands: Any, dtype: Any = None, **attributes: Any) -> Any:
        """Reduce; ``dtype``: the format to convert to before, and so that of the answer."""
        if dtype is None:
            return super().__call__(*operands, **attributes)
        return super().__call__(operands[0].to(dtype), *operands[1:], **attributes).to(dtype)


def reduction(name: str, meaning: Any, grad: Any, doc: str, **facts: Any) -> Op:
    """A row that reduces over axes."""
    return op(name, meaning, grad, doc, samples=REDUCE, **facts)


# fmt: off
sum: Op = reduction("sum",
                     lambda x, axis=None, keepdims=False, dtype=None: np.sum(
                         x, axis=axis, keepdims=keepdims),
                 lambda g, y, x, axis=None, keepdims=False: (spread(g, x, axis),), "the sum",
                 result="sum", complex=True)
sum.__class__ = Total
mean: Op = reduction("mean",
                  lambda x, axis=None, keepdims=False: np.mean(x, axis=axis, keepdims=keepdims),
                  lambda g, y, x, axis=None, keepdims=False: (
                      spread(g, x, axis) * (1.0 / count(x.shape, axis)),),
                  "the mean", result="float", complex=True)
max: Op = reduction("max",
                     lambda x, axis=None, keepdims=False: np.max(x, axis=axis, keepdims=keepdims),
                 _extreme, "the largest; NaN propagates", saves=(0, "y"))
min: Op = reduction("min",
                     lambda x, axis=None, keepdims=False: np.min(x, axis=axis, keepdims=keepdims),
                 _extreme, "the smallest; NaN propagates", saves=(0, "y"))
logsumexp: Op = reduction("logsumexp", _logsumexp,
                       lambda g, y, x, axis=None, keepdims=False: (
                           spread(g, x, axis)
                           * (x - reshape(y, shape=kept(x.shape, axis))).exp(),),
                       "log(sum(exp(x))), without overflow", saves=(0, "y"), result="float")
argmax: Op = op("argmax", lambda x, axis=None, keepdims=False: np.argmax(
                x, axis=axis, keepdims=keepdims), None,
            "the index of the first largest", result="index", samples=REDUCE[:2])
argmin: Op = op("argmin", lambda x, axis=None, keepdims=False: np.argmin(
                x, axis=axis, keepdims=keepdims), None,
            "the index of the first smallest", result="index", samples=REDUCE[:2])
all: Op = reduction("all",
                     lambda x, axis=None, keepdims=False: np.all(x, axis=axis, keepdims=keepdims),
                 None, "whether all are true", result="bool", complex=True)
any: Op = reduction("any",
                     lambda x, axis=None, keepdims=False: np.any(x, axis=axis, keepdims=keepdims),
                 None, "whether any is true", result="bool", complex=True)
# fmt: on
