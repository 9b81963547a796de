"""Shape ops on packed tensors: rows and blocks move whole, so nothing is decoded or rounded.

What would cut a block (an index along the blocked axis, a reshape of it) has no kernel here and
takes the declared fallback.
"""

import math
from typing import Any

import numpy as np

from extensor.backend import contiguous
from extensor.ops.shape import check_index, getitem, permute, reshape
from extensor.storage import Blocked

Axes = tuple[int, ...]


def _lead_order(axes: Axes, axis: int) -> Axes:
    """The order in which the other axes follow each other after a permutation."""
    return tuple(a - (a > axis) for a in axes if a != axis)


def _parts(x: Blocked) -> list[Any]:
    """Codes (lead..., bytes) and scales (lead..., blocks), also where there are none."""
    return [a.reshape(*x.lead, a.shape[-1]) for a in (x.rows.codes, x.rows.scales)]


def moved_scale(x: Blocked, move: Any) -> Any:
    """The tensor scale after ``move`` of (lead..., 1): of each row where a row has its own."""
    scale = x.rows.tensor_scale
    return np.ravel(move(scale[:, None])) if isinstance(scale, np.ndarray) else scale


def _rows(x: Blocked, take: Any, shape: tuple[int, ...], axis: int) -> Blocked:
    """A tensor of the rows that ``take`` picks from (lead..., bytes) and (lead..., blocks)."""
    codes, scales = (take(a) for a in _parts(x))
    rows = x.rows._replace(
        codes=contiguous(codes).reshape(math.prod(codes.shape[:-1]), codes.shape[-1]),
        scales=contiguous(scales).reshape(math.prod(scales.shape[:-1]), scales.shape[-1]),
        group=math.prod(codes.shape[:-1]),
        tensor_scale=moved_scale(x, lambda a: take(a.reshape(*x.lead, 1))),
    )
    return Blocked(rows, shape, axis, x.transform)


def _can_permute(x: Blocked, axes: Axes) -> bool:
    axes = tuple(a % len(x.shape) for a in axes)
    if sorted(axes) != list(range(len(x.shape))):
        return False
    order = _lead_order(axes, x.axis)
    return x.dtype.shape[0] == 1 or (len(axes) == 2 and order == tuple(sorted(order)))


@permute.kernel("blocked", name="whole rows", takes=_can_permute)
def _permute(x: Blocked, axes: Axes) -> Blocked:
    axes = tuple(a % len(x.shape) for a in axes)
    order, axis = _lead_order(axes, x.axis), axes.index(x.axis)
    shape = tuple(x.shape[a] for a in axes)
    if order == tuple(sorted(order)):
        return Blocked(x.rows, shape, axis, x.transform)
    return _rows(x, lambda a: a.transpose(*order, a.ndim - 1), shape, axis)


def _shape_of(x: Blocked, shape: tuple[int, ...]) -> tuple[int, ...]:
    known = math.prod(n for n in shape if n != -1)
    return tuple(math.prod(x.shape) // max(known, 1) if n == -1 else n for n in shape)


def _blocked_axis(x: Blocked, to: tuple[int, ...]) -> int | None:
    """Where the blocked axis stands in a shape in which as much is before it and behind it."""
    before = math.prod(x.shape[: x.axis])
    behind = math.prod(x.shape[x.axis + 1 :])
    for i, n in enumerate(to):
        if (n, math.prod(to[:i]), math.prod(to[i + 1 :])) == (x.shape[x.axis], before, behind):
            return i
    return None


def _can_reshape(x: Blocked, shape: tuple[int, ...]) -> bool:
    return x.dtype.shape[0] == 1 and _blocked_axis(x, _shape_of(x, shape)) is not None


@reshape.kernel("blocked", name="whole rows", takes=_can_reshape)
def _reshape(x: Blocked, shape: tuple[int, ...]) -> Blocked:
    to = _shape_of(x, shape)
    axis = _blocked_axis(x, to)
    assert axis is not None
    return Blocked(x.rows, to, axis, x.transform)


def _can_index(x: Blocked, index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return (
        x.dtype.shape[0] == 1
        and x.axis == len(x.shape) - 1
        and len(parts) < len(x.shape)
        and all(isinstance(p, int | slice) or getattr(p, "dtype", None) is not None for p in parts)
    )


@getitem.kernel("blocked", name="whole rows", takes=_can_index)
def _getitem(x: Blocked, index: Any) -> Blocked:
    check_index(index)
    shape = np.empty(x.lead, np.bool_)[index].shape
    return _rows(x, lambda a: a[index], (*shape, x.shape[-1]), len(shape))


def can_join(*xs: Blocked, axis: int = 0) -> bool:
    """Whether rows of these may follow each other: one format, no scale of a whole tensor."""
    first = xs[0]
    axis %= len(first.shape)
    return all(
        x.dtype == first.dtype
        and (x.axis, x.transform) == (first.axis, first.transform)
        and x.dtype.shape[0] == 1
        and not x.dtype.tensor_scale
        and x.axis != axis
        and [n for i, n in enumerate(x.shape) if i != axis]
        == [n for i, n in enumerate(first.shape) if i != axis]
        for x in xs
    )


def join(*xs: Blocked, axis: int = 0) -> Blocked:
    """Joined along an axis that is not the blocked one."""
    first = xs[0]
    axis %= len(first.shape)
    lead = axis - (axis > first.axis)
    parts = [_parts(x) for x in xs]
    codes, scales = (np.concatenate([p[i] for p in parts], axis=lead) for i in (0, 1))
    shape = list(first.shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    rows = first.rows._replace(
        codes=codes.reshape(math.prod(codes.shape[:-1]), codes.shape[-1]),
        scales=scales.reshape(math.prod(scales.shape[:-1]), scales.shape[-1]),
        group=math.prod(codes.shape[:-1]),
    )
    return Blocked(rows, tuple(shape), first.axis, first.transform)
