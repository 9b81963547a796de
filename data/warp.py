"""Kernels of augmentation: bilinear sampling at any coordinates, and a separable blur."""

import numpy as np
from numpy.typing import NDArray

from extensor.jit import kernel

Array = NDArray[np.float32]


@kernel()
def sample(images: Array, rows: Array, columns: Array, out: Array) -> None:
    """``out[n, c, i, j]`` = the image n, c at (rows[n, i, j], columns[n, i, j]), bilinear.

    images, out
        Shape (N, C, H, W).
    rows, columns
        Shape (N, H, W), in pixels; pixel (0, 0) has its centre at (0, 0). Outside all is 0.

    >>> picture = np.array([[[[0, 4]]]], np.float32)
    >>> out = np.empty_like(picture)
    >>> sample(picture, np.zeros((1, 1, 2), np.float32), np.array([[[0.25, 1]]], np.float32), out)
    >>> out.tolist()
    [[[[1.0, 4.0]]]]
    """
    count, channels, height, width = images.shape
    for n in range(count):
        for i in range(height):
            for j in range(width):
                y, x = np.floor(rows[n, i, j]), np.floor(columns[n, i, j])
                dy, dx = rows[n, i, j] - y, columns[n, i, j] - x
                # far outside is all the same; the clip keeps the integers small
                top = int(min(max(y, np.float32(-2)), np.float32(height)))
                left = int(min(max(x, np.float32(-2)), np.float32(width)))
                up, back = np.float32(1) - dy, np.float32(1) - dx
                first, second = 0 <= top < height, -1 <= top < height - 1
                near, far = 0 <= left < width, -1 <= left < width - 1
                for c in range(channels):
                    total = np.float32(0)
                    if first and near:
                        total += np.float32(up * back) * images[n, c, top, left]
                    if first and far:
                        total += np.float32(up * dx) * images[n, c, top, left + 1]
                    if second and near:
                        total += np.float32(dy * back) * images[n, c, top + 1, left]
                    if second and far:
                        total += np.float32(dy * dx) * images[n, c, top + 1, left + 1]
                    out[n, c, i, j] = total


@kernel()
def blur(fields: Array, down: Array, across: Array, out: Array) -> None:
    """``out[n]`` = down · fields[n] · acrossᵀ, summed in ascending order.

    fields, out
        Shape (N, H, W).
    down, across
        Shapes (H, H) and (W, W): row i holds the weights of the neighbours of i.
    """
    count, height, width = fields.shape
    rows, turned = np.empty((height, width), np.float32), np.ascontiguousarray(across.T)
    for n in range(count):
        rows[:] = np.float32(0)
        for i in range(height):
            for k in range(height):
                for j in range(width):
                    rows[i, j] += down[i, k] * fields[n, k, j]
        out[n] = np.float32(0)
        for i in range(height):
            for k in range(width):
                for j in range(width):
                    out[n, i, j] += turned[k, j] * rows[i, k]


def gaussian(size: int, sigma: float) -> Array:
    """The (size, size) matrix of a Gaussian blur: weight exp(-(i - k)² / 2σ²) over its total.

    The total is that of an unbounded row of pixels, so the blur fades where neighbours are missing.

    >>> bool(abs(gaussian(41, 2.0)[20].sum() - 1) < 1e-6)
    True
    """
    reach = np.arange(-int(8 * sigma) - 1, int(8 * sigma) + 2, dtype=np.float64)
    distance = np.subtract.outer(np.arange(size), np.arange(size)).astype(np.float64)
    total = np.exp(-(reach**2) / (2 * sigma**2)).sum()
    weights: Array = (np.exp(-(distance**2) / (2 * sigma**2)) / total).astype(np.float32)
    return weights
