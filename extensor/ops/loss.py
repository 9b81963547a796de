"""Softmax and losses."""

from typing import Any

import numpy as np

from extensor.backend import as_array, library_of
from extensor.capture import capturing
from extensor.errors import ShapeError
from extensor.ops.registry import Op, Sample, op


def checkable(labels: Any) -> bool:
    """Whether labels can be looked at: a captured step may not wait for the GPU."""
    return bool(labels.size) and capturing() is None


def _softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: int = -1) -> Any:
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _one_hot(labels: Any, classes: int) -> Any:
    labels = as_array(labels)
    if labels.dtype.kind not in "iu" or (
        checkable(labels) and (labels.min() < 0 or labels.max() >= classes)
    ):
        raise ShapeError(f"one_hot: labels must be integers in 0 .. {classes - 1}")
    return (labels[..., None] == library_of(labels).arange(classes)).astype(np.float32)


def _cross_entropy(z: Any, labels: Any) -> Any:
    labels = as_array(labels)
    if z.ndim != 2 or labels.shape != z.shape[:1] or labels.dtype.kind not in "iu":
        raise ShapeError(
            f"cross_entropy: logits {z.shape} and labels {labels.shape} of {labels.dtype}; "
            "allowed: (N, classes) and N integers"
        )
    if checkable(labels) and (labels.min() < 0 or labels.max() >= z.shape[1]):
        raise ShapeError(f"cross_entropy: labels must lie in 0 .. {z.shape[1] - 1}")
    rows = library_of(z).arange(len(labels))
    return -_log_softmax(z)[rows, labels].mean(dtype=z.dtype)


def _cross_entropy_grad(g: Any, y: Any, z: Any, labels: Any) -> tuple[Any, ...]:
    n, classes = z.shape
    return g * (softmax(z) - one_hot(labels, classes=classes)) * (1.0 / n), None


# fmt: off
softmax: Op = op("softmax", _softmax,
             lambda g, y, x, axis=-1: (y * (g - (g * y).sum(axis=axis, keepdims=True)),),
             "exp(x) / sum(exp(x)) along an axis", saves=("y",), result="float",
             samples=(Sample(((3, 4),)), Sample(((3, 4),), {"axis": 0})))
log_softmax: Op = op("log_softmax", _log_softmax,
                 lambda g, y, x, axis=-1: (g - y.exp() * g.sum(axis=axis, keepdims=True),),
                 "x - log(sum(exp(x))) along an axis", saves=("y",), result="float",
                 samples=(Sample(((3, 4),)), Sample(((3, 4),), {"axis": 0})))
one_hot: Op = op("one_hot", _one_hot, None, "1 at the label, else 0, as float32", method=False,
             typed=slice(0, 0), result="float",
             samples=(Sample((np.array([0, 2, 1]),), {"classes": 4}),))
cross_entropy: Op = op("cross_entropy", _cross_entropy, _cross_entropy_grad,
                   "the mean over rows of log(sum(exp(z))) - z[label]", saves=(0, 1),
                   typed=slice(0, 1), result="float",
                   samples=(Sample(((3, 4), np.array([0, 3, 1]))),))
mse_loss: Op = op("mse_loss", lambda a, b: np.square(a - b).mean(dtype=a.dtype),
              lambda g, y, a, b: (g * (a - b) * (2.0 / a.size), g * (b - a) * (2.0 / a.size)),
              "the mean of (a - b) squared", saves=(0, 1), result="float", method=False,
              samples=(Sample(((3, 4), (3, 4))),))
# fmt: on
