"""Decompositions, eigenvalues and singular values. None of them has a gradient."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from extensor import ops
from extensor.errors import FormatError
from extensor.formats import FP64
from extensor.functions.operands import beside, tensor, wide
from extensor.functions.shapes import broadcast_to
from extensor.linalg.inverses import matrices
from extensor.ops.convert import arrays_of, store
from extensor.ops.linalg import check_matrices
from extensor.tensor import ExTensor, asarray


class Eigh(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: ExTensor
    eigenvectors: ExTensor


class QR(NamedTuple):
    """What `qr` gives."""

    Q: ExTensor
    R: ExTensor


class SVD(NamedTuple):
    """What `svd` gives."""

    U: ExTensor
    S: ExTensor
    Vh: ExTensor


def _parts(name: str, x: Any, square: bool, run: Callable[[Any], Any]) -> list[ExTensor]:
    """What LAPACK makes of the matrices, in float32 or wider, rounded once."""
    made = tensor(x)
    check_matrices(name, made.shape, square)
    inside, answer = wide(name, made.detach())
    try:
        parts = run(arrays_of(inside.storage))
    except np.linalg.LinAlgError as error:
        raise FormatError(
            f"{name}: {error}, in a matrix (or one of a stack) of shape {made.shape}; check its "
            "values: ex.isfinite(x)"
        ) from None
    return [ExTensor(store(p, p.dtype if answer.is_complex else answer)) for p in parts]


def eigh(x: Any, /) -> Eigh:
    """Eigenvalues, ascending, and eigenvectors (columns) of symmetric matrices.

    Only the lower triangle is read.

    >>> import extensor as ex
    >>> ex.linalg.eigh([[2.0, 0.0], [0.0, 1.0]]).eigenvalues.tolist()
    [1.0, 2.0]
    """
    return Eigh(*_parts("eigh", x, True, np.linalg.eigh))


def eigvalsh(x: Any, /) -> ExTensor:
    """The eigenvalues, ascending, of symmetric matrices: (..., M, M) to (..., M).

    >>> import extensor as ex
    >>> ex.linalg.eigvalsh([[2.0, 0.0], [0.0, 1.0]]).tolist()
    [1.0, 2.0]
    """
    return ops.eigvalsh(matrices("eigvalsh", x))  # type: ignore[no-any-return]


def qr(x: Any, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QR:
    """``x = Q R``: orthonormal columns, and an upper triangle.

    mode
        "reduced": K = min(M, N) columns of Q and rows of R. "complete": M.

    >>> import extensor as ex
    >>> q, r = ex.linalg.qr([[3.0, 1.0], [4.0, 2.0]])
    >>> q.shape, abs(r[0, 0].item())
    ((2, 2), 5.0)
    """
    if mode not in ("reduced", "complete"):
        raise FormatError(f"qr: mode {mode!r}; allowed: 'reduced', 'complete'")
    return QR(*_parts("qr", x, False, lambda a: np.linalg.qr(a, mode=mode)))


def svd(x: Any, /, *, full_matrices: bool = True) -> SVD:
    """``x = U diag(S) Vh``; singular values S, the largest first.

    full_matrices
        Whether U is (..., M, M) and Vh (..., N, N), or only the first min(M, N) columns and rows.

    >>> import extensor as ex
    >>> ex.linalg.svd([[0.0, 2.0], [1.0, 0.0]]).S.tolist()
    [2.0, 1.0]
    """
    return SVD(*_parts("svd", x, False, lambda a: np.linalg.svd(a, full_matrices=full_matrices)))


def svdvals(x: Any, /) -> ExTensor:
    """The singular values, the largest first: (..., M, N) to (..., min(M, N)).

    >>> import extensor as ex
    >>> ex.linalg.svdvals([[0.0, 2.0], [1.0, 0.0]]).tolist()
    [2.0, 1.0]
    """
    return ops.svdvals(matrices("svdvals", x, square=False))  # type: ignore[no-any-return]


def matrix_rank(x: Any, /, *, rtol: Any = None) -> ExTensor:
    """How many singular values are not small, int64: (..., M, N) to (...).

    rtol
        Small is at most ``rtol`` times the largest; None: max(M, N) times the spacing at 1.

    >>> import extensor as ex
    >>> ex.linalg.matrix_rank([[1.0, 2.0], [2.0, 4.0]]).item()
    1
    """
    made = matrices("matrix_rank", x, square=False)
    inside, _ = wide("matrix_rank", made.detach())
    s: ExTensor = ops.svdvals(inside)
    if s.shape[-1] == 0:
        return broadcast_to(asarray(0, device=made.device), made.shape[:-2])
    small = max(made.shape[-2:]) * (2.0**-52 if s.dtype == FP64 else 2.0**-23)
    limit = small if rtol is None else ops.expand_dims(beside(s, rtol).to(s.dtype), axis=-1)
    above = s > ops.max(s, axis=-1, keepdims=True) * limit
    return ops.count_nonzero(above, axis=-1)  # type: ignore[no-any-return]
