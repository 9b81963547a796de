"""Batch, group and instance norm of (N, C, *size): `standardize` over other axes, then a gain and a
shift for each channel.

Ioffe and Szegedy, "Batch normalization", 2015; Wu and He, "Group normalization", 2018; Ulyanov et
al., "Instance normalization", 2016.
"""

from math import prod
from typing import Any

from extensor.errors import FormatError, ShapeError
from extensor.ops.coerce import tensors
from extensor.ops.convert import arrays_of
from extensor.ops.elementwise import rsqrt, square
from extensor.ops.mode import no_grad
from extensor.ops.norm import standardize
from extensor.ops.reduce import mean
from extensor.ops.shape import reshape


def _channels(name: str, x: Any, *others: Any) -> int:
    """The length of axis 1; ShapeError unless every other operand has exactly that one axis."""
    if x.ndim < 2 or any(t is not None and t.shape != x.shape[1:2] for t in others):
        given = " and ".join(str(t.shape) for t in (x, *others) if t is not None)
        raise ShapeError(f"{name}: shapes {given}; allowed: (N, C, *size), and (C,) for the rest")
    return int(x.shape[1])


def _spread(x: Any, t: Any) -> Any:
    return reshape(t, shape=(1, x.shape[1]) + (1,) * (x.ndim - 2))


def _affine(z: Any, weight: Any, bias: Any) -> Any:
    if weight is not None:
        z = z * _spread(z, weight)
    return z if bias is None else z + _spread(z, bias)


def _move(running: Any, new: Any, momentum: float) -> None:
    """``running = (1 - momentum) running + momentum new``, in place."""
    array = running.storage.array
    array *= array.dtype.type(1 - momentum)
    array += arrays_of(new.storage).astype(array.dtype) * array.dtype.type(momentum)
    running.bump()


def batch_norm(
    x: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    *, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """``weight (x - m) / sqrt(v + eps) + bias`` for each channel of x (N, C, *size).

    training
        True: m and v are the batch's mean and variance (over all axes but 1), and the running ones,
        where given, move to it in place by ``momentum``; their variance is the unbiased one.
        False: m and v are the running ones, or the batch's where there are none.
    running_mean, running_var, weight, bias
        (C,), or None. Running ones are native float tensors that require no gradient.

    ShapeError for other shapes, and in training for channels of a single number.

    >>> import extensor as ex
    >>> y = ex.batch_norm([[1.0], [3.0]], training=True)
    >>> [round(v, 3) for v in y.reshape(-1).tolist()]
    [-1.0, 1.0]
    """
    name = "batch_norm"
    x, *given = tensors(x, *(t for t in (running_mean, running_var, weight, bias) if t is not None))
    rest = iter(given)
    running_mean, running_var, weight, bias = (
        None if t is None else next(rest) for t in (running_mean, running_var, weight, bias)
    )
    channels = _channels(name, x, running_mean, running_var, weight, bias)
    if (running_mean is None) != (running_var is None):
        raise ShapeError(f"{name}: a running mean or variance alone; allowed: both, or none")
    if not training and running_mean is not None:
        scale = rsqrt(running_var + eps)
        if weight is not None:
            scale = scale * weight
        shift = -(running_mean * scale) if bias is None else bias - running_mean * scale
        return x * _spread(x, scale) + _spread(x, shift)
    count, axes = x.size // max(channels, 1), (0, *range(2, x.ndim))
    if training and count < 2:
        raise ShapeError(
            f"{name}: shape {x.shape} has {count} numbers for each channel; allowed in training: 2 "
            "or more"
        )
    if training and running_mean is not None:
        with no_grad():
            m = mean(x, axis=axes, keepdims=True)
            v = mean(square(x - m), axis=axes) * (count / (count - 1))
            _move(running_mean, reshape(m, shape=(channels,)), momentum)
            _move(running_var, v, momentum)
    return _affine(standardize(x, eps=eps, axis=axes), weight, bias)


def group_norm(
    x: Any, groups: int, weight: Any = None, bias: Any = None, *, eps: float = 1e-5
) -> Any:  # fmt: skip
    """``weight (x - m) / sqrt(v + eps) + bias``, m and v over a sample's group of channels.

    x: (N, C, *size); weight and bias: (C,) or None. FormatError unless groups divide C.

    >>> import extensor as ex
    >>> y = ex.group_norm([[1.0, 3.0, 5.0, 9.0]], 2)
    >>> [round(v, 3) for v in y.reshape(-1).tolist()]
    [-1.0, 1.0, -1.0, 1.0]
    """
    x, *given = tensors(x, *(t for t in (weight, bias) if t is not None))
    rest = iter(given)
    weight, bias = (None if t is None else next(rest) for t in (weight, bias))
    channels = _channels("group_norm", x, weight, bias)
    if groups < 1 or channels % groups:
        raise FormatError(
            f"group_norm: {groups} groups of {channels} channels; allowed: a divisor of the "
            "channels"
        )
    inside = channels // groups * prod(x.shape[2:])
    rows = reshape(x, shape=(x.shape[0], groups, inside))
    return _affine(reshape(standardize(rows, eps=eps), shape=x.shape), weight, bias)


def instance_norm(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
    """``weight (x - m) / sqrt(v + eps) + bias``, m and v over one channel of one sample.

    x: (N, C, *size); weight and bias: (C,) or None. ShapeError for a single pixel, whose variance
    is 0 whatever it holds.

    >>> import extensor as ex
    >>> ex.instance_norm([[[1.0, 3.0]]], eps=0.0).tolist()
    [[[-1.0, 1.0]]]
    """
    (x,) = tensors(x)
    if x.ndim < 3 or prod(x.shape[2:]) < 2:
        raise ShapeError(
            f"instance_norm: shape {x.shape}; allowed: (N, C, *size), 2 pixels or more"
        )
    return group_norm(x, x.shape[1], weight, bias, eps=eps)
