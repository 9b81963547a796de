"""What every function does first: tensors of its operands, and axes counted from the front."""

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

from extensor.errors import DTypeError, ShapeError
from extensor.formats import FP32, compute, promote, promote_all
from extensor.ops.gather import check_axis
from extensor.tensor import ExTensor, asarray

Axis = int | Sequence[int] | None


def tensor(x: Any) -> ExTensor:
    """A tensor as it is; an array, a list or a number as one."""
    return x if isinstance(x, ExTensor) else asarray(x)


def beside(x: ExTensor, other: Any) -> ExTensor:
    """``other`` as a tensor on the device of ``x``: places and masks that were made on the host."""
    return tensor(other).to(x.device)


def tensors(name: str, xs: Iterable[Any]) -> list[ExTensor]:
    """At least one tensor."""
    if isinstance(xs, ExTensor) and xs.ndim == 0:
        raise ShapeError(f"{name}: one tensor without axes; allowed: a list of tensors")
    made = [tensor(x) for x in xs]
    if not made:
        raise ShapeError(f"{name}: an empty list; allowed: one tensor or more")
    return made


def alike(xs: Sequence[ExTensor]) -> list[ExTensor]:
    """Tensors in the format that they make together; themselves where they have one format."""
    if len({x.dtype for x in xs}) == 1:
        return list(xs)
    to = promote_all([x.dtype for x in xs])
    return [x.to(to) for x in xs]


def axes_of(name: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front: all of them for None; ShapeError where one comes twice."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, Sequence) else (axis,)
    axes = tuple(check_axis(name, index(a), ndim) for a in given)
    if len(set(axes)) < len(axes):
        raise ShapeError(f"{name}: axes {tuple(given)} name one axis twice; name it once")
    return axes


def shape_of(shape: Any) -> tuple[int, ...]:
    """A shape from a number or a sequence of numbers."""
    return tuple(index(n) for n in shape) if isinstance(shape, Iterable) else (index(shape),)


def floats(name: str, x: Any) -> ExTensor:
    """A tensor of floats or complex numbers; DTypeError for integers."""
    made = tensor(x)
    if not (made.dtype.is_float or made.dtype.is_complex):
        raise DTypeError(
            f"{name}: not defined for {made.dtype}; allowed: floats, for example x.to(ex.float32)"
        )
    return made


def wide(name: str, x: Any) -> tuple[ExTensor, Any]:
    """Floats in float32 or wider (complex as they are), and the format of the answer.

    float16, bfloat16 and narrower are decoded, so that a function made of several rows is rounded
    once, at its end: ``y.to(format)``. DTypeError for integers.
    """
    made = floats(name, x)
    if made.dtype.is_complex:
        return made, made.dtype
    return made.to(promote(made.dtype, FP32)), compute(made.dtype)
