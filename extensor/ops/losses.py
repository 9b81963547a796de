"""Losses composed of ops: labels, targets in 0 .. 1, distances, distributions, margins.

Each compares entry by entry (labels: row by row), then ``reduction`` says what becomes of the many:
their ``"mean"``, their ``"sum"``, or ``"none"``. Operands broadcast. An unknown reduction is a
FormatError. `cross_entropy` and `mse_loss` are rows of their own.
"""

from typing import Any

from extensor.errors import DTypeError, FormatError, ShapeError
from extensor.ops.activation import hardtanh, logsigmoid
from extensor.ops.coerce import tensors
from extensor.ops.elementwise import abs, exp, log, maximum, not_equal, relu, softplus, sqrt, where
from extensor.ops.gather import take, take_along_axis
from extensor.ops.loss import check_reduction, checkable
from extensor.ops.reduce import mean, sum
from extensor.ops.shape import expand_dims, squeeze


def reduced(name: str, losses: Any, reduction: str) -> Any:
    """The mean, the sum, or the losses themselves.

    >>> import extensor as ex
    >>> reduced("l1_loss", ex.asarray([1.0, 3.0]), "sum").tolist()
    4.0
    """
    check_reduction(name, reduction)
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum(losses)


def nll_loss(
    logp: Any, labels: Any, *, weight: Any = None, ignore_index: int | None = None,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """``-weight[label] logp[label]`` of rows (..., classes) with integer labels (...).

    weight
        None, or a weight for each class; the mean is over the weights, not over the rows.
    ignore_index
        Rows of this label do not count.

    ShapeError for labels of another shape or out of range, DTypeError for labels that are no
    integers. The classes are the last axis, as in `cross_entropy`.

    >>> import extensor as ex
    >>> ex.nll_loss([[-1.0, -2.0], [-3.0, -4.0]], [0, 1]).tolist()
    2.5
    """
    check_reduction("nll_loss", reduction)
    logp, labels = tensors(logp, labels)
    if logp.ndim < 1 or labels.shape != logp.shape[:-1]:
        raise ShapeError(
            f"nll_loss: shapes {logp.shape} and {labels.shape}; allowed: (..., classes) and (...)"
        )
    if labels.dtype.is_float or labels.dtype.kind != "native":
        raise DTypeError(f"nll_loss: labels of {labels.dtype}; allowed: integers")
    kept: Any = None if ignore_index is None else not_equal(labels, ignore_index)
    if kept is not None:
        labels = where(kept, labels, 0)
    array, classes = labels.storage.array, logp.shape[-1]
    if checkable(array) and (array.min() < 0 or array.max() >= classes):
        raise ShapeError(f"nll_loss: labels must lie in 0 .. {classes - 1}")
    losses = -squeeze(take_along_axis(logp, expand_dims(labels, axis=-1), axis=-1), axis=-1)
    weights = None if weight is None else take(weight, labels, axis=0)
    if weights is not None:
        losses = losses * weights
    if kept is not None:
        losses = where(kept, losses, 0.0)
    if reduction != "mean" or (weights is None and kept is None):
        return reduced("nll_loss", losses, reduction)
    if weights is None:
        return sum(losses) / sum(kept.to(losses.dtype))
    return sum(losses) / sum(weights if kept is None else where(kept, weights, 0.0))


def bce_with_logits(
    z: Any, target: Any, *, weight: Any = None, pos_weight: Any = None, reduction: str = "mean"
) -> Any:
    """``-weight (pos_weight t log sigmoid(z) + (1 - t) log(1 - sigmoid(z)))`` of logits z.

    target
        t, from 0 to 1.
    weight, pos_weight
        None, or what broadcasts.

    >>> import extensor as ex
    >>> round(ex.bce_with_logits([0.0], [1.0]).item(), 4)
    0.6931
    """
    z, target = tensors(z, target)
    flat = softplus(-abs(z)) + relu(-z)
    if pos_weight is not None:
        flat = flat * ((pos_weight - 1.0) * target + 1.0)
    losses = (1.0 - target) * z + flat
    return reduced("bce_with_logits", losses if weight is None else losses * weight, reduction)


def focal_loss(
    z: Any, target: Any, *, gamma: float = 2.0, alpha: float | None = None, reduction: str = "mean"
) -> Any:
    """``-alpha_t (1 - p_t)**gamma log(p_t)``: easy examples count less.

    z, target
        Logits, and labels t of 0 or 1; ``p_t = sigmoid((2 t - 1) z)``.
    alpha
        None: alpha_t = 1; else alpha for t = 1 and 1 - alpha for t = 0.

    Lin et al., "Focal loss for dense object detection", 2017, (5).

    >>> import extensor as ex
    >>> round(ex.focal_loss([0.0], [1.0]).item(), 4)
    0.1733
    """
    z, target = tensors(z, target)
    losses = bce_with_logits(z, target, reduction="none")
    losses = losses * exp(logsigmoid((1.0 - target * 2.0) * z) * gamma)
    if alpha is not None:
        losses = losses * (target * (2 * alpha - 1) + (1 - alpha))
    return reduced("focal_loss", losses, reduction)


def hinge_loss(
    scores: Any, labels: Any, *, margin: float = 1.0, reduction: str = "mean"
) -> Any:  # fmt: skip
    """``max(0, margin - y s)`` of scores s and labels y of -1 or 1.

    >>> import extensor as ex
    >>> ex.hinge_loss([0.5, 2.0], [1.0, 1.0]).tolist()
    0.25
    """
    scores, labels = tensors(scores, labels)
    return reduced("hinge_loss", relu(margin - labels * scores), reduction)


def l1_loss(a: Any, b: Any, *, reduction: str = "mean") -> Any:
    """``|a - b|``.

    >>> import extensor as ex
    >>> ex.l1_loss([1.0, 4.0], [2.0, 2.0]).tolist()
    1.5
    """
    a, b = tensors(a, b)
    return reduced("l1_loss", abs(a - b), reduction)


def huber_loss(a: Any, b: Any, *, delta: float = 1.0, reduction: str = "mean") -> Any:
    """``d**2 / 2`` where d = |a - b| is below delta, and ``delta (d - delta / 2)`` beyond.

    FormatError unless delta > 0. Huber, "Robust estimation of a location parameter", 1964.

    >>> import extensor as ex
    >>> ex.huber_loss([0.5, 3.0], [0.0, 0.0], reduction="none").tolist()
    [0.125, 2.5]
    """
    if not delta > 0:
        raise FormatError(f"huber_loss: delta={delta}; allowed: more than 0")
    a, b = tensors(a, b)
    d = a - b
    near = hardtanh(d, low=-delta, high=delta)
    return reduced("huber_loss", near * (d - near * 0.5), reduction)


def smooth_l1_loss(a: Any, b: Any, *, beta: float = 1.0, reduction: str = "mean") -> Any:
    """`huber_loss` of delta = beta, over beta; `l1_loss` where beta is 0.

    >>> import extensor as ex
    >>> ex.smooth_l1_loss([0.5, 3.0], [0.0, 0.0], beta=2.0, reduction="none").tolist()
    [0.0625, 2.0]
    """
    if beta == 0:
        return l1_loss(a, b, reduction=reduction)
    if not beta > 0:
        raise FormatError(f"smooth_l1_loss: beta={beta}; allowed: 0 or more")
    return huber_loss(a, b, delta=beta, reduction=reduction) * (1 / beta)


def kl_div(
    logq: Any, target: Any, *, log_target: bool = False, reduction: str = "mean"
) -> Any:  # fmt: skip
    """``p (log(p) - logq)``: what the distribution q costs where p is the truth.

    target
        p, or its logarithm with ``log_target``; 0 log(0) is 0.
    reduction
        Also ``"batchmean"``: the sum over the first axis' length, which is the divergence itself.

    >>> import extensor as ex
    >>> round(ex.kl_div([[-0.6931, -0.6931]], [[1.0, 0.0]], reduction="batchmean").item(), 4)
    0.6931
    """
    logq, target = tensors(logq, target)
    if log_target:
        losses = exp(target) * (target - logq)
    else:
        losses = target * (log(where(target > 0.0, target, 1.0)) - logq)
    if reduction == "batchmean":
        return sum(losses) * (1 / max(losses.shape[0] if losses.ndim else 1, 1))
    return reduced("kl_div", losses, reduction)


def cosine_similarity(a: Any, b: Any, *, axis: int = -1, eps: float = 1e-8) -> Any:
    """``a . b / (max(|a|, eps) max(|b|, eps))`` along an axis.

    >>> import extensor as ex
    >>> ex.cosine_similarity([1.0, 0.0], [2.0, 0.0]).tolist()
    1.0
    """
    a, b = tensors(a, b)
    norms = (sqrt(maximum(sum(t * t, axis=axis), eps * eps)) for t in (a, b))
    return sum(a * b, axis=axis) / (next(norms) * next(norms))
