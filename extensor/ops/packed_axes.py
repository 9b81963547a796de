"""More shape ops on packed tensors: whole rows are moved, dropped and repeated as they are.

An axis that is not the blocked one holds whole rows, so what only touches such axes needs no
decoding. Codes and scales are looked at with their blocked axis in place (as bytes and as blocks),
and the op's own meaning moves both. What touches the blocked axis takes the declared fallback.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from extensor.backend import contiguous
from extensor.ops.gather import check_places, take
from extensor.ops.packed_shape import can_join, join, moved_scale
from extensor.ops.shape import broadcast_to, concat, expand_dims, flip, roll, squeeze, stack
from extensor.storage import Blocked, Native

Axes = int | tuple[int, ...]


def _moved(x: Blocked, move: Callable[[Any], Any], axis: int) -> Blocked:
    """What ``move`` makes of codes and scales; ``axis`` is the blocked axis of the answer."""
    codes, scales = (
        np.moveaxis(move(x.spread(a)), axis, -1) for a in (x.rows.codes, x.rows.scales)
    )
    lead = codes.shape[:-1]
    count = prod(lead)
    rows = x.rows._replace(
        codes=contiguous(codes).reshape(count, codes.shape[-1]),
        scales=contiguous(scales).reshape(count, scales.shape[-1]),
        group=count,
        tensor_scale=moved_scale(x, lambda a: np.moveaxis(move(x.spread(a)), axis, -1)),
    )
    return Blocked(rows, (*lead[:axis], x.rows.length, *lead[axis:]), axis, x.transform)


def _normal(axis: Axes, ndim: int) -> tuple[int, ...]:
    return tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def _inside(axis: Axes, ndim: int) -> bool:
    return all(-ndim <= a < ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def _beside(x: Blocked, axis: Any, **other: Any) -> bool:
    """Whether these axes are not the blocked one."""
    ndim = len(x.shape)
    return (
        axis is not None
        and x.dtype.shape[0] == 1
        and _inside(axis, ndim)
        and x.axis not in _normal(axis, ndim)
    )


@flip.kernel("blocked", name="whole rows", takes=_beside)
def _flip(x: Blocked, axis: Axes) -> Blocked:
    return _moved(x, lambda a: np.flip(a, axis), x.axis)


@roll.kernel("blocked", name="whole rows", takes=_beside)
def _roll(x: Blocked, shift: Any, axis: Axes) -> Blocked:
    return _moved(x, lambda a: np.roll(a, shift, axis), x.axis)


def _can_take(x: Blocked, index: Native, axis: int) -> bool:
    return _beside(x, axis)


@take.kernel("blocked", "native", name="whole rows", takes=_can_take)
def _take(x: Blocked, index: Native, axis: int) -> Blocked:
    (axis,) = _normal(axis, len(x.shape))
    places = check_places("take", index.array, x.shape[axis])
    behind = places.ndim - 1 if axis < x.axis else 0
    return _moved(x, lambda a: np.take(a, places, axis=axis), x.axis + behind)


def _can_expand(x: Blocked, axis: Axes) -> bool:
    count = len(x.shape) + (len(axis) if isinstance(axis, tuple) else 1)
    return x.dtype.shape[0] == 1 and _inside(axis, count)


@expand_dims.kernel("blocked", name="whole rows", takes=_can_expand)
def _expand(x: Blocked, axis: Axes) -> Blocked:
    count = len(x.shape) + (len(axis) if isinstance(axis, tuple) else 1)
    new = _normal(axis, count)
    kept = [i for i in range(count) if i not in new]
    return _moved(x, lambda a: np.expand_dims(a, axis), kept[x.axis])


def _can_squeeze(x: Blocked, axis: Axes) -> bool:
    return _beside(x, axis) and all(x.shape[a] == 1 for a in _normal(axis, len(x.shape)))


@squeeze.kernel("blocked", name="whole rows", takes=_can_squeeze)
def _squeeze(x: Blocked, axis: Axes) -> Blocked:
    before = sum(a < x.axis for a in _normal(axis, len(x.shape)))
    return _moved(x, lambda a: np.squeeze(a, axis), x.axis - before)


def _can_broadcast(x: Blocked, shape: tuple[int, ...]) -> bool:
    lead = len(shape) - len(x.shape)
    return (
        x.dtype.shape[0] == 1
        and lead >= 0
        and shape[lead + x.axis] == x.shape[x.axis]
        and all(n in (1, m) for n, m in zip(x.shape, shape[lead:], strict=True))
    )


@broadcast_to.kernel("blocked", name="whole rows", takes=_can_broadcast)
def _broadcast(x: Blocked, shape: tuple[int, ...]) -> Blocked:
    at = len(shape) - len(x.shape) + x.axis
    return _moved(
        x, lambda a: np.broadcast_to(a, (*shape[:at], a.shape[x.axis], *shape[at + 1 :])), at
    )


def _stacked(xs: tuple[Blocked, ...], axis: int) -> list[Blocked]:
    return [_expand(x, axis) for x in xs]


def _can_stack(*xs: Blocked, axis: int = 0) -> bool:
    return all(_can_expand(x, axis) for x in xs) and can_join(*_stacked(xs, axis), axis=axis)


def _stack(*xs: Blocked, axis: int = 0) -> Blocked:
    return join(*_stacked(xs, axis), axis=axis)


for _count in range(1, 17):  # more tensors than that take the fallback
    stack.kernel(*["blocked"] * _count, name="whole rows", takes=_can_stack)(_stack)
    concat.kernel(*["blocked"] * _count, name="whole rows", takes=can_join)(join)
