"""Between rows and images on CUDA: (T, O) with T = (n, i, j), and images (N, O, Ho, Wo).

Images are C-contiguous here: on a GPU neither order of memory is the faster one.
"""

from typing import Any

from extensor.backend import contiguous


def images_of(rows: Any, n: int, ho: int, wo: int) -> Any:
    """`extensor.kernels.images.images_of` of a device array, C-contiguous."""
    return contiguous(rows.reshape(n, ho, wo, rows.shape[1]).transpose(0, 3, 1, 2))


def rows_of(images: Any) -> Any:
    """`extensor.kernels.images.rows_of` of a device array."""
    n, o, ho, wo = images.shape
    return contiguous(images.transpose(0, 2, 3, 1)).reshape(n * ho * wo, o)
