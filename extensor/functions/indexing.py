"""Entries by integers: taken, and added back."""

from typing import Any

from extensor import ops
from extensor.errors import ShapeError
from extensor.functions.operands import beside, tensor
from extensor.functions.shapes import broadcast_to, common_shape
from extensor.ops.gather import check_axis
from extensor.tensor import ExTensor


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> ExTensor:
    """The entries of these numbers along an axis.

    indices
        Integers of any shape, which takes the place of the axis; negative ones count from the end.
    axis
        May be left out where ``x`` has one axis.

    IndexShapeError for a number outside of the axis, DTypeError for indices that are no integers.
    Blocked tensors stay packed along an axis that is not their blocked one.

    >>> take([[1, 2, 3], [4, 5, 6]], [2, 0], axis=1).tolist()
    [[3, 1], [6, 4]]
    """
    made = tensor(x)
    if axis is None and made.ndim != 1:
        raise ShapeError(
            f"take: shape {made.shape} without an axis; give axis=0 .. {made.ndim - 1}"
        )
    at = check_axis("take", axis or 0, made.ndim)
    return ops.take(made, beside(made, indices), axis=at)  # type: ignore[no-any-return]


def _beside(name: str, x: ExTensor, index: ExTensor, axis: int) -> tuple[int, Any]:
    """The axis, and the shape of all others to which both broadcast (0 stands for the axis)."""
    at = check_axis(name, axis, x.ndim)
    if index.ndim != x.ndim:
        raise ShapeError(
            f"{name}: shapes {x.shape} and {index.shape} (index); allowed: as many axes"
        )
    return at, common_shape(name, *(_with(t.shape, at, 1) for t in (x, index)))


def _with(shape: tuple[int, ...], axis: int, length: int) -> tuple[int, ...]:
    return (*shape[:axis], length, *shape[axis + 1 :])


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> ExTensor:
    """``y[i, j] = x[i, indices[i, j]]``, for the last axis or another; also called gather.

    indices
        Integers; every other axis is as long as that of ``x``, or one of them has length 1.

    >>> take_along_axis([[1, 2, 3], [4, 5, 6]], [[2], [0]]).tolist()
    [[3], [4]]
    """
    made = tensor(x)
    index = beside(made, indices)
    at, shape = _beside("take_along_axis", made, index, axis)
    made = broadcast_to(made, _with(shape, at, made.shape[at]))
    index = broadcast_to(index, _with(shape, at, index.shape[at]))
    return ops.take_along_axis(made, index, axis=at)  # type: ignore[no-any-return]


def scatter_add(x: Any, indices: Any, source: Any, /, *, axis: int = -1) -> ExTensor:
    """``x`` with ``source[i, j]`` added at ``[i, indices[i, j]]``; repeated places add up.

    indices, source
        Shapes broadcast to each other, and to that of ``x`` on every axis but one.

    >>> scatter_add([0.0, 0.0, 0.0], [2, 2], [1.0, 5.0]).tolist()
    [0.0, 0.0, 6.0]
    """
    made, more = tensor(x), tensor(source)
    index = beside(made, indices)
    at, shape = _beside("scatter_add", made, index, axis)
    if _with(shape, at, 1) != _with(made.shape, at, 1):
        raise ShapeError(
            f"scatter_add: shapes {made.shape} and {index.shape} (index); allowed: an index that "
            f"broadcasts to the tensor on every axis but axis {at}"
        )
    common = common_shape("scatter_add", _with(made.shape, at, 1), index.shape, more.shape)
    index, more = broadcast_to(index, common), broadcast_to(more, common)
    added = ops.take_along_axis_grad(more, index, axis=at, count=made.shape[at])
    return ops.add(made, added)  # type: ignore[no-any-return]
