"""``affine``: a linear layer's product and its bias as one op.

Apart they are three ops forward and six backward, and small models spend their time between ops.
The sums are those of ``matmul`` and the addition that follows, bit for bit.
"""

from typing import Any

import numpy as np

from extensor.errors import ShapeError
from extensor.ops.linear import matmul
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import permute, reshape, sum_to
from extensor.storage import Native


def _check(x: Any, w: Any, b: Any) -> None:
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1] or b.shape != w.shape[:1]:
        raise ShapeError(
            f"affine: shapes {tuple(x.shape)}, {tuple(w.shape)} and {tuple(b.shape)}; allowed: "
            "(..., K), (N, K) and (N,)"
        )


def _affine(x: Any, w: Any, b: Any) -> Any:
    _check(x, w, b)
    y = matmul.meaning(x, w.T)
    return np.add(y, b, out=y) if y.ndim else y + b


def _affine_grad(g: Any, y: Any, x: Any, w: Any, b: Any) -> tuple[Any, ...]:
    rows = g if g.ndim == 2 else reshape(g, shape=(-1, g.shape[-1]))
    given = x if x.ndim == 2 else reshape(x, shape=(-1, x.shape[-1]))
    dx = matmul(g, w) if x.requires_grad else None
    dw = matmul(permute(rows, axes=(1, 0)), given) if w.requires_grad else None
    return dx, dw, sum_to(rows, shape=b.shape) if b.requires_grad else None


affine: Op = op(
    "affine", _affine, _affine_grad, "x Wᵀ + b, for x (..., K), W (N, K) and b (N,)",
    saves=(0, 1), method=False,
    samples=(Sample(((3, 4), (5, 4), (5,))), Sample(((2, 3, 4), (5, 4), (5,)))),
)  # fmt: skip


def _dense(x: Native, w: Native, b: Native) -> bool:
    from extensor.kernels.matmul.cuda_dense import supported

    return w.array.ndim == 2 and b.array.dtype == x.array.dtype and supported(x.array, w.array.T)


@affine.kernel("native", "native", "native", device="cuda", name="cuBLASLt", takes=_dense)
def _affine_dense(x: Any, w: Any, b: Any) -> Any:
    from extensor.kernels.matmul.cuda_dense import dense

    _check(x, w, b)
    y = dense(x, w.T)
    y += b
    return y
