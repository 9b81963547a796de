"""What the convolution ops call: operands are checked, then the kernel is chosen.

float32 operands take the direct SIMD path (``cpu``), which returns logical (N, C, H, W) arrays
whose memory is (C, H, W, N). Every other float type takes plain NumPy (``reference``).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import DTypeError, ShapeError
from extensor.kernels.conv import cpu, reference
from extensor.kernels.window import Pair, four, out_size, same

Floats = NDArray[Any]


def all_float32(op: str, *operands: Floats) -> bool:
    """Whether the fast path applies; DTypeError for what is not a float at all.

    >>> all_float32("conv2d", np.ones(1, np.float32), np.ones(1))
    False
    """
    for a in operands:
        if a.dtype.kind != "f":
            raise DTypeError(f"{op}: an operand is {a.dtype}; it takes floats; cast it first")
    return all(a.dtype == np.float32 for a in operands)


def check(x: Floats, w: Floats, stride: Pair, padding: Pair, bias: Floats | None) -> Pair:
    """(Ho, Wo) of `conv2d`; ShapeError where the sizes do not fit.

    >>> check(np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3)), (1, 1), (0, 0), None)
    (2, 2)
    """
    xs, ws = four("conv2d", "x", x.shape), four("conv2d", "w", w.shape)
    if xs[1] != ws[1]:
        raise ShapeError(
            f"conv2d: x {xs} has {xs[1]} channels, w {ws} takes {ws[1]}; axis 1 of both must agree"
        )
    out = out_size("conv2d", (xs[2], xs[3]), (ws[2], ws[3]), stride, padding)
    if bias is not None:
        same("conv2d", "bias", bias.shape, (ws[0],))
    return out


def conv2d(
    x: Floats,
    w: Floats,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    bias: Floats | None = None,
) -> Floats:
    """Slide w (O, C, kh, kw) over x (N, C, H, W): y (N, O, Ho, Wo).

    ``y[n, o, i, j] = bias[o] + sum over c, u, v of x[n, c, i sh + u - ph, j sw + v - pw]
    w[o, c, u, v]`` with x zero outside of the image and Ho = (H + 2 ph - kh) // sh + 1.
    ShapeError where the sizes do not fit.

    >>> x = np.ones((2, 3, 4, 4), np.float32)
    >>> conv2d(x, np.ones((5, 3, 3, 3), np.float32)).shape
    (2, 5, 2, 2)
    """
    out = check(x, w, stride, padding, bias)
    if all_float32("conv2d", x, w, *(() if bias is None else (bias,))):
        return cpu.conv2d(x, w, bias, stride, padding, out)
    y = reference.conv2d(x, w, stride, padding)
    return y if bias is None else y + bias[:, None, None]


def check_grad(op: str, g: Floats, xs: Any, ws: Any, stride: Pair, padding: Pair) -> None:
    """ShapeError unless g is of the shape that `conv2d` of these two would give."""
    if xs[1] != ws[1]:
        raise ShapeError(f"{op}: x has {xs[1]} channels, w takes {ws[1]}; they must agree")
    out = out_size(op, (xs[2], xs[3]), (ws[2], ws[3]), stride, padding)
    same(op, "g", g.shape, (xs[0], ws[0], *out))


def conv2d_input_grad(
    g: Floats,
    w: Floats,
    x_shape: tuple[int, ...],
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
) -> Floats:
    """dL/dx of ``x_shape`` from g = dL/dy (N, O, Ho, Wo) and w (O, C, kh, kw).

    ``dx[n, c, p, q] = sum of g[n, o, i, j] w[o, c, u, v]`` over all o, i, j, u, v with
    i sh + u - ph = p and j sw + v - pw = q.

    >>> g, w = np.ones((2, 5, 2, 2), np.float32), np.ones((5, 3, 3, 3), np.float32)
    >>> conv2d_input_grad(g, w, (2, 3, 4, 4))[0, 0, 0].tolist()
    [5.0, 10.0, 10.0, 5.0]
    """
    op = "conv2d_input_grad"
    xs, ws = four(op, "x", x_shape), four(op, "w", w.shape)
    check_grad(op, g, xs, ws, stride, padding)
    if all_float32(op, g, w):
        return cpu.conv2d_input_grad(g, w, xs, stride, padding)
    return reference.conv2d_input_grad(g, w, xs, stride, padding)


def conv2d_weight_grad(
    g: Floats,
    x: Floats,
    w_shape: tuple[int, ...],
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
) -> Floats:
    """dL/dw of ``w_shape`` from g = dL/dy (N, O, Ho, Wo) and x (N, C, H, W).

    ``dw[o, c, u, v] = sum over n, i, j of g[n, o, i, j] x[n, c, i sh + u - ph, j sw + v - pw]``.

    >>> g, x = np.ones((2, 5, 2, 2), np.float32), np.ones((2, 3, 4, 4), np.float32)
    >>> conv2d_weight_grad(g, x, (5, 3, 3, 3))[4, 2, 0].tolist()
    [8.0, 8.0, 8.0]
    """
    op = "conv2d_weight_grad"
    xs, ws = four(op, "x", x.shape), four(op, "w", w_shape)
    check_grad(op, g, xs, ws, stride, padding)
    if all_float32(op, g, x):
        return cpu.conv2d_weight_grad(g, x, ws, stride, padding)
    return reference.conv2d_weight_grad(g, x, ws, stride, padding)
