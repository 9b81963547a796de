"""Order along an axis."""

from operator import index
from typing import Any, NamedTuple

from extensor import ops
from extensor.errors import ShapeError
from extensor.functions.operands import tensor
from extensor.ops.gather import check_axis
from extensor.tensor import ExTensor


class TopK(NamedTuple):
    """What `topk` gives."""

    values: ExTensor
    indices: ExTensor


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> ExTensor:
    """Sorted along an axis. NaN counts as the largest; the gradient follows the numbers.

    >>> sort([3.0, 1.0, 2.0], descending=True).tolist()
    [3.0, 2.0, 1.0]
    """
    made = tensor(x)
    at = check_axis("sort", axis, made.ndim)
    return ops.sort(made, axis=at, descending=descending, stable=stable)  # type: ignore[no-any-return]


def argsort(
    x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> ExTensor:
    """The places of the sorted numbers along an axis, int64: ``take_along_axis(x, y)`` is sorted.

    stable
        Equal numbers keep their order, also when descending.

    >>> argsort([3, 1, 3], descending=True).tolist()
    [0, 2, 1]
    """
    made = tensor(x)
    at = check_axis("argsort", axis, made.ndim)
    return ops.argsort(made, axis=at, descending=descending, stable=stable)  # type: ignore[no-any-return]


def topk(x: Any, k: int, /, *, axis: int = -1, largest: bool = True) -> TopK:
    """The k largest (or smallest) numbers along an axis, in order, and their places.

    Equal numbers come in their order in ``x``. ShapeError unless 0 <= k <= the axis' length.

    >>> values, indices = topk([1.0, 5.0, 3.0], 2)
    >>> values.tolist(), indices.tolist()
    ([5.0, 3.0], [1, 2])
    """
    made = tensor(x)
    at = check_axis("topk", axis, made.ndim)
    if not 0 <= index(k) <= made.shape[at]:
        raise ShapeError(f"topk: k={k} of {made.shape[at]} entries; allowed: 0 .. {made.shape[at]}")
    order = ops.argsort(made, axis=at, descending=largest)
    first = ops.getitem(order, index=(slice(None),) * at + (slice(0, index(k)),))
    return TopK(ops.take_along_axis(made, first, axis=at), first)
