"""im2col: the patches of an image as a matrix, and back.

A convolution is the product of the patches (T, K) with the weights (O, K), where T = N Ho Wo runs
over (n, i, j) and K = C kh kw over (c, u, v). The gradient with respect to the image folds a
(T, K) matrix back: every pixel sums the entries that were copies of it.

Threads share images or rows, never a sum. Arrays are read in C order (others are copied first).
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.window import Pair, four, out_size, same

Floats = NDArray[Any]


@kernel(parallel=True)
def _rows(x: Floats, cols: Floats, size: Pair, stride: Pair, padding: Pair, out: Pair) -> None:
    """cols (T, K)"""
    n, c, h, w = x.shape
    ho, wo = out
    for image in prange(n):
        for i in range(ho):
            top = i * stride[0] - padding[0]
            for j in range(wo):
                left = j * stride[1] - padding[1]
                first, last = max(0, -left), min(size[1], w - left)
                row = cols[(image * ho + i) * wo + j]
                at = 0
                for k in range(c):
                    for u in range(size[0]):
                        y = top + u
                        if y < 0 or y >= h:
                            for v in range(size[1]):
                                row[at + v] = 0
                        else:
                            for v in range(first):
                                row[at + v] = 0
                            for v in range(first, last):
                                row[at + v] = x[image, k, y, left + v]
                            for v in range(max(first, last), size[1]):
                                row[at + v] = 0
                        at += size[1]


@kernel(parallel=True)
def _columns(x: Floats, cols: Floats, size: Pair, stride: Pair, padding: Pair, out: Pair) -> None:
    """cols (K, T)"""
    n, c, h, w = x.shape
    ho, wo = out
    for row in prange(c * size[0] * size[1]):
        k, u, v = row // (size[0] * size[1]), row // size[1] % size[0], row % size[1]
        for image in range(n):
            for i in range(ho):
                y = i * stride[0] - padding[0] + u
                line = cols[row, (image * ho + i) * wo : (image * ho + i + 1) * wo]
                if y < 0 or y >= h:
                    line[:] = 0
                else:
                    for j in range(wo):
                        z = j * stride[1] - padding[1] + v
                        if z >= 0 and z < w:
                            line[j] = x[image, k, y, z]
                        else:
                            line[j] = 0


@kernel(parallel=True)
def _fold(cols: Floats, dx: Floats, size: Pair, stride: Pair, padding: Pair, out: Pair) -> None:
    """dx begins as zeros; each pixel adds its copies in the order (i, j)."""
    n, c, h, w = dx.shape
    ho, wo = out
    for image in prange(n):
        for i in range(ho):
            top = i * stride[0] - padding[0]
            for j in range(wo):
                left = j * stride[1] - padding[1]
                first, last = max(0, -left), min(size[1], w - left)
                row = cols[(image * ho + i) * wo + j]
                for k in range(c):
                    for u in range(max(0, -top), min(size[0], h - top)):
                        at = (k * size[0] + u) * size[1]
                        for v in range(first, last):
                            dx[image, k, top + u, left + v] += row[at + v]


def patches(x: Floats, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> Floats:
    """The patches of x (N, C, H, W) as rows: (N Ho Wo, C kh kw), rows (n, i, j), columns (c, u, v).

    >>> patches(np.arange(6.0).reshape(1, 1, 2, 3), (2, 2)).tolist()
    [[0.0, 1.0, 3.0, 4.0], [1.0, 2.0, 4.0, 5.0]]
    """
    n, c, h, w = four("patches", "x", x.shape)
    out = out_size("patches", (h, w), kernel, stride, padding)
    cols = np.empty((n * out[0] * out[1], c * kernel[0] * kernel[1]), x.dtype)
    _rows(np.ascontiguousarray(x), cols, kernel, stride, padding, out)
    return cols


def patches_transposed(
    x: Floats, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0)
) -> Floats:
    """The patches of x (N, C, H, W) as columns: (C kh kw, N Ho Wo), C-contiguous.

    >>> patches_transposed(np.arange(6.0).reshape(1, 1, 2, 3), (2, 2))[0].tolist()
    [0.0, 1.0]
    """
    n, c, h, w = four("patches_transposed", "x", x.shape)
    out = out_size("patches_transposed", (h, w), kernel, stride, padding)
    cols = np.empty((c * kernel[0] * kernel[1], n * out[0] * out[1]), x.dtype)
    _columns(np.ascontiguousarray(x), cols, kernel, stride, padding, out)
    return cols


def fold(
    cols: Floats,
    x_shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
) -> Floats:
    """The transpose of ``patches``: dx (N, C, H, W), where every pixel sums its copies in ``cols``.

    The sums run in one order, (i, j) ascending, in the type of ``cols``.

    >>> fold(np.ones((2, 4)), (1, 1, 2, 3), (2, 2))[0, 0].tolist()
    [[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]
    """
    n, c, h, w = four("fold", "x", x_shape)
    out = out_size("fold", (h, w), kernel, stride, padding)
    same("fold", "cols", cols.shape, (n * out[0] * out[1], c * kernel[0] * kernel[1]))
    dx = np.zeros((n, c, h, w), cols.dtype)
    _fold(np.ascontiguousarray(cols), dx, kernel, stride, padding, out)
    return dx
