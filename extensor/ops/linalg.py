"""Linear algebra of (stacks of) matrices, computed by LAPACK (cuSOLVER on a GPU).

Narrow formats compute in float32 and are rounded once. The gradients are closed forms of Giles,
"Collected Matrix Derivative Results for Forward and Reverse Mode Algorithmic Differentiation",
2008, for real matrices; ``m`` is a matrix, and ᵀ exchanges the last two axes.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from extensor.errors import FormatError, ShapeError
from extensor.ops.linear import matmul, swap
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import expand_dims, squeeze, sum_to

_DEFINITE = np.array([[4.0, -1.0, 0.0], [-1.0, 3.0, -1.0], [0.0, -1.0, 2.0]])
_TWO = np.array([[[2.0, 1.0], [-0.5, 3.0]], [[1.0, -3.0], [4.0, 1.0]]])
_SQUARE = (Sample((_DEFINITE,)), Sample((_TWO,)))
_TALL = (
    Sample((np.array([[2.0, 1.0], [0.0, 1.0], [-1.0, 3.0]]),)),
    Sample((np.array([[2.0, 0.0, 1.0], [1.0, 4.0, 0.5]]),)),
)


def check_matrices(name: str, shape: tuple[int, ...], square: bool = True) -> None:
    """ShapeError unless the last two axes are matrices (square ones)."""
    if len(shape) < 2 or (square and shape[-1] != shape[-2]):
        allowed = "(..., M, M)" if square else "(..., M, N)"
        raise ShapeError(f"{name}: shape {shape}; allowed: {allowed}")


def _lapack(name: str, run: Callable[..., Any], square: bool = True) -> Callable[..., Any]:
    """A meaning that names what LAPACK cannot do."""

    @wraps(run)
    def meant(x: Any, *others: Any, **attributes: Any) -> Any:
        check_matrices(name, x.shape, square)
        try:
            return run(x, *others, **attributes)
        except np.linalg.LinAlgError as error:
            raise FormatError(
                f"{name}: {error}, in a matrix (or one of a stack) of shape {x.shape}; check "
                "its values, for example with ex.linalg.matrix_rank or ex.linalg.pinv"
            ) from None

    return meant


def _one(
    name: str, run: Any, grad: Any, doc: str, samples: tuple[Sample, ...] = _SQUARE, **facts: Any
) -> Op:
    facts = {"result": "float", "complex": True, "method": False, **facts}
    return op(name, _lapack(name, run, samples is _SQUARE), grad, doc, samples=samples, **facts)


def _matrix(g: Any) -> Any:
    """A number for each matrix, to be multiplied with it."""
    return expand_dims(g, axis=(-2, -1))


def _inv_grad(g: Any, y: Any, x: Any) -> tuple[Any, ...]:
    return (-matmul(swap(y), matmul(g, swap(y))),)


def _solve(a: Any, b: Any) -> Any:
    if b.ndim == 0 or a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        raise ShapeError(
            f"solve: shapes {a.shape} and {b.shape}; allowed: (..., M, M) and (M,) or (..., M, K)"
        )
    return np.linalg.solve(a, b) if b.ndim > 1 else np.linalg.solve(a, b[:, None])[..., 0]


def _solve_grad(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
    """d b = A⁻ᵀ g and d A = - d b yᵀ; a vector is a matrix of one column."""
    vector = b.ndim == 1
    if vector:
        g, y = expand_dims(g, axis=-1), expand_dims(y, axis=-1)
    db = solve(swap(a), g)
    da = sum_to(-matmul(db, swap(y)), shape=a.shape)
    return da, sum_to(squeeze(db, axis=-1) if vector else db, shape=b.shape)


def _cholesky(x: Any) -> Any:
    return np.linalg.cholesky((x + np.conj(np.swapaxes(x, -1, -2))) * x.dtype.type(0.5))


def _cholesky_grad(g: Any, y: Any, x: Any) -> tuple[Any, ...]:
    """M = L⁻ᵀ Φ(Lᵀ g) L⁻¹, where Φ keeps the lower half; its symmetric part."""
    upper = swap(y)
    half = solve(upper, lower_half(matmul(upper, g)))
    m = solve(upper, swap(half))
    return ((m + swap(m)) * 0.5,)


def _lower_half(x: Any) -> Any:
    return np.tril(x) - np.tril(np.triu(x)) * x.dtype.type(0.5)


def _pinv(x: Any, rtol: Any = None) -> Any:
    if x.size == 0:
        return np.swapaxes(x, -1, -2).copy()
    if rtol is None:
        rtol = max(x.shape[-2:]) * np.finfo(x.dtype).eps
    return np.linalg.pinv(x, rtol)


def _pinv_grad(g: Any, y: Any, x: Any, rtol: Any = None) -> tuple[Any, ...]:
    """Golub and Pereyra, 1973, for matrices whose rank does not change nearby:
    -Yᵀ g Yᵀ + (g' - X Y g') Y Yᵀ + Yᵀ Y (g' - g' Y X), g' = gᵀ."""
    yt, gt = swap(y), swap(g)
    left = gt - matmul(x, matmul(y, gt))
    right = gt - matmul(matmul(gt, y), x)
    first = -matmul(yt, matmul(g, yt))
    return (first + matmul(left, matmul(y, yt)) + matmul(matmul(yt, y), right),)


# fmt: off
det: Op = _one("det", np.linalg.det, lambda g, y, x: (_matrix(g * y) * swap(inv(x)),),
               "the determinant; gradient: g det(m) m⁻ᵀ, for matrices that have an inverse",
               saves=(0, "y"))
logabsdet: Op = _one("logabsdet", lambda x: np.linalg.slogdet(x)[1],
                     lambda g, y, x: (_matrix(g) * swap(inv(x)),),
                     "log |det(m)|, without overflow; gradient: g m⁻ᵀ", saves=(0,), result="part")
det_sign: Op = _one("det_sign", lambda x: np.linalg.slogdet(x)[0], None,
                    "det(m) / |det(m)|, 0 for a singular matrix")
inv: Op = _one("inv", np.linalg.inv, _inv_grad, "the inverse; gradient: -yᵀ g yᵀ", saves=("y",))
solve: Op = op("solve", _lapack("solve", _solve), _solve_grad,
               "the y with a y = b; gradient: A⁻ᵀ g for b, and minus its product with yᵀ for a",
               saves=(0, "y"), result="float", complex=True, method=False,
               samples=(Sample((_DEFINITE, (3, 2))), Sample((_TWO, (2,))),
                        Sample((_DEFINITE, (2, 3, 1)))))
cholesky: Op = _one("cholesky", _cholesky, _cholesky_grad,
                    "the lower L with L Lᵀ = (m + mᵀ) / 2", (Sample((_DEFINITE,)),), saves=("y",))
lower_half: Op = _one("lower_half", _lower_half, lambda g, y, x: (lower_half(g),),
                      "the lower triangle, its diagonal halved")
pinv: Op = _one("pinv", _pinv, _pinv_grad,
                "the pseudo-inverse; singular values below rtol times the largest count as 0",
                _TALL, saves=(0, "y"))
svdvals: Op = _one("svdvals", lambda x: np.linalg.svd(x, compute_uv=False), None,
                   "the singular values, the largest first", _TALL, result="part")
eigvalsh: Op = _one("eigvalsh", np.linalg.eigvalsh, None,
                    "the eigenvalues of a symmetric matrix (its lower triangle), ascending",
                    result="part")
# fmt: on
