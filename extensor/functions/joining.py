"""Tensors joined, repeated and padded."""

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any, Literal

import numpy as np

from extensor import ops
from extensor.errors import DTypeError, FormatError, ShapeError
from extensor.functions.operands import alike, beside, shape_of, tensor, tensors
from extensor.ops.gather import check_axis
from extensor.tensor import ExTensor

Mode = Literal["constant", "edge", "reflect", "symmetric", "wrap"]
_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def concat(arrays: Iterable[Any], /, *, axis: int | None = 0) -> ExTensor:
    """Joined along an axis, in the format that they make together.

    axis
        None: each is flattened first.

    Blocked tensors of one format stay packed along an axis that is not their blocked one.

    >>> concat([[1, 2], [3]]).tolist()
    [1, 2, 3]
    """
    xs = alike(tensors("concat", arrays))
    if axis is None:
        return ops.concat(*(ops.reshape(x, shape=(-1,)) for x in xs), axis=0)  # type: ignore[no-any-return]
    at = check_axis("concat", axis, xs[0].ndim)
    rest = {tuple(n for i, n in enumerate(x.shape) if i != at) for x in xs}
    if len({x.ndim for x in xs}) > 1 or len(rest) > 1:
        given = ", ".join(str(x.shape) for x in xs)
        raise ShapeError(
            f"concat: shapes {given} along axis {axis}; allowed: equal lengths on every other axis"
        )
    return ops.concat(*xs, axis=at)  # type: ignore[no-any-return]


def stack(arrays: Iterable[Any], /, *, axis: int = 0) -> ExTensor:
    """Joined along a new axis; all shapes are equal.

    >>> stack([[1, 2], [3, 4]], axis=1).tolist()
    [[1, 3], [2, 4]]
    """
    xs = alike(tensors("stack", arrays))
    if len({x.shape for x in xs}) > 1:
        given = ", ".join(str(x.shape) for x in xs)
        raise ShapeError(f"stack: shapes {given}; allowed: equal shapes")
    return ops.stack(*xs, axis=check_axis("stack", axis, xs[0].ndim + 1))  # type: ignore[no-any-return]


def tile(x: Any, repetitions: Sequence[int], /) -> ExTensor:
    """The whole tensor repeated along its axes.

    repetitions
        One number an axis; the shorter of shape and repetitions is filled with 1 in front.

    >>> tile([1, 2], (2, 2)).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    made, times = tensor(x), shape_of(repetitions)
    if any(n < 0 for n in times):
        raise ShapeError(f"tile: repetitions {times}; allowed: 0 and more")
    ndim = max(made.ndim, len(times))
    shape = (1,) * (ndim - made.ndim) + made.shape
    times = (1,) * (ndim - len(times)) + times
    apart = tuple(n for m in shape for n in (1, m))
    spread = tuple(n for t, m in zip(times, shape, strict=True) for n in (t, m))
    y = ops.broadcast_to(ops.reshape(made, shape=apart), shape=spread)
    return ops.reshape(y, shape=tuple(t * m for t, m in zip(times, shape, strict=True)))  # type: ignore[no-any-return]


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> ExTensor:
    """Every entry along an axis repeated, as often as ``repeats`` says.

    repeats
        A number, or one for each entry of the axis.
    axis
        None: ``x`` is flattened first.

    >>> repeat([1, 2, 3], [2, 0, 1]).tolist()
    [1, 1, 3]
    """
    made = tensor(x)
    if axis is None:
        made, axis = ops.reshape(made, shape=(-1,)), 0
    at = check_axis("repeat", axis, made.ndim)
    times = np.asarray(tensor(repeats).numpy())
    length = made.shape[at]
    if times.dtype.kind not in "iu":
        raise DTypeError(f"repeat: repeats of {times.dtype}; allowed: integers")
    if times.ndim > 1 or times.size not in (1, length) or (times < 0).any():
        raise ShapeError(
            f"repeat: repeats {times.tolist()} for an axis of {length} entries; allowed: one "
            "number, or one an entry, 0 or more"
        )
    places = np.repeat(np.arange(length), np.broadcast_to(times.reshape(-1), (length,)))
    return ops.take(made, beside(made, places), axis=at)  # type: ignore[no-any-return]


def pad(x: Any, /, width: Any, *, mode: Mode = "constant", value: float = 0) -> ExTensor:
    """Longer at both ends of each axis.

    width
        ``(before, after)`` for each axis, or a number for all ends.
    mode
        "constant": ``value``. "edge": the last entry. "reflect" and "symmetric": mirrored without
        and with the last entry. "wrap": from the other end.

    >>> pad([1, 2, 3], ((1, 2),), mode="reflect").tolist()
    [2, 1, 2, 3, 2, 1]
    """
    made = tensor(x)
    if mode not in _MODES:
        raise FormatError(f"pad: mode {mode!r}; allowed: {', '.join(_MODES)}")
    given = ((width, width),) * made.ndim if isinstance(width, int) else tuple(width)
    if len(given) != made.ndim or any(len(w) != 2 or min(w) < 0 for w in given):
        raise ShapeError(
            f"pad: width {given} for shape {made.shape}; allowed: (before, after) for each axis, "
            "0 or more"
        )
    ends = tuple((index(a), index(b)) for a, b in given)
    if mode != "constant":
        for axis, (end, n) in enumerate(zip(ends, made.shape, strict=True)):
            if end == (0, 0):
                continue
            if not n:
                raise ShapeError(f"pad: axis {axis} has no entry for mode {mode!r}; give a value")
            places = np.pad(np.arange(n), end, mode=mode)
            made = ops.take(made, beside(made, places), axis=axis)
        return made
    y: ExTensor = ops.pad(made, width=ends)
    if value == 0:
        return y
    inside = np.pad(np.ones(made.shape, np.bool_), ends)
    return ops.where(beside(made, inside), y, value)  # type: ignore[no-any-return]
