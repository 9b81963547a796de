"""Running sums and products, and differences of neighbours."""

from typing import Any

from extensor import ops
from extensor.create import full
from extensor.errors import ShapeError
from extensor.functions.operands import tensor
from extensor.ops.gather import check_axis
from extensor.ops.registry import Op
from extensor.tensor import ExTensor


def _running(
    row: Op, first: int, x: Any, axis: int | None, dtype: object, include_initial: bool
) -> ExTensor:
    made = tensor(x)
    if dtype is not None:
        made = made.to(dtype)
    if axis is None:
        if made.ndim != 1:
            raise ShapeError(f"{row.name}: shape {made.shape} without an axis; name one: axis=0")
        axis = 0
    y: ExTensor = row(made, axis=check_axis(row.name, axis, made.ndim))
    if dtype is not None:
        y = y.to(dtype)
    if include_initial:
        lead = [1 if i == axis % y.ndim else n for i, n in enumerate(y.shape)]
        start = full(tuple(lead), first, dtype=y.dtype, device=y.device)
        y = ops.concat(start, y, axis=axis)
    return y


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: object = None, include_initial: bool = False
) -> ExTensor:
    """``y[i] = x[0] + ... + x[i]`` along an axis; of integers in 64 bits.

    axis
        None for a tensor of one axis; ShapeError for others.
    dtype
        The format to convert to before.
    include_initial
        Whether the sum of no numbers, 0, comes first.

    >>> cumulative_sum([1, 2, 3], include_initial=True).tolist()
    [0, 1, 3, 6]
    """
    return _running(ops.cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: object = None, include_initial: bool = False
) -> ExTensor:
    """``y[i] = x[0] * ... * x[i]`` along an axis; of integers in 64 bits.

    axis
        None for a tensor of one axis; ShapeError for others.
    dtype
        The format to convert to before.
    include_initial
        Whether the product of no numbers, 1, comes first.

    >>> cumulative_prod([1, 2, 3], include_initial=True).tolist()
    [1, 1, 2, 6]
    """
    return _running(ops.cumprod, 1, x, axis, dtype, include_initial)


def diff(
    x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> ExTensor:
    """``x[i + 1] - x[i]`` along an axis, ``n`` times; each time the axis is one shorter.

    prepend, append
        Tensors that stand before and after x along the axis.

    >>> diff([1, 4, 9, 16]).tolist(), diff([1, 4, 9, 16], n=2).tolist()
    ([3, 5, 7], [2, 2])
    """
    made = tensor(x)
    axis = check_axis("diff", axis, made.ndim)
    if n < 0:
        raise ShapeError(f"diff: n={n}; allowed: 0 or more")
    parts = [tensor(p) for p in (prepend, made, append) if p is not None]
    y: ExTensor = ops.concat(*parts, axis=axis) if len(parts) > 1 else made
    lead = (slice(None),) * axis
    for _ in range(n):
        y = y[(*lead, slice(1, None))] - y[(*lead, slice(None, -1))]
    return y
