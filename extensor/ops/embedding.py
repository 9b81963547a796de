"""Rows of a table by integers. The gradient adds rows back; the two are transposes."""

from typing import Any

import numpy as np

from extensor.backend import as_array, library_of
from extensor.errors import DTypeError, IndexShapeError, ShapeError
from extensor.ops.convert import arrays_of
from extensor.ops.loops import add_loop, alike
from extensor.ops.loss import checkable
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import getitem
from extensor.storage import Blocked, Native


def _checked(name: str, index: Any, count: int) -> Any:
    """An integer index in 0 .. count - 1; a negative one is refused, not counted from the end."""
    index = as_array(index)
    if index.dtype.kind not in "iu":
        raise DTypeError(f"{name}: index of {index.dtype}; allowed: integers; index.to(ex.int64)")
    if checkable(index) and (index.min() < 0 or index.max() >= count):
        raise IndexShapeError(
            f"{name}: index from {int(index.min())} to {int(index.max())}; allowed: "
            f"0 .. {count - 1}, the {count} rows of the weight"
        )
    return index


def _embedding(weight: Any, index: Any) -> Any:
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight of shape {weight.shape}; allowed: (count, width)")
    return weight[_checked("embedding", index, len(weight))]


def _fits(g: Any, index: Any, count: int) -> bool:
    """Whether the loop may run: it does not look at what it is given."""
    return (
        alike(g) and g.array.ndim > 0 and g.array.shape[:-1] == index.array.shape
        and _checked("embedding_grad", index.array, count) is not None
    )  # fmt: skip


def _embedding_grad(g: Any, index: Any, count: int) -> Any:
    if g.shape[:-1] != index.shape or g.ndim < 1:
        raise ShapeError(
            f"embedding_grad: shapes {g.shape} and {index.shape}; allowed: (..., width) and (...)"
        )
    index = _checked("embedding_grad", index, count)
    library, width = library_of(g), g.shape[-1]
    out = library.zeros((count, width), g.dtype)
    library.add.at(out, index.reshape(-1), g.reshape(-1, width))
    return out


_INDEX = np.array([[0, 4], [4, 2]])

# fmt: off
embedding: Op = op(
    "embedding", _embedding,
    lambda g, y, weight, index: (embedding_grad(g, index, count=weight.shape[0]), None),
    "rows of the weight (count, width) by integers of any shape: (...) to (..., width)",
    saves=(1,), typed=slice(0, 1), method=False, samples=(Sample(((5, 3), _INDEX)),))
embedding_grad: Op = op(
    "embedding_grad", _embedding_grad,
    lambda gg, y, g, index, count: (embedding(gg, index), None),
    "zeros (count, width) with each row of g added at its index",
    saves=(1,), typed=slice(0, 1), method=False,
    samples=(Sample(((2, 2, 3), _INDEX), {"count": 5}),))
# fmt: on


@embedding.kernel("blocked", "native", name="packed rows")
def _packed(weight: Blocked, index: Native) -> Native:
    """Only the rows that are asked for are decoded."""
    if len(weight.shape) != 2:
        raise ShapeError(f"embedding: weight of shape {weight.shape}; allowed: (count, width)")
    array = _checked("embedding", index.array, weight.shape[0])
    return Native(arrays_of(getitem.run((weight,), {"index": (array,)})))


add_loop(embedding_grad, "scatter", _fits, operands=2)
