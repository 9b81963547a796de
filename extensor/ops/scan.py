"""Running products, and the linear recurrence that their gradients are made of.

``s[t] = a[t] s[t-1] + b[t]`` is computed by doubling (Hillis and Steele, "Data parallel
algorithms", CACM 29(12), 1986): log2(n) passes over whole arrays. Its gradient is a recurrence of
the same kind that runs backwards, so derivatives of any order exist, zeros included.
"""

from typing import Any

import numpy as np

from extensor.ops.gather import check_axis
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import concat, flip, getitem, pad


def _scan(a: Any, b: Any, axis: int = -1) -> Any:
    axis = check_axis("linear_scan", axis, b.ndim)
    s, factor = np.moveaxis(b, axis, -1).copy(), np.moveaxis(a, axis, -1).copy()
    step = 1
    while step < s.shape[-1]:
        s[..., step:] += factor[..., step:] * s[..., :-step]
        factor[..., step:] = factor[..., step:] * factor[..., :-step]
        step *= 2
    return np.moveaxis(s, -1, axis)


def _part(x: Any, axis: int, where: slice) -> Any:
    return getitem(x, index=(slice(None),) * (axis % x.ndim) + (where,))


def _shifted(x: Any, axis: int, by: int) -> Any:
    """``x[t - by]`` for by = 1 or -1, a zero where there is none."""
    rest = _part(x, axis, slice(None, -1) if by > 0 else slice(1, None))
    width = [(0, 0)] * x.ndim
    width[axis % x.ndim] = (1, 0) if by > 0 else (0, 1)
    return pad(rest, width=tuple(width)) if x.shape[axis] else x


def _back(a: Any, g: Any, axis: int) -> Any:
    """``r[t] = g[t] + a[t+1] r[t+1]``."""
    follow = flip(_shifted(a, axis, -1), axis=axis)
    return flip(linear_scan(follow, flip(g, axis=axis), axis=axis), axis=axis)


def _scan_grad(g: Any, y: Any, a: Any, b: Any, axis: int = -1) -> tuple[Any, ...]:
    r = _back(a, g, axis)
    return r * _shifted(y, axis, 1), r


def before(y: Any, axis: int) -> Any:
    """``y[t - 1]`` of running products, 1 where there is none: products without the entry t."""
    one = _part(y, axis, slice(0, 1)).full_like(1.0)
    return concat(one, _part(y, axis, slice(None, -1)), axis=axis) if y.shape[axis] else y


def _cumprod_grad(g: Any, y: Any, x: Any, axis: int = -1) -> tuple[Any, ...]:
    return (before(y, axis) * _back(x, g, axis),)


# fmt: off
linear_scan: Op = op("linear_scan", _scan, _scan_grad, "s[t] = a[t] s[t-1] + b[t] along an axis",
                     saves=(0, "y"), method=False,
                     samples=(Sample(((3, 5), (3, 5))), Sample(((4, 2), (4, 2)), {"axis": 0})))
cumprod: Op = op("cumprod", lambda x, axis=-1: np.cumprod(
                     x, axis=check_axis("cumprod", axis, x.ndim), dtype=x.dtype), _cumprod_grad,
                 "y[i] = x[0] * ... * x[i] along an axis", saves=(0, "y"), result="sum",
                 complex=True, samples=(Sample(((3, 4),)), Sample(((3, 2),), {"axis": 0})))
# fmt: on
