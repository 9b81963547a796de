"""A tensor with some entries replaced: what ``x[index] = v`` means in a graph."""

from typing import Any

from extensor.backend import library_of
from extensor.errors import ShapeError
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import beside, check_index, getitem, sum_to


def _set(x: Any, v: Any, index: Any) -> Any:
    if x.dtype != v.dtype:
        v = v.astype(x.dtype)
    y = library_of(x).array(x)
    y[beside(x, check_index(index))] = v
    return y


def _set_grad(g: Any, y: Any, x: Any, v: Any, index: Any) -> tuple[Any, ...]:
    """What was replaced gets nothing, the value what was put in its place."""
    part = getitem(g, index=index)
    zeros = type(g)(part.storage).full_like(0.0)
    if v.ndim > part.ndim:
        raise ShapeError(f"setitem: value of shape {v.shape} for entries of shape {part.shape}")
    return setitem(g, zeros, index=index), sum_to(part, shape=v.shape)


# fmt: off
setitem: Op = op("setitem", _set, _set_grad, "x with the entries at the index replaced by v",
                 method=False, result="same",
                 samples=(Sample(((3, 4), (2, 2)), {"index": (slice(1, None), slice(0, 4, 2))}),
                          Sample(((3, 4), (4,)), {"index": (1,)})))
# fmt: on
