"""Search: where the largest is, where there is something, where a number would stand.

None of them has a gradient: their answers are places and counts.
"""

from operator import index
from typing import Any, Literal

import numpy as np

from extensor import ops
from extensor.errors import ShapeError
from extensor.functions.operands import Axis, axes_of, beside, tensor
from extensor.ops.convert import arrays_of
from extensor.ops.gather import check_axis
from extensor.storage import Native
from extensor.tensor import ExTensor


def _place(name: str, x: Any, axis: int | None, keepdims: bool) -> ExTensor:
    made = tensor(x)
    at = None if axis is None else check_axis(name, index(axis), made.ndim)
    if (made.size if at is None else made.shape[at]) == 0:
        raise ShapeError(
            f"{name}: no entries along axis {axis} of {made.shape}; allowed: one or more"
        )
    return ops.OPS[name](made, axis=at, keepdims=keepdims)  # type: ignore[no-any-return]


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> ExTensor:
    """The place of the first largest number along an axis, int64; None: of all, flattened.

    ShapeError where there is no number.

    >>> argmax([[1, 5, 2], [7, 0, 7]], axis=1).tolist()
    [1, 0]
    """
    return _place("argmax", x, axis, keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> ExTensor:
    """The place of the first smallest number along an axis, int64; None: of all, flattened.

    >>> argmin([3, 1, 1]).item()
    1
    """
    return _place("argmin", x, axis, keepdims)


def count_nonzero(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> ExTensor:
    """How many numbers are not 0, over some or all axes, int64.

    >>> count_nonzero([[1, 0], [2, 3]], axis=0).tolist()
    [2, 1]
    """
    made = tensor(x)
    axes = axes_of("count_nonzero", axis, made.ndim)
    return ops.count_nonzero(made, axis=axes, keepdims=keepdims)  # type: ignore[no-any-return]


def nonzero(x: Any, /) -> tuple[ExTensor, ...]:
    """The places of all numbers that are not 0, in row-major order: one int64 tensor an axis.

    ShapeError for a tensor without axes.

    >>> [places.tolist() for places in nonzero([[0, 2], [3, 0]])]
    [[0, 1], [1, 0]]
    """
    made = tensor(x)
    if made.ndim == 0:
        raise ShapeError("nonzero: a tensor without axes; reshape it to (1,) first")
    places = np.nonzero(arrays_of(made.storage))
    return tuple(ExTensor(Native(p.astype(np.int64, copy=False))) for p in places)


def searchsorted(
    x1: Any, x2: Any, /, *, side: Literal["left", "right"] = "left", sorter: Any = None
) -> ExTensor:
    """The place in the sorted ``x1`` where each number of ``x2`` keeps the order, int64.

    side
        "left": before equal numbers, "right": behind them.
    sorter
        The places that sort ``x1``, where it is not sorted.

    >>> searchsorted([1, 3, 3, 5], [0, 3, 6]).tolist()
    [0, 1, 4]
    """
    made = tensor(x1)
    if sorter is not None:
        made = ops.take(made, beside(made, sorter), axis=0)
    return ops.searchsorted(made, tensor(x2), side=side)  # type: ignore[no-any-return]
