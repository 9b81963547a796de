"""Products of tensors as matrix products: the axes are arranged, and one row computes."""

from collections.abc import Sequence
from math import prod
from typing import Any

from extensor import ops
from extensor.errors import ShapeError
from extensor.functions.operands import alike, axes_of, tensor
from extensor.functions.shapes import broadcast_to, common_shape, moveaxis
from extensor.tensor import ExTensor


def tensordot(
    x1: Any, x2: Any, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> ExTensor:
    """The sum of products over pairs of axes; the other axes follow, those of ``x1`` first.

    axes
        A number n: the last n of ``x1`` with the first n of ``x2``; or the axes of each.

    >>> tensordot([[1, 2], [3, 4]], [[1, 0], [0, 1]]).item()
    5
    """
    a, b = tensor(x1), tensor(x2)
    if isinstance(axes, int):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ShapeError(
                f"tensordot: axes={axes} for shapes {a.shape} and {b.shape}; allowed: 0 .. "
                f"{min(a.ndim, b.ndim)}"
            )
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    left, right = axes_of("tensordot", axes[0], a.ndim), axes_of("tensordot", axes[1], b.ndim)
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ShapeError(
            f"tensordot: axes {left} of {a.shape} and {right} of {b.shape}; allowed: pairs of "
            "axes of equal length"
        )
    free_a = [i for i in range(a.ndim) if i not in left]
    free_b = [i for i in range(b.ndim) if i not in right]
    shape = tuple([a.shape[i] for i in free_a] + [b.shape[i] for i in free_b])
    inner = prod(a.shape[i] for i in left)
    rows, columns = prod(a.shape[i] for i in free_a), prod(b.shape[i] for i in free_b)
    first = ops.reshape(ops.permute(a, axes=(*free_a, *left)), shape=(rows, inner))
    second = ops.reshape(ops.permute(b, axes=(*right, *free_b)), shape=(inner, columns))
    return ops.reshape(ops.matmul(first, second), shape=shape)  # type: ignore[no-any-return]


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> ExTensor:
    """``sum(conj(x1) x2)`` along an axis; the other axes broadcast.

    axis
        Counted from the end, -1 or smaller, or from the front where both have as many axes.

    >>> vecdot([[1, 2], [3, 4]], [1, 1]).tolist()
    [3, 7]
    """
    a, b = alike([tensor(x1), tensor(x2)])
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"vecdot: shapes {a.shape} and {b.shape}; allowed: one axis or more")
    (at,), (other,) = axes_of("vecdot", axis, a.ndim), axes_of("vecdot", axis, b.ndim)
    if a.shape[at] != b.shape[other]:
        raise ShapeError(
            f"vecdot: {a.shape[at]} and {b.shape[other]} entries along axis {axis} of {a.shape} "
            f"and {b.shape}; allowed: as many"
        )
    if a.dtype.name.startswith("complex"):
        a = ops.OPS["conj"](a)
    a, b = moveaxis(a, at, -1), moveaxis(b, other, -1)
    shape = common_shape("vecdot", a.shape[:-1], b.shape[:-1])
    a = broadcast_to(a, (*shape, a.shape[-1]))
    row, column = ops.expand_dims(a, axis=-2), ops.expand_dims(b, axis=-1)
    return ops.reshape(ops.matmul(row, column), shape=shape)  # type: ignore[no-any-return]
