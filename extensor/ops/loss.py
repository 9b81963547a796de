"""Softmax and losses."""

from math import prod
from typing import Any

import numpy as np
from numpy import broadcast_shapes

from extensor.backend import as_array, library_of
from extensor.capture import capturing
from extensor.errors import DTypeError, FormatError, ShapeError
from extensor.ops.loops import add_loop, rows_alike
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import expand_dims, sum_to


def checkable(labels: Any) -> bool:
    """Whether labels can be looked at: a captured step may not wait for the GPU."""
    return bool(labels.size) and capturing() is None


def _softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _softmax_grad(g: Any, y: Any, axis: int = -1) -> Any:
    return y * (g - (g * y).sum(axis=axis, keepdims=True))


def _softmax_second(v: Any, out: Any, g: Any, y: Any, axis: int = -1) -> tuple[Any, ...]:
    """The Jacobian diag(y) - y yᵀ is symmetric, and of degree two in y."""
    a, b = ((t * y).sum(axis=axis, keepdims=True) for t in (v, g))
    return softmax_grad(v, y, axis=axis), v * g - v * b - g * a


def _log_softmax(x: Any, axis: int = -1) -> Any:
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _one_hot(labels: Any, classes: int) -> Any:
    labels = as_array(labels)
    if labels.dtype.kind not in "iu":
        raise DTypeError(
            f"one_hot: labels of {labels.dtype}; allowed: integers; labels.to(ex.int64)"
        )
    if checkable(labels) and (labels.min() < 0 or labels.max() >= classes):
        raise ShapeError(f"one_hot: labels must lie in 0 .. {classes - 1}")
    return (labels[..., None] == library_of(labels).arange(classes)).astype(np.float32)


REDUCTIONS = ("mean", "sum", "none")


def check_reduction(name: str, reduction: str) -> None:
    """FormatError unless a loss knows this way to make one number of many, or to leave them."""
    if reduction not in REDUCTIONS:
        raise FormatError(f"{name}: reduction={reduction!r}; allowed: {', '.join(REDUCTIONS)}")


def _checked(
    z: Any, labels: Any, ignore_index: int | None, label_smoothing: float, reduction: str
) -> tuple[Any, Any, Any]:
    """Logits as (rows, classes), labels as (rows,), and the weight of each row's loss, or None
    where all count alike.

    Ignored rows weigh nothing and have label 0 here.
    """
    check_reduction("cross_entropy", reduction)
    labels = as_array(labels)
    if z.ndim < 1 or labels.shape != z.shape[:-1] or labels.dtype.kind not in "iu":
        raise ShapeError(
            f"cross_entropy: logits {z.shape} and labels {labels.shape} of {labels.dtype}; "
            "allowed: (..., classes) and integers of (...)"
        )
    if not 0 <= label_smoothing <= 1:
        raise FormatError(f"cross_entropy: label_smoothing={label_smoothing}; allowed: 0 .. 1")
    rows, labels = z.reshape(-1, z.shape[-1]), labels.reshape(-1)
    kept = None if ignore_index is None else labels != ignore_index
    if kept is not None:
        labels = np.where(kept, labels, labels.dtype.type(0))
    if checkable(labels) and (labels.min() < 0 or labels.max() >= z.shape[-1]):
        also = "" if ignore_index is None else f", or be {ignore_index} to be ignored"
        raise ShapeError(f"cross_entropy: labels must lie in 0 .. {z.shape[-1] - 1}{also}")
    if kept is None:
        return rows, labels, None
    weight = kept.astype(z.dtype)
    return rows, labels, weight / weight.sum() if reduction == "mean" else weight


def _cross_entropy(
    z: Any, labels: Any, ignore_index: int | None = None, label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    rows, labels, weight = _checked(z, labels, ignore_index, label_smoothing, reduction)
    shifted = rows - rows.max(axis=-1, keepdims=True)
    at = library_of(z).arange(len(labels))
    target = shifted[at, labels]
    if label_smoothing:
        even = shifted.mean(axis=-1) * label_smoothing
        target = target * (1 - label_smoothing) + even
    losses = np.log(np.exp(shifted).sum(axis=-1)) - target
    if weight is not None:
        losses = np.where(weight > 0, losses * weight, weight)
    if reduction == "none":
        return losses.reshape(z.shape[:-1])
    return losses.mean(dtype=z.dtype) if weight is None and reduction == "mean" else losses.sum()


def _cross_entropy_rows(
    z: Any, labels: Any, ignore_index: int | None = None, label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """(softmax(z) - target) weight: the derivative of the loss for z."""
    rows, labels, weight = _checked(z, labels, ignore_index, label_smoothing, reduction)
    d = _softmax(rows)
    d[library_of(z).arange(len(labels)), labels] -= 1 - label_smoothing
    if label_smoothing:
        d -= label_smoothing / z.shape[-1]
    if weight is None and reduction == "mean":
        d *= 1 / max(len(labels), 1)
    elif weight is not None:
        d = np.where((weight > 0)[:, None], d * weight[:, None], weight[:, None])
    return d.reshape(z.shape)


def _cross_entropy_second(
    v: Any, d: Any, z: Any, labels: Any, ignore_index: int | None = None,
    label_smoothing: float = 0.0, reduction: str = "mean",
) -> tuple[Any, ...]:  # fmt: skip
    """The Hessian of the loss is that of log(sum(exp(z))), each row with its weight."""
    if ignore_index is None:
        weighted = v * (z.shape[-1] / max(z.size, 1) if reduction == "mean" else 1.0)
    else:
        kept = (labels != ignore_index).to(v.dtype)
        weighted = v * expand_dims(kept / kept.sum() if reduction == "mean" else kept, axis=-1)
    return softmax_grad(weighted, softmax(z)), None


def _cross_entropy_grad(g: Any, y: Any, z: Any, labels: Any, **how: Any) -> tuple[Any, ...]:
    each = how.get("reduction") == "none"
    return (expand_dims(g, axis=-1) if each else g) * cross_entropy_rows(z, labels, **how), None


def _mse(a: Any, b: Any, reduction: str = "mean") -> Any:
    check_reduction("mse_loss", reduction)
    losses = np.square(a - b)
    if reduction == "none":
        return losses
    return losses.mean(dtype=a.dtype) if reduction == "mean" else losses.sum(dtype=a.dtype)


def _mse_grad(g: Any, y: Any, a: Any, b: Any, reduction: str = "mean") -> tuple[Any, ...]:
    d = g * (a - b) * (2.0 / max(prod(broadcast_shapes(a.shape, b.shape)), 1)
                       if reduction == "mean" else 2.0)  # fmt: skip
    return (
        d if d.shape == a.shape else sum_to(d, shape=a.shape),
        -d if d.shape == b.shape else sum_to(-d, shape=b.shape),
    )


_LABELS = (
    Sample(((3, 4), np.array([0, -1, 1])), {"ignore_index": -1, "label_smoothing": 0.1}),
    Sample(((2, 3, 4), np.array([[0, 3, 1], [2, 2, 0]])), {"label_smoothing": 0.2}),
    Sample(((3, 4), np.array([0, -1, 1])), {"ignore_index": -1, "reduction": "none"}),
    Sample(((3, 4), np.array([0, 2, 1])), {"reduction": "sum"}),
)

# fmt: off
softmax: Op = op("softmax", _softmax,
             lambda g, y, x, axis=-1: (softmax_grad(g, y, axis=axis),),
             "exp(x) / sum(exp(x)) along an axis", saves=("y",), result="float",
             samples=(Sample(((3, 4),)), Sample(((3, 4),), {"axis": 0})))
softmax_grad: Op = op("softmax_grad", _softmax_grad, _softmax_second,
                  "the (symmetric) Jacobian of softmax, diag(y) - y yᵀ, times g", saves=(0, 1),
                  result="float", method=False,
                  samples=(Sample(((3, 4), (3, 4))), Sample(((3, 4), (3, 4)), {"axis": 0})))
log_softmax: Op = op("log_softmax", _log_softmax,
                 lambda g, y, x, axis=-1: (g - y.exp() * g.sum(axis=axis, keepdims=True),),
                 "x - log(sum(exp(x))) along an axis", saves=("y",), result="float",
                 samples=(Sample(((3, 4),)), Sample(((3, 4),), {"axis": 0})))
one_hot: Op = op("one_hot", _one_hot, None, "1 at the label, else 0, as float32", method=False,
             typed=slice(0, 0), result="float",
             samples=(Sample((np.array([0, 2, 1]),), {"classes": 4}),))
cross_entropy: Op = op("cross_entropy", _cross_entropy,
                   _cross_entropy_grad,
                   "the mean (or sum, or none of them) over rows of log(sum(exp(z))) - z[label]; "
                   "label_smoothing s mixes s mean(z) into z[label]; rows of label ignore_index "
                   "do not count",
                   saves=(0, 1), typed=slice(0, 1), result="float",
                   samples=(Sample(((3, 4), np.array([0, 3, 1]))), *_LABELS))
cross_entropy_rows: Op = op("cross_entropy_rows", _cross_entropy_rows, _cross_entropy_second,
                        "the gradient of cross_entropy for z: (softmax(z) - target) / rows",
                        saves=(0, 1), typed=slice(0, 1), result="float", method=False,
                        samples=(Sample(((3, 4), np.array([0, 3, 1]))), *_LABELS))
mse_loss: Op = op("mse_loss", _mse, _mse_grad,
              "the mean (or sum, or none of them) of (a - b) squared", saves=(0, 1),
              result="float", method=False,
              samples=(Sample(((3, 4), (3, 4))), Sample(((3, 4), (4,)), {"reduction": "sum"}),
                       Sample(((3, 4), (3, 1)), {"reduction": "none"})))
# fmt: on
add_loop(softmax_grad, "softmax", rows_alike, operands=2)
