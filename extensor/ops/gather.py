"""Entries by integers along an axis, and their transposes, which add entries back."""

from typing import Any

import numpy as np

from extensor.backend import as_array, library_of
from extensor.errors import DTypeError, IndexShapeError, ShapeError
from extensor.ops.loss import checkable
from extensor.ops.registry import Op, Sample, op


def check_axis(name: str, axis: int, ndim: int) -> int:
    """The axis counted from the front; IndexShapeError where there is none of that number."""
    if not -ndim <= axis < ndim:
        raise IndexShapeError(
            f"{name}: axis {axis} of a tensor of {ndim} axes; allowed: {-ndim} .. {ndim - 1}"
            if ndim
            else f"{name}: axis {axis} of a tensor without axes; reshape it to (1,) first"
        )
    return axis % ndim


def check_places(name: str, index: Any, count: int) -> Any:
    """Integers in -count .. count - 1; IndexShapeError and DTypeError for others."""
    index = as_array(index)
    if index.dtype.kind not in "iu":
        raise DTypeError(f"{name}: index of {index.dtype}; allowed: integers; index.to(ex.int64)")
    if checkable(index) and (index.min() < -count or index.max() >= count):
        raise IndexShapeError(
            f"{name}: index from {int(index.min())} to {int(index.max())}; allowed: "
            f"{-count} .. {count - 1}, the axis has {count} entries"
        )
    return index


def _take(x: Any, index: Any, axis: int) -> Any:
    axis = check_axis("take", axis, x.ndim)
    return np.take(x, check_places("take", index, x.shape[axis]), axis=axis)


def _take_grad(g: Any, index: Any, axis: int, count: int) -> Any:
    index = check_places("take_grad", index, count)
    shape = (*g.shape[:axis], count, *g.shape[axis + index.ndim :])
    library = library_of(g)
    out = library.zeros(shape, g.dtype)
    library.add.at(out, (slice(None),) * axis + (index,), g)
    return out


def _check_along(name: str, shape: tuple[int, ...], index: Any, axis: int) -> int:
    """The axis from the front; ShapeError unless the other axes are as long."""
    axis = check_axis(name, axis, len(shape))
    other = tuple(index.shape)
    if len(other) != len(shape) or any(
        a != b for i, (a, b) in enumerate(zip(shape, other, strict=True)) if i != axis
    ):
        raise ShapeError(
            f"{name}: shapes {shape} and {other} (index); allowed: equal lengths on every axis but "
            f"axis {axis}"
        )
    return axis


def _along(x: Any, index: Any, axis: int = -1) -> Any:
    axis = _check_along("take_along_axis", x.shape, index, axis)
    index = check_places("take_along_axis", index, x.shape[axis])
    return np.take_along_axis(x, index.astype(np.int64), axis)


def _along_grad(g: Any, index: Any, axis: int, count: int) -> Any:
    axis = _check_along("take_along_axis_grad", g.shape, index, axis)
    if g.shape != index.shape:
        raise ShapeError(f"take_along_axis_grad: shapes {g.shape} and {index.shape}; not equal")
    index = check_places("take_along_axis_grad", index, count)
    library = library_of(g)
    out = library.zeros((*g.shape[:axis], count, *g.shape[axis + 1 :]), g.dtype)
    places = list(np.ogrid[tuple(slice(n) for n in g.shape)])
    if library is not np:
        places = [library.asarray(p) for p in places]
    places[axis] = index
    library.add.at(out, tuple(places), g)
    return out


_INDEX = np.array([2, 0, 2])
_GRID = np.array([[0, -1], [2, 2], [1, 0]])

# fmt: off
take: Op = op(
    "take", _take,
    lambda g, y, x, index, axis: (
        take_grad(g, index, axis=axis % x.ndim, count=x.shape[axis]), None),
    "the entries of these numbers along an axis", saves=(1,), typed=slice(0, 1), result="same",
    samples=(Sample(((3, 4), _INDEX), {"axis": 0}), Sample(((2, 3), _GRID), {"axis": -1})))
take_grad: Op = op(
    "take_grad", _take_grad,
    lambda gg, y, g, index, axis, count: (take(gg, index, axis=axis), None),
    "zeros with g added at these numbers along an axis of count entries",
    saves=(1,), typed=slice(0, 1), method=False, complex=True,
    samples=(Sample(((2, 3), _INDEX), {"axis": 1, "count": 4}),))
take_along_axis: Op = op(
    "take_along_axis", _along,
    lambda g, y, x, index, axis=-1: (
        take_along_axis_grad(g, index, axis=axis, count=x.shape[axis]), None),
    "y[i, j] = x[i, index[i, j]], for the last or another axis",
    saves=(1,), typed=slice(0, 1), result="same",
    samples=(Sample(((3, 4), _GRID)), Sample(((3, 2), _GRID), {"axis": 0})))
take_along_axis_grad: Op = op(
    "take_along_axis_grad", _along_grad,
    lambda gg, y, g, index, axis, count: (take_along_axis(gg, index, axis=axis), None),
    "zeros with g[i, j] added at [i, index[i, j]]; the axis has count entries",
    saves=(1,), typed=slice(0, 1), method=False, complex=True,
    samples=(Sample(((3, 2), _GRID), {"axis": -1, "count": 4}),))
# fmt: on
