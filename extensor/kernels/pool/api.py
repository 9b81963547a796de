"""What the pooling ops call: operands are checked, then the kernel is chosen.

float32 images whose memory is (C, H, W, N) take ``cpu``; every other type or memory order takes
NumPy (``reference``). Both keep the memory order of x and give the same bits.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import ShapeError
from extensor.kernels.order import batch_inner, to_batch_inner
from extensor.kernels.pool import cpu, reference
from extensor.kernels.window import Pair, four, out_size, same

Floats = NDArray[Any]


def geometry(
    op: str, shape: tuple[int, ...], kernel: Pair, stride: Pair | None, padding: Pair
) -> tuple[Pair, Pair]:
    """(stride, (Ho, Wo)) for x of ``shape``; the stride is the kernel where None.

    ShapeError where a window would hold nothing but padding.

    >>> geometry("max_pool2d", (1, 1, 5, 5), (2, 2), None, (0, 0))
    ((2, 2), (2, 2))
    """
    _, _, h, w = four(op, "x", shape)
    step = kernel if stride is None else stride
    out = out_size(op, (h, w), kernel, step, padding)
    if h < 1 or w < 1 or padding[0] >= kernel[0] or padding[1] >= kernel[1]:
        raise ShapeError(
            f"{op}: image {(h, w)}, padding {padding}, kernel {kernel}; each window must hold a "
            "pixel: the padding must be smaller than the kernel"
        )
    return step, out


def blank(c: int, h: int, w: int, n: int) -> NDArray[np.float32]:
    """Room for a gradient (C, H, W, N) of 2 x 2 windows: zeros where some pixels have no window.

    >>> blank(1, 3, 2, 1).sum().item()
    0.0
    """
    make = np.zeros if h % 2 or w % 2 else np.empty
    return make((c, h, w, n), np.float32)


def max_pool2d(
    x: Floats, kernel: Pair, stride: Pair | None = None, padding: Pair = (0, 0)
) -> Floats:
    """The largest element of each window of x (N, C, H, W): y (N, C, Ho, Wo).

    NaN wins over every number. Padding never wins.

    >>> max_pool2d(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), (2, 2))[0, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    step, out = geometry("max_pool2d", x.shape, kernel, stride, padding)
    if x.dtype != np.float32 or not batch_inner(x):
        return reference.max_pool2d(x, kernel, step, padding, out)
    y = np.empty((x.shape[1], *out, x.shape[0]), np.float32)
    if kernel == step == (2, 2) and padding == (0, 0):
        cpu.max2(to_batch_inner(x), y)
    else:
        cpu.general_max(to_batch_inner(x), y, kernel, step, padding)
    return y.transpose(3, 0, 1, 2)


def max_pool2d_grad(
    g: Floats,
    x: Floats,
    y: Floats,
    kernel: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
) -> Floats:
    """dL/dx from g = dL/dy, x and y = ``max_pool2d(x, ...)``.

    Each g goes to one element: the first in window order (row by row) that equals the maximum,
    or the first NaN. Windows that overlap add up.

    >>> x = np.zeros((1, 1, 2, 2), np.float32)
    >>> y = max_pool2d(x, (2, 2))
    >>> max_pool2d_grad(np.ones_like(y), x, y, (2, 2))[0, 0].tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    op = "max_pool2d_grad"
    step, out = geometry(op, x.shape, kernel, stride, padding)
    for name, a in (("g", g), ("y", y)):
        same(op, name, a.shape, (*x.shape[:2], *out))
    if not (x.dtype == y.dtype == g.dtype == np.float32 and batch_inner(x)):
        return reference.max_pool2d_grad(g, x, y, kernel, step, padding)
    xs, ys, gs = (to_batch_inner(a) for a in (x, y, g))
    if kernel == step == (2, 2) and padding == (0, 0):
        dx = blank(*xs.shape)
        cpu.max2_grad(gs, xs, ys, dx)
    else:
        dx = np.zeros(xs.shape, np.float32)
        cpu.general_max_grad(gs, xs, ys, dx, kernel, step, padding)
    return dx.transpose(3, 0, 1, 2)


def avg_pool2d(
    x: Floats, kernel: Pair, stride: Pair | None = None, padding: Pair = (0, 0)
) -> Floats:
    """The mean of each window of x (N, C, H, W): y (N, C, Ho, Wo).

    The divisor is always kh kw: padding counts as zeros.

    >>> avg_pool2d(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), (2, 2))[0, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    step, out = geometry("avg_pool2d", x.shape, kernel, stride, padding)
    if x.dtype != np.float32 or not batch_inner(x):
        return reference.avg_pool2d(x, kernel, step, padding, out)
    y = np.empty((x.shape[1], *out, x.shape[0]), np.float32)
    if kernel == step == (2, 2) and padding == (0, 0):
        cpu.avg2(to_batch_inner(x), y)
    else:
        cpu.general_avg(to_batch_inner(x), y, kernel, step, padding)
    return y.transpose(3, 0, 1, 2)


def avg_pool2d_grad(
    g: Floats,
    x_shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
) -> Floats:
    """dL/dx of ``x_shape`` from g = dL/dy: g / (kh kw) to every element of its window.

    >>> avg_pool2d_grad(np.ones((1, 1, 1, 1)), (1, 1, 2, 2), (2, 2))[0, 0].tolist()
    [[0.25, 0.25], [0.25, 0.25]]
    """
    op = "avg_pool2d_grad"
    step, out = geometry(op, x_shape, kernel, stride, padding)
    same(op, "g", g.shape, (*x_shape[:2], *out))
    if g.dtype != np.float32 or not batch_inner(g):
        return reference.avg_pool2d_grad(g, x_shape, kernel, step, padding)
    n, c, h, w = x_shape
    if kernel == step == (2, 2) and padding == (0, 0):
        dx = blank(c, h, w, n)
        cpu.avg2_grad(to_batch_inner(g), dx)
    else:
        dx = np.zeros((c, h, w, n), np.float32)
        cpu.general_avg_grad(to_batch_inner(g), dx, kernel, step, padding)
    return dx.transpose(3, 0, 1, 2)
