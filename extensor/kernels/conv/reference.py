"""Convolution in plain NumPy, for every float dtype: the definition that the fast path is held to.

``y[n, o, i, j] = sum over c, u, v of x[n, c, i sh + u - ph, j sw + v - pw] w[o, c, u, v]``, where x
is zero outside of the image. (Deep learning's "convolution" does not flip the kernel.) The two
gradients are this sum's transposes. float16 is summed in float32 and rounded once at the end.

Arguments are valid here; ``extensor.kernels.conv.api`` checks them.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from extensor.kernels.window import Pair

Floats = NDArray[Any]


def widen(a: Floats) -> Floats:
    """The array in the type that it is summed in.

    >>> widen(np.ones(1, np.float16)).dtype, widen(np.ones(1)).dtype
    (dtype('float32'), dtype('float64'))
    """
    return a.astype(np.float32) if a.dtype == np.float16 else a


def windows(x: Floats, kernel: Pair, stride: Pair, padding: Pair) -> Floats:
    """A view (N, C, Ho, Wo, kh, kw) of the padded image.

    >>> windows(np.arange(9.0).reshape(1, 1, 3, 3), (2, 2), (1, 1), (0, 0))[0, 0, 1, 1].tolist()
    [[4.0, 5.0], [7.0, 8.0]]
    """
    (ph, pw), (sh, sw) = padding, stride
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    return sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::sh, ::sw]


def conv2d(x: Floats, w: Floats, stride: Pair, padding: Pair) -> Floats:
    """y (N, O, Ho, Wo).

    >>> conv2d(np.ones((1, 2, 3, 3)), np.ones((1, 2, 2, 2)), (1, 1), (0, 0))[0, 0].tolist()
    [[8.0, 8.0], [8.0, 8.0]]
    """
    view = windows(widen(x), (w.shape[2], w.shape[3]), stride, padding)
    y = np.tensordot(view, widen(w), axes=((1, 4, 5), (1, 2, 3)))
    return y.transpose(0, 3, 1, 2).astype(np.result_type(x, w), copy=False)


def conv2d_input_grad(
    g: Floats, w: Floats, x_shape: tuple[int, int, int, int], stride: Pair, padding: Pair
) -> Floats:
    """dx of ``x_shape``, given g = dL/dy.

    >>> g, w = np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2))
    >>> conv2d_input_grad(g, w, (1, 1, 3, 3), (1, 1), (0, 0))[0, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    n, c, h, width = x_shape
    (ph, pw), (sh, sw) = padding, stride
    dtype = np.result_type(g, w)
    g, w = widen(g), widen(w)
    dx = np.zeros((n, c, h + 2 * ph, width + 2 * pw), np.result_type(g, w))
    ho, wo = g.shape[2:]
    for u in range(w.shape[2]):
        for v in range(w.shape[3]):
            part = np.tensordot(g, w[:, :, u, v], axes=(1, 0)).transpose(0, 3, 1, 2)
            dx[:, :, u : u + sh * ho : sh, v : v + sw * wo : sw] += part
    return dx[:, :, ph : ph + h, pw : pw + width].astype(dtype, copy=False)


def conv2d_weight_grad(
    g: Floats, x: Floats, w_shape: tuple[int, int, int, int], stride: Pair, padding: Pair
) -> Floats:
    """dw of ``w_shape``, given g = dL/dy.

    >>> conv2d_weight_grad(
    ...     np.ones((1, 1, 2, 2)), np.arange(9.0).reshape(1, 1, 3, 3), (1, 1, 2, 2), (1, 1), (0, 0)
    ... )[0, 0].tolist()
    [[8.0, 12.0], [20.0, 24.0]]
    """
    ho, wo = g.shape[2:]
    view = windows(widen(x), (w_shape[2], w_shape[3]), stride, padding)[:, :, :ho, :wo]
    dw: Floats = np.tensordot(widen(g), view, axes=((0, 2, 3), (0, 2, 3)))
    return dw.astype(np.result_type(g, x), copy=False)
