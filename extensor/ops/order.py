"""Order and search: sorted numbers, their places, and where a number would stand."""

from typing import Any, Literal

import numpy as np

from extensor.errors import ShapeError
from extensor.ops.gather import check_axis, take_along_axis_grad
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import flip

_SAMPLES = (
    Sample(((3, 5),)),
    Sample(((4, 3),), {"axis": 0, "descending": True}),
)


def _kind(stable: bool) -> Literal["stable"] | None:
    return "stable" if stable else None


def _argsort(x: Any, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    axis = check_axis("argsort", axis, x.ndim)
    if not descending:
        return np.argsort(x, axis=axis, kind=_kind(stable))
    order = np.argsort(np.flip(x, axis), axis=axis, kind=_kind(stable))
    return x.shape[axis] - 1 - np.flip(order, axis)  # equal ones keep their order


def _sort(x: Any, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    axis = check_axis("sort", axis, x.ndim)
    y = np.sort(x, axis=axis, kind=_kind(stable))
    return np.flip(y, axis) if descending else y


def _sort_grad(g: Any, y: Any, x: Any, axis: int = -1, **how: Any) -> tuple[Any, ...]:
    order = argsort(x, axis=axis, **how)
    return (take_along_axis_grad(g, order, axis=axis, count=x.shape[axis]),)


def _searchsorted(x: Any, v: Any, side: Literal["left", "right"] = "left") -> Any:
    if x.ndim != 1 or side not in ("left", "right"):
        raise ShapeError(
            f"searchsorted: a sorted tensor of shape {x.shape}, side={side!r}; allowed: one axis, "
            "side 'left' or 'right'"
        )
    return np.searchsorted(x, v, side=side)


def _cumsum(x: Any, axis: int = -1) -> Any:
    return np.cumsum(x, axis=check_axis("cumsum", axis, x.ndim), dtype=x.dtype)


def _cumsum_grad(g: Any, y: Any, x: Any, axis: int = -1) -> tuple[Any, ...]:
    return (flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis),)


# fmt: off
argsort: Op = op("argsort", _argsort, None,
                 "the places of the sorted numbers along an axis; NaN is the largest",
                 result="index", samples=_SAMPLES)
sort: Op = op("sort", _sort, _sort_grad, "sorted along an axis; NaN is the largest", saves=(0,),
              samples=_SAMPLES)
searchsorted: Op = op("searchsorted", _searchsorted, None,
                      "the number of entries of the sorted x that are smaller than v (side "
                      "'right': not larger)", result="index",
                      samples=(Sample((np.array([-1.0, 0.0, 0.5, 1.0]), (2, 3))),
                               Sample((np.array([-1.0, 0.0, 0.5, 1.0]), (5,)), {"side": "right"})))
count_nonzero: Op = op("count_nonzero",
                       lambda x, axis=None, keepdims=False: np.sum(
                           x != 0, axis=axis, keepdims=keepdims),
                       None, "how many numbers are not 0", result="index", complex=True,
                       samples=(Sample(((3, 4),)),
                                Sample(((2, 3, 4),), {"axis": (0, 2), "keepdims": True})))
cumsum: Op = op("cumsum", _cumsum, _cumsum_grad, "y[i] = x[0] + ... + x[i] along an axis",
                result="sum", complex=True,
                samples=(Sample(((3, 4),)), Sample(((3, 2),), {"axis": 0})))
# fmt: on
