"""Products. The gradient of a product is two products."""

from math import prod
from typing import Any

import numpy as np

from extensor.backend import contiguous
from extensor.errors import ShapeError
from extensor.kernels import front as kernels
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import permute, reshape, sum_to
from extensor.storage import Blocked, Native


def _matmul(a: Any, b: Any, exact: bool = False) -> Any:
    if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape}; allowed: the last axis of the first as long "
            "as the second to last (or only) axis of the second"
        )
    if a.ndim > 2 and b.ndim == 2:  # one large product, not one for each leading index
        rows = np.matmul(a.reshape(prod(a.shape[:-1]), a.shape[-1]), b)
        return rows.reshape(*a.shape[:-1], b.shape[1])
    return np.matmul(a, b)


def swap(x: Any) -> Any:
    """The last two axes exchanged."""
    axes = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return permute(x, axes=axes)


def _matmul_grad(g: Any, y: Any, a: Any, b: Any, exact: bool = False) -> tuple[Any, ...]:
    if a.ndim == 1 and b.ndim == 1:
        return g * b, g * a
    if a.ndim == 1:
        row = reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
        da = sum_to(matmul(row, swap(b)), shape=(1, a.shape[0]))
        db = matmul(reshape(a, shape=(-1, 1)), row)
        return reshape(da, shape=a.shape), sum_to(db, shape=b.shape)
    if b.ndim == 1:
        column = reshape(g, shape=(*g.shape, 1))
        db = sum_to(matmul(swap(a), column), shape=(b.shape[0], 1))
        return matmul(column, reshape(b, shape=(1, -1))), reshape(db, shape=b.shape)
    shape, da = a.shape, matmul(g, swap(b))
    if b.ndim == 2 and a.ndim > 2:  # one product over all leading axes, not many and their sum
        rows = prod(a.shape[:-1])
        a, g = reshape(a, shape=(rows, a.shape[-1])), reshape(g, shape=(rows, g.shape[-1]))
    db = matmul(swap(a), g)
    return (
        da if da.shape == shape else sum_to(da, shape=shape),
        db if db.shape == b.shape else sum_to(db, shape=b.shape),
    )


# fmt: off
matmul: Op = op("matmul", _matmul, _matmul_grad,
            "the matrix product, batched over leading axes; exact=True fixes the order of sums",
            saves=(0, 1), complex=True,
            samples=(Sample(((3, 4), (4, 5))), Sample(((2, 3, 4), (4, 5))),
                     Sample(((4,), (4, 5))), Sample(((2, 3, 4), (4,))), Sample(((4,), (4,)))))
# fmt: on


def _matrices(a: Native, b: Native, exact: bool = False) -> bool:
    from extensor.kernels.matmul.cuda_dense import supported

    return supported(a.array, b.array)


@matmul.kernel("native", "native", device="cuda", name="cuBLASLt", takes=_matrices)
def _dense(a: Any, b: Any, exact: bool = False) -> Any:
    from extensor.kernels.matmul.cuda_dense import dense

    return dense(a, b)


# packed operands --------------------------------------------------------------------------------
def _both_packed(a: Blocked, b: Blocked, exact: bool = False) -> bool:
    return (
        len(a.shape) == len(b.shape) == 2
        and (a.axis, b.axis) == (1, 0)
        and a.shape[1] == b.shape[0]
        and _rotation(a) == _rotation(b)
    )


def _rotation(a: Blocked) -> tuple[int, tuple[int, ...]]:
    return (a.transform.hadamard, a.transform.signs) if a.transform else (0, ())


@matmul.kernel("blocked", "blocked", name="packed x packed", takes=_both_packed)
def _packed_packed(a: Blocked, b: Blocked, exact: bool = False) -> Native:
    return Native(kernels.matmul(a.rows, b.rows, exact=exact))


def _right_packed(a: Native, b: Blocked, exact: bool = False) -> bool:
    return (
        len(a.shape) == len(b.shape) == 2
        and b.axis == 0
        and a.shape[1] == b.shape[0]
        and a.array.dtype == np.float32
        and not _rotation(b)[0]
    )


@matmul.kernel("native", "blocked", name="native x packed", takes=_right_packed)
def _native_packed(a: Native, b: Blocked, exact: bool = False) -> Native:
    return Native(kernels.matmul_native(contiguous(a.array), b.rows, exact=exact))


def _left_packed(a: Blocked, b: Native, exact: bool = False) -> bool:
    return (
        len(a.shape) == len(b.shape) == 2
        and a.axis == 1
        and a.shape[1] == b.shape[0]
        and b.array.dtype == np.float32
        and not _rotation(a)[0]
    )


@matmul.kernel("blocked", "native", name="packed x native", takes=_left_packed)
def _packed_native(a: Blocked, b: Native, exact: bool = False) -> Native:
    y = kernels.matmul_native(contiguous(b.array.T), a.rows, exact=exact)
    return Native(y.T)
