"""Inverses, determinants and powers of square matrices, and what solves equations with them."""

from operator import index
from typing import Any, NamedTuple

import numpy as np

from extensor import ops
from extensor.functions.operands import floats, tensor, wide
from extensor.functions.shapes import broadcast_to, matrix_transpose
from extensor.ops.linalg import check_matrices
from extensor.tensor import ExTensor, asarray


class Slogdet(NamedTuple):
    """What `slogdet` gives."""

    sign: ExTensor
    logabsdet: ExTensor


def matrices(name: str, x: Any, square: bool = True) -> ExTensor:
    """A tensor of float (or complex) matrices."""
    made = floats(name, x)
    check_matrices(name, made.shape, square)
    return made


def cholesky(x: Any, /, *, upper: bool = False) -> ExTensor:
    """The lower L with ``L Lᵀ = x`` (upper: ``U = Lᵀ``) of symmetric positive definite matrices.

    What is decomposed is ``(x + xᵀ) / 2``; FormatError where that is not positive definite.

    >>> import extensor as ex
    >>> ex.linalg.cholesky([[4.0, 2.0], [2.0, 5.0]]).tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    lower: ExTensor = ops.cholesky(matrices("cholesky", x))
    if not upper:
        return lower
    return matrix_transpose(ops.OPS["conj"](lower) if lower.dtype.is_complex else lower)


def det(x: Any, /) -> ExTensor:
    """The determinant: (..., M, M) to (...). The gradient asks for matrices with an inverse.

    >>> import extensor as ex
    >>> ex.linalg.det([[2.0, 0.0], [0.0, 3.0]]).item()
    6.0
    """
    return ops.det(matrices("det", x))  # type: ignore[no-any-return]


def slogdet(x: Any, /) -> Slogdet:
    """The sign of the determinant and the logarithm of its size, without overflow.

    The sign has no gradient.

    >>> import extensor as ex
    >>> sign, logabsdet = ex.linalg.slogdet([[-1.0, 0.0], [0.0, 1.0]])
    >>> sign.item(), logabsdet.item()
    (-1.0, 0.0)
    """
    made = matrices("slogdet", x)
    return Slogdet(ops.det_sign(made), ops.logabsdet(made))


def inv(x: Any, /) -> ExTensor:
    """The inverse; FormatError for a singular matrix.

    >>> import extensor as ex
    >>> ex.linalg.inv([[2.0, 0.0], [0.0, 4.0]]).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return ops.inv(matrices("inv", x))  # type: ignore[no-any-return]


def pinv(x: Any, /, *, rtol: Any = None) -> ExTensor:
    """The pseudo-inverse of Moore and Penrose: (..., M, N) to (..., N, M).

    rtol
        Singular values below ``rtol`` times the largest count as 0; None: max(M, N) times the
        spacing of numbers at 1. The gradient asks for a rank that does not change nearby.

    >>> import extensor as ex
    >>> ex.linalg.pinv([[2.0], [0.0]]).tolist()
    [[0.5, 0.0]]
    """
    made = matrices("pinv", x, square=False)
    limit = rtol if rtol is None or isinstance(rtol, float) else np.asarray(tensor(rtol).numpy())
    return ops.pinv(made, rtol=limit)  # type: ignore[no-any-return]


def solve(x1: Any, x2: Any, /) -> ExTensor:
    """The y with ``x1 y = x2``: (..., M, M) and (M,) or (..., M, K).

    FormatError for a singular matrix.

    >>> import extensor as ex
    >>> ex.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0]).tolist()
    [0.5, 0.25]
    """
    return ops.solve(matrices("solve", x1), floats("solve", x2))  # type: ignore[no-any-return]


def matrix_power(x: Any, n: int, /) -> ExTensor:
    """``x @ x @ ... @ x``, n times; the identity for 0, powers of the inverse below 0.

    >>> import extensor as ex
    >>> ex.linalg.matrix_power([[1.0, 1.0], [0.0, 1.0]], 5).tolist()
    [[1.0, 5.0], [0.0, 1.0]]
    """
    made, answer = wide("matrix_power", matrices("matrix_power", x))
    times = index(n)
    if times == 0:
        one = asarray(np.eye(made.shape[-1]), answer, made.device)
        return broadcast_to(one, made.shape)
    square: ExTensor = ops.inv(made) if times < 0 else made
    y, times = None, abs(times)
    while times:
        if times & 1:
            y = square if y is None else y @ square
        times >>= 1
        if times:
            square = square @ square
    assert y is not None
    return y.to(answer)
