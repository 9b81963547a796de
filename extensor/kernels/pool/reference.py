"""Pooling in plain NumPy: one pass over the image for each position in the window.

Any float type and any memory order; results keep the memory order of x. Arguments are valid here;
``extensor.kernels.pool.api`` checks them.

Gradients go through the positions backwards, so that a pixel under several windows adds them in
the order of the windows, as ``cpu`` does.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.kernels.window import Pair

Floats = NDArray[Any]


def padded(x: Floats, padding: Pair, value: float) -> Floats:
    """x with a border of ``value``, in the memory order of x; x itself without padding.

    >>> padded(np.ones((1, 1, 1, 1)), (0, 1), 0.0).tolist()
    [[[[0.0, 1.0, 0.0]]]]
    """
    if padding == (0, 0):
        return x
    ph, pw = padding
    return np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=value)


def lowest(dtype: np.dtype[Any]) -> Any:
    """What loses against every number of a type: the padding of a maximum.

    >>> lowest(np.dtype("int8")), lowest(np.dtype("float32"))
    (-128, -inf)
    """
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min)
    return False if dtype.kind == "b" else -np.inf


def positions(x: Floats, kernel: Pair, stride: Pair, out: Pair) -> Iterator[Floats]:
    """For each position in the window, row by row: the view (N, C, Ho, Wo) of what lies there.

    >>> x = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> [part.item() for part in positions(x, (2, 2), (1, 1), (1, 1))]
    [0.0, 1.0, 2.0, 3.0]
    """
    (sh, sw), (ho, wo) = stride, out
    for u in range(kernel[0]):
        for v in range(kernel[1]):
            yield x[:, :, u : u + sh * ho : sh, v : v + sw * wo : sw][:, :, :ho, :wo]


def max_pool2d(x: Floats, kernel: Pair, stride: Pair, padding: Pair, out: Pair) -> Floats:
    """The largest element of each window; NaN if there is one.

    >>> max_pool2d(np.arange(4.0).reshape(1, 1, 2, 2), (2, 2), (2, 2), (0, 0), (1, 1)).item()
    3.0
    """
    parts = positions(padded(x, padding, lowest(x.dtype)), kernel, stride, out)
    y: Floats = next(parts).copy("K")
    for part in parts:
        np.maximum(y, part, out=y)
    return y


def max_pool2d_grad(
    g: Floats, x: Floats, y: Floats, kernel: Pair, stride: Pair, padding: Pair
) -> Floats:
    """dx: each g goes to the first element of its window that is the maximum (or is NaN).

    >>> one = np.ones((1, 1, 1, 1))
    >>> max_pool2d_grad(one, np.ones((1, 1, 2, 2)), one, (2, 2), (2, 2), (0, 0)).tolist()
    [[[[1.0, 0.0], [0.0, 0.0]]]]
    """
    (ph, pw), (h, w) = padding, x.shape[2:]
    wide = padded(x, padding, lowest(x.dtype))
    dx = np.zeros_like(wide, dtype=np.result_type(g, x))
    out = (y.shape[2], y.shape[3])
    free, hits = np.ones_like(y, dtype=bool), []
    pixel = padded(np.ones_like(x[:1, :1], dtype=bool), padding, False)
    inside = positions(pixel, kernel, stride, out)
    for part, known in zip(positions(wide, kernel, stride, out), inside, strict=True):
        hits.append(free & known & ((part == y) | np.isnan(part)))
        free &= ~hits[-1]
    for place in reversed(list(positions(dx, kernel, stride, out))):
        place += np.where(hits.pop(), g, g.dtype.type(0))
    return dx[:, :, ph : ph + h, pw : pw + w]


def avg_pool2d(x: Floats, kernel: Pair, stride: Pair, padding: Pair, out: Pair) -> Floats:
    """The sum of each window (padding counts as zeros) over the window's size.

    >>> avg_pool2d(np.arange(4.0).reshape(1, 1, 2, 2), (2, 2), (2, 2), (0, 0), (1, 1)).item()
    1.5
    """
    parts = positions(padded(x, padding, 0.0), kernel, stride, out)
    y: Floats = next(parts).copy("K")
    for part in parts:
        y += part
    y /= y.dtype.type(kernel[0] * kernel[1])
    return y


def avg_pool2d_grad(
    g: Floats, x_shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair
) -> Floats:
    """dx of ``x_shape``: g / (kh kw), added to every element of its window.

    >>> avg_pool2d_grad(np.ones((1, 1, 1, 1)), (1, 1, 2, 2), (2, 2), (2, 2), (0, 0)).tolist()
    [[[[0.25, 0.25], [0.25, 0.25]]]]
    """
    n, c, h, w = x_shape
    ph, pw = padding
    dx = np.zeros_like(g, order="C", shape=(n, c, h + 2 * ph, w + 2 * pw))
    share = g / g.dtype.type(kernel[0] * kernel[1])
    for place in reversed(list(positions(dx, kernel, stride, (g.shape[2], g.shape[3])))):
        place += share
    return dx[:, :, ph : ph + h, pw : pw + w]
