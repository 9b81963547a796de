"""A bias added and summed out on a GPU: `extensor.kernels.planes_cuda` joins the table.

The array library's own kernels do both at a fifth of the bandwidth: they divide for every number.
"""

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from extensor.ops.elementwise import add
from extensor.ops.reduce import sum as sum_of
from extensor.ops.shape import sum_to
from extensor.storage import Native

LEAST, LIMIT = 1 << 12, 1 << 31
"""Numbers from which the kernels are worth a launch, and that they can count."""


class Planes(NamedTuple):
    """A shape seen as (images, planes, size)."""

    images: int
    planes: int
    size: int


@lru_cache(maxsize=1024)
def planes_of(shape: tuple[int, ...], kept: tuple[bool, ...]) -> Planes | None:
    """The shape with its kept axes in the middle; None where they are not side by side.

    >>> planes_of((8, 6, 28, 28), (False, True, False, False))
    Planes(images=8, planes=6, size=784)
    >>> planes_of((2, 3, 4), (True, False, True)), planes_of((64, 10), (False, True))
    (None, Planes(images=64, planes=10, size=1))
    """
    axes = [i for i, keep in enumerate(kept) if keep and shape[i] != 1]
    if not axes:
        return None
    first, last = axes[0], axes[-1] + 1
    if any(not kept[i] and shape[i] != 1 for i in range(first, last)):
        return None
    return Planes(prod(shape[:first]), prod(shape[first:last]), prod(shape[last:]))


def _plain(array: Any) -> bool:
    return bool(array.dtype == np.float32 and array.flags.c_contiguous)


def _summable(x: Native, kept: tuple[bool, ...]) -> Planes | None:
    array = x.array
    if array.size < LEAST or not _plain(array):
        return None
    seen = planes_of(array.shape, kept)
    return seen if seen and seen.images > 1 else None


def _kept_by_shape(shape: tuple[int, ...], to: tuple[int, ...]) -> tuple[bool, ...]:
    lead = len(shape) - len(to)
    return (False,) * lead + tuple(n == m for n, m in zip(shape[lead:], to, strict=True))


def _kept_by_axis(ndim: int, axis: Any) -> tuple[bool, ...]:
    gone = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(i not in {a % ndim for a in gone} for i in range(ndim))


def _to_shape(x: Native, shape: tuple[int, ...]) -> bool:
    return _summable(x, _kept_by_shape(x.shape, shape)) is not None


def _over_axes(x: Native, axis: Any = None, keepdims: bool = False, **others: Any) -> bool:
    return not others and _summable(x, _kept_by_axis(len(x.shape), axis)) is not None


@sum_to.kernel("native", device="cuda", name="planes summed", takes=_to_shape)
def _sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    return _summed(x, _kept_by_shape(x.shape, shape)).reshape(shape)


@sum_of.kernel("native", device="cuda", name="planes summed", takes=_over_axes)
def _sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    kept = _kept_by_axis(x.ndim, axis)
    full = tuple(n if keep else 1 for n, keep in zip(x.shape, kept, strict=True))
    shape = full if keepdims else tuple(n for n, k in zip(x.shape, kept, strict=True) if k)
    return _summed(x, kept).reshape(shape)


def _summed(x: Any, kept: tuple[bool, ...]) -> Any:
    from extensor.kernels.planes_cuda import summed

    seen = planes_of(x.shape, kept)
    assert seen is not None
    return summed(x, *seen)


def _vector(a: Native, b: Native) -> Planes | None:
    """How the second operand is spread over the first, where it is a vector."""
    x, v = a.array, b.array
    if x.size < LEAST or x.size >= LIMIT or not _plain(x) or not _plain(v) or v.ndim > x.ndim:
        return None
    lead = x.ndim - v.ndim
    if v.size < 2 or any(n not in (1, m) for n, m in zip(v.shape, x.shape[lead:], strict=True)):
        return None
    seen = planes_of(x.shape, (False,) * lead + tuple(n != 1 for n in v.shape))
    return seen if seen and seen.planes == v.size < x.size else None


def _spread(a: Native, b: Native) -> bool:
    return _vector(a, b) is not None


@add.kernel("native", "native", device="cuda", name="planes added", takes=_spread)
def _add(x: Any, vector: Any) -> Any:
    from extensor.kernels.planes_cuda import added

    seen = _vector(Native(x), Native(vector))
    assert seen is not None
    return added(x, vector, seen.planes, seen.size)
