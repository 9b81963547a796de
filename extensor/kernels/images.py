"""Between rows and images: (T, O) with T = (n, i, j), and images (N, O, Ho, Wo).

The GEMMs of a convolution under a recipe speak rows; pooling and activations are fastest on
images whose memory is batch-innermost (O, Ho, Wo, N). Each kernel is one pass over both.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.order import batch_inner, to_batch_inner

Floats = NDArray[Any]


@kernel(parallel=True)
def _to_images(rows: Floats, images: Floats) -> None:
    """rows (N, P, O) to images (O, P, N)"""
    n, positions, o = rows.shape
    for p in prange(positions):
        for c in range(o):
            for i in range(n):
                images[c, p, i] = rows[i, p, c]


@kernel(parallel=True)
def _to_rows(images: Floats, rows: Floats) -> None:
    """images (O, P, N) to rows (N, P, O)"""
    n, positions, o = rows.shape
    for p in prange(positions):
        for i in range(n):
            for c in range(o):
                rows[i, p, c] = images[c, p, i]


def images_of(rows: Floats, n: int, ho: int, wo: int) -> Floats:
    """Rows (N Ho Wo, O) as images (N, O, Ho, Wo), memory batch-innermost.

    >>> images_of(np.arange(8, dtype=np.float32).reshape(4, 2), 1, 2, 2)[0, 1].tolist()
    [[1.0, 3.0], [5.0, 7.0]]
    """
    o = rows.shape[1]
    images = np.empty((o, ho * wo, n), rows.dtype)
    _to_images(np.ascontiguousarray(rows).reshape(n, ho * wo, o), images)
    return images.reshape(o, ho, wo, n).transpose(3, 0, 1, 2)


def rows_of(images: Floats) -> Floats:
    """Images (N, O, Ho, Wo) as rows (N Ho Wo, O), C-contiguous.

    >>> rows_of(np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)).tolist()
    [[0.0, 4.0], [1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]
    """
    n, o, ho, wo = images.shape
    if images.dtype != np.float32 or not batch_inner(images):
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1)).reshape(-1, o)
    rows = np.empty((n, ho * wo, o), np.float32)
    _to_rows(to_batch_inner(images).reshape(o, ho * wo, n), rows)
    return rows.reshape(-1, o)
