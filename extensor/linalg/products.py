"""Products of vectors, and diagonals."""

from typing import Any

import numpy as np

from extensor import ops
from extensor.errors import ShapeError
from extensor.formats import FP32, compute, promote
from extensor.functions.operands import alike, tensor
from extensor.functions.shapes import common_shape
from extensor.ops.gather import check_axis
from extensor.ops.linalg import check_matrices
from extensor.tensor import ExTensor


def outer(x1: Any, x2: Any, /) -> ExTensor:
    """``y[i, j] = x1[i] x2[j]``: (M,) and (N,) to (M, N).

    >>> import extensor as ex
    >>> ex.linalg.outer([1, 2], [3, 4]).tolist()
    [[3, 4], [6, 8]]
    """
    a, b = tensor(x1), tensor(x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(f"outer: shapes {a.shape} and {b.shape}; allowed: (M,) and (N,)")
    return ops.mul(ops.expand_dims(a, axis=1), ops.expand_dims(b, axis=0))  # type: ignore[no-any-return]


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> ExTensor:
    """The vector product: ``y[i] = x1[i + 1] x2[i + 2] - x1[i + 2] x2[i + 1]``, indices modulo 3.

    axis
        An axis of three entries in both; the other axes broadcast.

    >>> import extensor as ex
    >>> ex.linalg.cross([1, 0, 0], [0, 1, 0]).tolist()
    [0, 0, 1]
    """
    a, b = alike([tensor(x1), tensor(x2)])
    places = [check_axis("cross", axis, t.ndim) for t in (a, b)]
    shape = common_shape("cross", a.shape, b.shape)
    if any(t.shape[at] != 3 for t, at in zip((a, b), places, strict=True)):
        raise ShapeError(
            f"cross: shapes {a.shape} and {b.shape} along axis {axis}; allowed: three entries there"
        )
    at = check_axis("cross", axis, len(shape)) - len(shape)
    to = compute(a.dtype)
    if to.is_float:
        a, b = (t.to(promote(t.dtype, FP32)) for t in (a, b))

    def moved(t: ExTensor, shift: int) -> ExTensor:
        return ops.roll(t, shift=-shift, axis=at)  # type: ignore[no-any-return]

    return (moved(a, 1) * moved(b, 2) - moved(a, 2) * moved(b, 1)).to(to)


def diagonal(x: Any, /, *, offset: int = 0) -> ExTensor:
    """The diagonal of each matrix: (..., M, N) to (..., K).

    offset
        Above the main diagonal where positive, below it where negative.

    >>> import extensor as ex
    >>> ex.linalg.diagonal([[1, 2], [3, 4]]).tolist()
    [1, 4]
    """
    made = tensor(x)
    check_matrices("diagonal", made.shape, square=False)
    rows, columns = made.shape[-2:]
    first = max(-offset, 0)
    count = max(min(rows - first, columns - max(offset, 0)), 0)
    places = np.arange(count)
    index = (..., places + first, places + max(offset, 0))
    return ops.getitem(made, index=index)  # type: ignore[no-any-return]


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> ExTensor:
    """The sum of the diagonal of each matrix: (..., M, N) to (...).

    dtype
        The format to sum in; None: integers in 64 bits, others as they are.

    >>> import extensor as ex
    >>> ex.linalg.trace([[1.0, 2.0], [3.0, 4.0]]).item()
    5.0
    """
    entries = diagonal(x, offset=offset)
    if dtype is not None:
        entries = entries.to(dtype)
    y: ExTensor = ops.sum(entries, axis=-1)
    return y if dtype is None else y.to(dtype)
