"""Norms of vectors and matrices. float16 and narrower compute in float32, rounded once."""

from math import inf
from typing import Any, Literal

from extensor import ops
from extensor.errors import FormatError
from extensor.functions.operands import Axis, axes_of, tensor, wide
from extensor.ops.linalg import check_matrices
from extensor.ops.reduce import kept
from extensor.tensor import ExTensor


def _root(squares: ExTensor) -> ExTensor:
    """The square root, with gradient 0 at 0."""
    zero = ops.equal(squares, 0.0)
    safe = ops.where(zero, 1.0, squares)
    return ops.where(zero, 0.0, ops.sqrt(safe))  # type: ignore[no-any-return]


def _vector(x: ExTensor, ord: float, how: dict[str, Any]) -> ExTensor:
    """The norm of real numbers that are not negative."""
    if ord == 2:
        return _root(ops.sum(ops.square(x), **how))
    if ord == inf:
        return ops.max(x, **how)  # type: ignore[no-any-return]
    if ord == -inf:
        return ops.min(x, **how)  # type: ignore[no-any-return]
    if ord == 0:
        return ops.sum(ops.not_equal(x, 0.0).to(x.dtype), **how)  # type: ignore[no-any-return]
    if ord == 1:
        return ops.sum(x, **how)  # type: ignore[no-any-return]
    return ops.sum(x**ord, **how) ** (1 / ord)  # type: ignore[no-any-return]


def vector_norm(
    x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2
) -> ExTensor:
    """``sum(|x|**ord)**(1 / ord)`` over some or all axes.

    ord
        2: Euclid's norm, whose gradient at 0 is 0. inf and -inf: the largest and smallest ``|x|``.
        0: how many numbers are not 0.

    >>> import extensor as ex
    >>> ex.linalg.vector_norm([3.0, -4.0]).item()
    5.0
    """
    made, answer = wide("vector_norm", x)
    how = {"axis": axes_of("vector_norm", axis, made.ndim), "keepdims": keepdims}
    y = _vector(ops.abs(made), ord, how)
    return y.to(answer.part if answer.is_complex else answer)


def matrix_norm(
    x: Any, /, *, keepdims: bool = False, ord: float | Literal["fro", "nuc"] | None = "fro"
) -> ExTensor:
    """A norm of each matrix: (..., M, N) to (...).

    ord
        "fro" (or None): the root of the sum of squares. 1, -1: the largest and smallest sum of
        ``|x|`` of a column; inf, -inf: of a row. 2, -2 and "nuc": the largest singular value, the
        smallest, and their sum; these three have no gradient.

    >>> import extensor as ex
    >>> ex.linalg.matrix_norm([[1.0, -2.0], [3.0, 4.0]], ord=1).item()
    6.0
    """
    check_matrices("matrix_norm", tensor(x).shape, square=False)
    made, answer = wide("matrix_norm", x)
    if ord in (2, -2, "nuc"):
        y = _spectral(made, ord)
    elif ord is None or ord == "fro":
        y = _root(ops.sum(ops.square(ops.abs(made)), axis=(-2, -1)))
    elif ord in (1, -1, inf, -inf):
        sums = ops.sum(ops.abs(made), axis=-2 if ord in (1, -1) else -1)
        y = (ops.max if ord in (1, inf) else ops.min)(sums, axis=-1)
    else:
        raise FormatError(
            f"matrix_norm: ord {ord!r}; allowed: 'fro', 'nuc', 1, -1, 2, -2, inf, -inf"
        )
    y = y.to(answer.part if answer.is_complex else answer)
    return ops.reshape(y, shape=kept(made.shape, (-2, -1))) if keepdims else y


def _spectral(x: ExTensor, ord: Any) -> ExTensor:
    s: ExTensor = ops.svdvals(x.detach())
    if ord == "nuc":
        return ops.sum(s, axis=-1)  # type: ignore[no-any-return]
    return ops.max(s, axis=-1) if ord == 2 else ops.min(s, axis=-1)  # type: ignore[no-any-return]
