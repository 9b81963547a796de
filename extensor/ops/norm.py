"""Layer norm and RMS norm over the last axis; `standardize` over any.

Both are ``standardize``, scaled by a weight (and shifted by a bias). Its Jacobian is symmetric:

    z = s (x - m),  s = 1 / sqrt(mean((x - m)**2) + eps),  J u = s (u - mean(u) - z mean(z u)),

where RMS norm takes m = 0 and leaves mean(u) out. So one more row, J u, is the whole backward pass,
and its own derivative is written in J again:

    d (v . J u) / dx = -s**2 (q - a b) z - s (b J u + a J v),
    a = mean(z u),  b = mean(z v),  q = mean(u v) - mean(u) mean(v).

Ba, Kiros and Hinton, "Layer Normalization", 2016; Zhang and Sennrich, "Root Mean Square Layer
Normalization", 2019. The second derivative is our own calculation, checked by finite differences.
"""

from functools import partial
from math import prod
from typing import Any

import numpy as np

from extensor.errors import ShapeError
from extensor.lazy import deferred
from extensor.ops.elementwise import rsqrt, square
from extensor.ops.loops import add_loop, alike, rows_alike
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import sum_to

Axis = int | tuple[int, ...]


def check_width(name: str, x: Any, *factors: Any) -> None:
    """ShapeError unless x has a last axis, and every factor has exactly that one axis."""
    if x.ndim < 1 or x.shape[-1] == 0 or any(f.shape != x.shape[-1:] for f in factors):
        given = " and ".join(str(tuple(a.shape)) for a in (x, *factors))
        raise ShapeError(
            f"{name}: shapes {given}; allowed: (..., width), width >= 1"
            + (", and (width,) for weight and bias" if factors else "")
        )


def _check_axes(name: str, x: Any, axis: Axis) -> None:
    """ShapeError unless the axes exist, once each, and hold something together."""
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    known = [a % x.ndim for a in axes if -x.ndim <= a < x.ndim]
    if len(set(known)) != len(axes) or not axes or not all(x.shape[a] for a in known):
        raise ShapeError(
            f"{name}: shape {tuple(x.shape)}, axis {axis}; allowed: axes of the tensor, each once, "
            "width >= 1"
        )


def _standard(x: Any, eps: float, center: bool, axis: Axis = -1) -> tuple[Any, Any]:
    """z and s."""
    if center:
        x = x - x.mean(axis=axis, keepdims=True)
    s = 1 / np.sqrt(np.square(x).mean(axis=axis, keepdims=True) + eps)
    return x * s, s


def _standardize(x: Any, eps: float = 1e-5, center: bool = True, axis: Axis = -1) -> Any:
    _check_axes("standardize", x, axis)
    return _standard(x, eps, center, axis)[0]


def _standardize_grad(
    u: Any, x: Any, eps: float = 1e-5, center: bool = True, axis: Axis = -1
) -> Any:
    _check_axes("standardize_grad", x, axis)
    if u.shape != x.shape:
        raise ShapeError(f"standardize_grad: shapes {u.shape} and {x.shape}; allowed: equal shapes")
    z, s = _standard(x, eps, center, axis)
    z *= (z * u).mean(axis=axis, keepdims=True)
    if center:
        z += u.mean(axis=axis, keepdims=True)
    return (u - z) * s


def _second(
    v: Any, y: Any, u: Any, x: Any, eps: float = 1e-5, center: bool = True, **along: Axis
) -> tuple[Any, ...]:
    """The gradient of J u for u and for x (the formula above)."""

    def mean(t: Any) -> Any:
        return t.mean(axis=along.get("axis", -1), keepdims=True)

    how: dict[str, Any] = {"eps": eps, "center": center, **along}
    z = standardize(x, **how)
    s = rsqrt(mean(square(x - mean(x) if center else x)) + eps)
    a, b, q = mean(z * u), mean(z * v), mean(u * v)
    if center:
        q = q - mean(u) * mean(v)
    jv = standardize_grad(v, x, **how)
    dx = -(s * s * (q - a * b)) * z - s * (b * standardize_grad(u, x, **how) + a * jv)
    return jv, dx


def _layer_norm(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    check_width("layer_norm", x, weight, bias)
    y, _ = _standard(x, eps, True)
    y *= weight
    y += bias
    return y


def _rms_norm(x: Any, weight: Any, eps: float = 1e-6) -> Any:
    check_width("rms_norm", x, weight)
    return _standard(x, eps, False)[0] * weight


def _float32(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> bool:
    width = x.shape[-1:]
    return (
        rows_alike(x)
        and weight.array.dtype == bias.array.dtype == x.array.dtype
        and weight.shape == bias.shape == width
    )


def _weighted(g: Any, x: Any, weight: Any, eps: float, center: bool) -> tuple[Any, Any]:
    """The gradients of x and of the weight; what nobody asked for is not computed."""
    how: dict[str, Any] = {"eps": eps, "center": center}
    dx = standardize_grad(g * weight, x, **how) if x.requires_grad else None
    dw = None
    if weight.requires_grad:
        dw = sum_to(g * standardize(x, **how), shape=weight.shape)
    return dx, dw


def _layer_norm_grad(
    g: Any, y: Any, x: Any, weight: Any, bias: Any, eps: float = 1e-5
) -> tuple[Any, ...]:
    return *_weighted(g, x, weight, eps, True), sum_to(g, shape=bias.shape)


def _rms_norm_grad(g: Any, y: Any, x: Any, weight: Any, eps: float = 1e-6) -> tuple[Any, ...]:
    return _weighted(g, x, weight, eps, False)


_EITHER: tuple[dict[str, Any], ...] = (
    {}, {"eps": 0.1, "center": False}, {"axis": 0}, {"axis": (0, -1), "eps": 0.1},
)  # fmt: skip

# fmt: off
standardize: Op = op(
    "standardize", _standardize,
    lambda g, y, x, **how: (standardize_grad(g, x, **how),),
    "(x - m) / sqrt(mean((x - m)**2) + eps) over an axis or several; m: the mean, or 0", saves=(0,),
    result="float", method=False, samples=tuple(Sample(((3, 2, 5),), how) for how in _EITHER))
standardize_grad: Op = op(
    "standardize_grad", _standardize_grad, _second,
    "the (symmetric) Jacobian of standardize at x, times u", saves=(0, 1),
    result="float", method=False,
    samples=tuple(Sample(((3, 2, 5), (3, 2, 5)), how) for how in _EITHER))
layer_norm: Op = op(
    "layer_norm", _layer_norm, _layer_norm_grad,
    "weight (x - mean) / sqrt(variance + eps) + bias, over the last axis", saves=(0, 1),
    result="float", method=False,
    samples=(Sample(((3, 5), (5,), (5,))), Sample(((2, 3, 4), (4,), (4,)), {"eps": 0.1})))
rms_norm: Op = op(
    "rms_norm", _rms_norm, _rms_norm_grad,
    "weight x / sqrt(mean(x**2) + eps), over the last axis", saves=(0, 1),
    result="float", method=False,
    samples=(Sample(((3, 5), (5,))), Sample(((2, 3, 4), (4,)), {"eps": 0.1})))
# fmt: on


def _as_rows(x: Any, axis: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """An order of the axes in which those of ``axis`` are last, the widest steps first, and the
    number of the others. In it an image whose memory is (C, H, W, N) is not copied."""
    last = {a % x.ndim for a in axis}
    kept = [a for a in range(x.ndim) if a not in last]
    return (*kept, *sorted(last, key=lambda a: -abs(x.strides[a]))), len(kept)


def _in_rows(run: Any, *arrays: Any, axis: tuple[int, ...], **how: Any) -> Any:
    """A loop over the last axis, on arrays whose axes are brought into order first."""
    x = arrays[-1]
    order, lead = _as_rows(x, axis)
    turned = tuple(x.shape[a] for a in order)
    rows = (prod(turned[:lead]), prod(turned[lead:]))
    y = run(*(a.transpose(order).reshape(rows) for a in arrays), **how)
    return y.reshape(turned).transpose(np.argsort(order).tolist())


def _many_axes(*operands: Any, axis: Axis = -1, **how: Any) -> bool:
    x = operands[-1].array
    if not isinstance(axis, tuple) or not alike(*operands) or x.size == 0:
        return False
    return len({a % x.ndim for a in axis if -x.ndim <= a < x.ndim}) == len(axis) > 0


def _last_axis(*operands: Any, **how: Any) -> bool:
    return "axis" not in how and rows_alike(*operands)


for _row in (standardize, standardize_grad):
    _count = len(_row.samples[0].shapes)
    add_loop(_row, "norm", _last_axis, operands=_count)
    _row.kernel(
        *["native"] * _count, device="cpu", name=f"{_row.name} loop by axes", takes=_many_axes
    )(partial(_in_rows, deferred("extensor.kernels.norm", _row.name)))
add_loop(layer_norm, "norm", _float32, operands=3)
