"""Activations beyond those of `extensor.ops.elementwise`, one row each, and gates made of them.

At a kink the gradient is the one that PyTorch takes. Where a branch that is not taken could
overflow, its argument is clamped first, so that a second derivative does not see 0 times infinity.
"""

from typing import Any

import numpy as np

from extensor.errors import ShapeError
from extensor.ops.coerce import tensors
from extensor.ops.elementwise import (
    abs,
    exp,
    logical_and,
    minimum,
    neg,
    reciprocal,
    sigmoid,
    softplus,
    square,
    tanh,
    where,
)
from extensor.ops.loss import softmax
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import getitem, reshape, sum_to

ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
"""Of selu, such that mean 0 and variance 1 are a fixed point (Klambauer et al. 2017, (14))."""


def _row(
    name: str, meaning: Any, grad: Any, doc: str, *more: dict[str, Any],
    hows: tuple[dict[str, Any], ...] = ({},), **facts: Any,
) -> Op:  # fmt: skip
    facts = {"saves": (0,), "result": "float", "domain": (-4.0, 4.0), **facts}
    samples = tuple(Sample(((3, 4),), how) for how in (*hows, *more))
    return op(name, meaning, grad, doc, samples=samples, **facts)


def _negative(x: Any) -> Any:
    return np.minimum(x, 0)


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(_negative(x))).astype(x.dtype)


def _elu_grad(g: Any, y: Any, x: Any, alpha: float = 1.0) -> tuple[Any, ...]:
    return (where(x > 0.0, g, g * exp(minimum(x, 0.0)) * alpha),)


def _celu_grad(g: Any, y: Any, x: Any, alpha: float = 1.0) -> tuple[Any, ...]:
    return (where(x > 0.0, g, g * exp(minimum(x, 0.0) * (1 / alpha))),)


def _selu_grad(g: Any, y: Any, x: Any) -> tuple[Any, ...]:
    return (where(x > 0.0, g * SCALE, g * exp(minimum(x, 0.0)) * (SCALE * ALPHA)),)


def _softplus(x: Any) -> Any:
    return np.logaddexp(x, x.dtype.type(0))


def _mish_grad(g: Any, y: Any, x: Any) -> tuple[Any, ...]:
    t = tanh(softplus(x))
    return (g * (t + x * sigmoid(x) * (1.0 - t * t)),)


def _hardswish_grad(g: Any, y: Any, x: Any) -> tuple[Any, ...]:
    inside = where(x < 3.0, g * (x * (1 / 3) + 0.5), g)
    return (where(x > -3.0, inside, 0.0),)


def _between(g: Any, x: Any, low: float, high: float) -> Any:
    return where(logical_and(x > low, x < high), g, 0.0)


def _outside(g: Any, x: Any, edge: float) -> Any:
    return where(abs(x) > edge, g, 0.0)


# fmt: off
relu6: Op = _row("relu6", lambda x: np.clip(x, 0, 6),
             lambda g, y, x: (_between(g, x, 0.0, 6.0),), "x limited to 0 .. 6",
             domain=(-8.0, 8.0), result="promote")
hardtanh: Op = _row("hardtanh", lambda x, low=-1.0, high=1.0: np.clip(x, low, high).astype(x.dtype),
                lambda g, y, x, low=-1.0, high=1.0: (_between(g, x, low, high),),
                "x limited to low .. high", {"low": -2.0, "high": 0.5})
elu: Op = _row("elu", _elu, _elu_grad, "x where x > 0, else alpha (exp(x) - 1)", {"alpha": 0.5})
selu: Op = _row("selu", lambda x: (SCALE * _elu(x, ALPHA)).astype(x.dtype), _selu_grad,
            "elu of alpha 1.6733 times 1.0507, which keeps mean 0 and variance 1")
celu: Op = _row("celu",
            lambda x, alpha=1.0: np.where(
                x > 0, x, alpha * np.expm1(_negative(x) / alpha)).astype(x.dtype),
            _celu_grad, "x where x > 0, else alpha (exp(x / alpha) - 1)", {"alpha": 0.5})
mish: Op = _row("mish", lambda x: x * np.tanh(_softplus(x)), _mish_grad, "x tanh(softplus(x))")
hardsigmoid: Op = _row("hardsigmoid",
                   lambda x: np.clip(x * x.dtype.type(1 / 6) + x.dtype.type(0.5), 0, 1),
                   lambda g, y, x: (_between(g * (1 / 6), x, -3.0, 3.0),),
                   "x / 6 + 1/2 limited to 0 .. 1")
hardswish: Op = _row("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, _hardswish_grad,
                 "x times hardsigmoid of x")
softsign: Op = _row("softsign", lambda x: x / (1 + np.abs(x)),
                lambda g, y, x: (g * square(reciprocal(abs(x) + 1.0)),), "x / (1 + |x|)")
tanhshrink: Op = _row("tanhshrink", lambda x: x - np.tanh(x),
                  lambda g, y, x: (g * square(tanh(x)),), "x - tanh(x)")
softshrink: Op = _row("softshrink",
                  lambda x, edge=0.5: x - np.clip(x, -edge, edge).astype(x.dtype),
                  lambda g, y, x, edge=0.5: (_outside(g, x, edge),),
                  "x moved by edge towards 0, which it does not pass", {"edge": 1.0})
hardshrink: Op = _row("hardshrink",
                  lambda x, edge=0.5: np.where(np.abs(x) > edge, x, x.dtype.type(0)),
                  lambda g, y, x, edge=0.5: (_outside(g, x, edge),),
                  "x where |x| > edge, else 0", {"edge": 1.0})
threshold: Op = _row("threshold",
                 lambda x, edge, value: np.where(x > edge, x, x.dtype.type(value)),
                 lambda g, y, x, edge, value: (where(x > edge, g, 0.0),),
                 "x where x > edge, else value", hows=({"edge": 0.5, "value": 2.0},))
logsigmoid: Op = _row("logsigmoid", lambda x: -_softplus(-x),
                  lambda g, y, x: (g * sigmoid(-x),), "log(sigmoid(x))")
# fmt: on


def _shaped(x: Any, weight: Any) -> Any:
    """The shape in which a slope for each channel (axis 1) broadcasts; one number for all."""
    if weight.ndim > 1 or (weight.size != 1 and (x.ndim < 2 or weight.size != x.shape[1])):
        raise ShapeError(
            f"prelu: shapes {tuple(x.shape)} and {tuple(weight.shape)}; allowed: one slope, or one "
            "for each entry of axis 1"
        )
    return (1, weight.size) + (1,) * (x.ndim - 2) if weight.size != 1 else (1,) * x.ndim


def _prelu(x: Any, weight: Any) -> Any:
    return np.where(x > 0, x, x * weight.reshape(_shaped(x, weight)))


def _prelu_grad(g: Any, y: Any, x: Any, weight: Any) -> tuple[Any, ...]:
    shape = _shaped(x, weight)
    dx = where(x > 0.0, g, g * reshape(weight, shape=shape))
    return dx, reshape(sum_to(where(x > 0.0, 0.0, g * x), shape=shape), shape=weight.shape)


prelu: Op = op(
    "prelu", _prelu, _prelu_grad, "x where x > 0, else weight x, a weight for each entry of axis 1",
    saves=(0, 1), result="float",
    samples=(Sample(((2, 3, 2), (3,))), Sample(((2, 3), (1,))), Sample(((4,), (1,)))),
)  # fmt: skip


def softmin(x: Any, *, axis: int = -1) -> Any:
    """``exp(-x) / sum(exp(-x))`` along an axis.

    >>> import extensor as ex
    >>> ex.softmin([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    return softmax(neg(x), axis=axis)


def glu(x: Any, *, axis: int = -1) -> Any:
    """``a sigmoid(b)``, where a and b are the two halves of x along an axis.

    ShapeError where the axis is odd. Dauphin et al., "Language modeling with gated convolutional
    networks", 2017.

    >>> import extensor as ex
    >>> ex.glu([3.0, 0.0]).tolist()
    [1.5]
    """
    (x,) = tensors(x)
    if not -x.ndim <= axis < x.ndim or x.shape[axis] % 2:
        raise ShapeError(f"glu: shape {x.shape}, axis {axis}; allowed: an axis of even length")
    half, lead = x.shape[axis] // 2, (slice(None),) * (axis % x.ndim)
    gate = getitem(x, index=(*lead, slice(half, None)))
    return getitem(x, index=(*lead, slice(half))) * sigmoid(gate)
