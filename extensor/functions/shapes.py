"""Shapes and the order of axes: the numbers stay, rows of the op table move them."""

from operator import index
from typing import Any

import numpy as np

from extensor import ops
from extensor.errors import IndexShapeError, ShapeError
from extensor.functions.operands import Axis, axes_of, shape_of, tensor
from extensor.ops.gather import check_axis
from extensor.storage import Blocked, Native
from extensor.tensor import ExTensor, asarray


def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> ExTensor:
    """The same numbers in row-major order under another shape.

    shape
        Lengths; one may be -1, which takes what is left.
    copy
        True: always a copy. None: one only where the memory order asks for it. False: ShapeError
        where it does.

    A blocked tensor stays packed where its blocked axis is the last and keeps its length.

    >>> reshape([[1, 2, 3], [4, 5, 6]], (3, -1)).tolist()
    [[1, 2], [3, 4], [5, 6]]
    """
    made = tensor(x)
    y: ExTensor = ops.reshape(made, shape=shape_of(shape))
    if copy:
        return _copied(y)
    if copy is False and y.size and not np.may_share_memory(_buffer(y), _buffer(made)):
        raise ShapeError(
            f"reshape: {made.shape} to {y.shape} needs a copy in this memory order (or format); "
            "allowed with copy=False: what a view can show; give copy=None"
        )
    return y


def _buffer(x: ExTensor) -> Any:
    """The array that holds the numbers or codes."""
    storage = x.storage
    if isinstance(storage, Native):
        return storage.array
    return storage.rows.codes if isinstance(storage, Blocked) else storage.codes


def _copied(y: ExTensor) -> ExTensor:
    """A copy of the storage, in the same place of the graph."""
    copied = asarray(y.detach(), copy=True)
    return ExTensor(copied.storage, y.requires_grad, y.node)


def broadcast_to(x: Any, /, shape: Any) -> ExTensor:
    """Repeated along new leading axes and along axes of length 1.

    shape
        The shape of the answer; ShapeError where ``x`` does not broadcast to it.

    >>> broadcast_to([1, 2], (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    made, to = tensor(x), shape_of(shape)
    lead = len(to) - made.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(made.shape, to[lead:], strict=True)):
        raise ShapeError(
            f"broadcast_to: shape {made.shape} to {to}; allowed: new axes in front, and any length "
            "for an axis of length 1"
        )
    return made if to == made.shape else ops.broadcast_to(made, shape=to)


def broadcast_arrays(*xs: Any) -> list[ExTensor]:
    """All tensors in the shape to which they broadcast together.

    >>> [y.shape for y in broadcast_arrays([[1], [2]], [3, 4, 5])]
    [(2, 3), (2, 3)]
    """
    made = [tensor(x) for x in xs]
    shape = common_shape("broadcast_arrays", *(x.shape for x in made))
    return [broadcast_to(x, shape) for x in made]


def common_shape(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which these broadcast; ShapeError where they do not.

    >>> common_shape("add", (2, 1), (3,))
    (2, 3)
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        given = " and ".join(str(s) for s in shapes)
        raise ShapeError(
            f"{name}: shapes {given} do not broadcast; allowed: on each axis, counted from the "
            "last, equal lengths or 1"
        ) from None


def expand_dims(x: Any, /, axis: Any = 0) -> ExTensor:
    """With a new axis of length 1 before position ``axis`` (several for a tuple).

    IndexShapeError for a position outside of -(N + 1) .. N.

    >>> expand_dims([1, 2], axis=-1).shape
    (2, 1)
    """
    made = tensor(x)
    count = len(axis) if isinstance(axis, tuple) else 1
    axes_of("expand_dims", axis, made.ndim + count)
    return ops.expand_dims(made, axis=axis)  # type: ignore[no-any-return]


def squeeze(x: Any, /, axis: int | tuple[int, ...]) -> ExTensor:
    """Without these axes of length 1; ShapeError where one is longer.

    >>> squeeze([[1], [2]], 1).tolist()
    [1, 2]
    """
    made = tensor(x)
    axes = axes_of("squeeze", axis, made.ndim)
    if any(made.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze: axes {axes} of shape {made.shape}; allowed: axes of length 1")
    return ops.squeeze(made, axis=axes)  # type: ignore[no-any-return]


def permute_dims(x: Any, /, axes: tuple[int, ...]) -> ExTensor:
    """Axes in another order: axis i of the answer is axis ``axes[i]`` of ``x``.

    >>> permute_dims([[1, 2, 3]], (1, 0)).shape
    (3, 1)
    """
    made = tensor(x)
    order = axes_of("permute_dims", tuple(axes), made.ndim)
    if len(order) != made.ndim:
        raise ShapeError(
            f"permute_dims: axes {tuple(axes)} for shape {made.shape}; allowed: every axis once"
        )
    return ops.permute(made, axes=order)  # type: ignore[no-any-return]


def matrix_transpose(x: Any, /) -> ExTensor:
    """The last two axes exchanged: (..., M, N) to (..., N, M).

    >>> matrix_transpose([[1, 2, 3]]).shape
    (3, 1)
    """
    made = tensor(x)
    if made.ndim < 2:
        raise ShapeError(f"matrix_transpose: shape {made.shape}; allowed: two axes or more")
    return moveaxis(made, -1, -2)


def moveaxis(x: Any, source: Any, destination: Any, /) -> ExTensor:
    """Axes moved to other positions; the others keep their order.

    >>> moveaxis([[[1, 2, 3]]], 2, 0).shape
    (3, 1, 1)
    """
    made = tensor(x)
    here, there = (axes_of("moveaxis", a, made.ndim) for a in (source, destination))
    if len(here) != len(there):
        raise ShapeError(f"moveaxis: {source} to {destination}; allowed: as many of each")
    order = [a for a in range(made.ndim) if a not in here]
    for to, a in sorted(zip(there, here, strict=True)):
        order.insert(to, a)
    return ops.permute(made, axes=tuple(order))  # type: ignore[no-any-return]


def flip(x: Any, /, *, axis: Axis = None) -> ExTensor:
    """Reversed along these axes; along all of them for None.

    >>> flip([1, 2, 3]).tolist()
    [3, 2, 1]
    """
    made = tensor(x)
    return ops.flip(made, axis=axes_of("flip", axis, made.ndim))  # type: ignore[no-any-return]


def roll(x: Any, /, shift: Any, *, axis: Axis = None) -> ExTensor:
    """Moved on by ``shift`` along axes; what leaves at the end enters at the front.

    axis
        An axis, or a tuple beside a tuple of shifts. None: as if there were one axis only.

    >>> roll([1, 2, 3, 4], 1).tolist()
    [4, 1, 2, 3]
    """
    made = tensor(x)
    if axis is None:
        flat = ops.reshape(made, shape=(-1,))
        return ops.reshape(roll(flat, shift, axis=0), shape=made.shape)  # type: ignore[no-any-return]
    axes = tuple(check_axis("roll", index(a), made.ndim) for a in shape_of(axis))
    shifts = shape_of(shift)
    if len(shifts) not in (1, len(axes)):
        raise ShapeError(f"roll: shifts {shifts} along axes {axes}; allowed: one, or as many")
    return ops.roll(made, shift=shifts * (len(axes) // len(shifts)), axis=axes)  # type: ignore[no-any-return]


def unstack(x: Any, /, *, axis: int = 0) -> tuple[ExTensor, ...]:
    """The tensors that lie along an axis, without it; the inverse of `stack`.

    >>> [part.tolist() for part in unstack([[1, 2], [3, 4]], axis=1)]
    [[1, 3], [2, 4]]
    """
    made = tensor(x)
    if made.ndim == 0:
        raise IndexShapeError("unstack: a tensor without axes; allowed: one axis or more")
    at = check_axis("unstack", axis, made.ndim)
    return tuple(ops.getitem(made, index=(slice(None),) * at + (i,)) for i in range(made.shape[at]))
