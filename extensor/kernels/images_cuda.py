"""Between rows and images on CUDA: (T, O) with T = (n, i, j), and images (N, O, Ho, Wo).

Images are C-contiguous here: on a GPU neither order of memory is the faster one. Writes are
coalesced both ways; what they read lies close together, in the first-level cache.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import contiguous, cupy, pointer
from extensor.kernels import ptx
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.index_cuda import LIMIT, divisor, quotient
from extensor.kernels.memory import read_f32, write_f32

THREADS, EACH = 256, 16
_u64, _u32 = types.uint64, types.uint32
_4 = np.uint64(4)


@cuda_kernel(_u64, _u64, *(_u32,) * 7)
def to_planes(  # type: ignore[no-untyped-def]
    x: Any, y: Any, count: Any, size: Any, size_m: Any, size_s: Any, channels: Any,
    down: Any, across: Any,
):  # fmt: skip
    """Rows (count, channels) to images (N, channels, size).

    size
        Places of an image, a `divisor`; count = N size.
    down, across
        Numbers from row to row of x, and from channel to channel.
    """
    i = np.uint32(np.uint32(cuda.blockIdx.x) * np.uint32(THREADS) + np.uint32(cuda.threadIdx.x))
    if i >= count:
        return
    image = quotient(i, size_m, size_s)
    place = np.uint32(i - np.uint32(image * size))
    first = np.uint32(np.uint32(cuda.blockIdx.y) * np.uint32(EACH))
    last = min(np.uint32(first + np.uint32(EACH)), channels)
    row = np.uint32(i * down)
    plane = np.uint64(np.uint32(np.uint32(image * channels) * size)) + np.uint64(place)
    for c in range(first, last):
        to = plane + np.uint64(np.uint32(np.uint32(c) * size))
        at = np.uint32(row + np.uint32(np.uint32(c) * across))
        write_f32(y + _4 * to, read_f32(x + _4 * np.uint64(at)))


@njit()
def _from_plane(
    x: Any, i: Any, size: Any, size_m: Any, size_s: Any, channels: Any, across_m: Any, across_s: Any
) -> Any:
    """Number ``i`` of the rows (count, channels), where the images have it; bits."""
    row = quotient(i, across_m, across_s)
    c = np.uint32(i - np.uint32(row * channels))
    image = quotient(row, size_m, size_s)
    plane = np.uint32(np.uint32(image * channels) + c)
    at = np.uint32(np.uint32(plane * size) + np.uint32(row - np.uint32(image * size)))
    return ptx.load32(x + _4 * np.uint64(at))


@cuda_kernel(_u64, _u64, *(_u32,) * 7)
def to_rows(  # type: ignore[no-untyped-def]
    x: Any, y: Any, n: Any, size: Any, size_m: Any, size_s: Any,
    channels: Any, across_m: Any, across_s: Any,
):  # fmt: skip
    """Images (N, channels, size) to rows (N size, channels): four numbers of n a thread."""
    i = np.uint32(np.uint32(cuda.blockIdx.x) * np.uint32(THREADS) + np.uint32(cuda.threadIdx.x))
    i = np.uint32(i * np.uint32(4))
    d, m = (size, size_m, size_s), (channels, across_m, across_s)
    if i >= n:
        return
    if np.uint32(n - i) >= np.uint32(4):
        ptx.store128(
            y + _4 * np.uint64(i),
            _from_plane(x, i, d[0], d[1], d[2], m[0], m[1], m[2]),
            _from_plane(x, np.uint32(i + np.uint32(1)), d[0], d[1], d[2], m[0], m[1], m[2]),
            _from_plane(x, np.uint32(i + np.uint32(2)), d[0], d[1], d[2], m[0], m[1], m[2]),
            _from_plane(x, np.uint32(i + np.uint32(3)), d[0], d[1], d[2], m[0], m[1], m[2]),
        )
        return
    while i < n:
        ptx.store32(y + _4 * np.uint64(i), _from_plane(x, i, d[0], d[1], d[2], m[0], m[1], m[2]))
        i = np.uint32(i + np.uint32(1))


def _fits(x: Any) -> bool:
    return bool(x.dtype == np.float32 and x.flags.c_contiguous and 0 < x.size < LIMIT)


def images_of(rows: Any, n: int, ho: int, wo: int) -> Any:
    """`extensor.kernels.images.images_of` of a device array, C-contiguous."""
    channels, size = rows.shape[1], ho * wo
    turned = rows.T.flags.c_contiguous
    if not _fits(rows.T if turned else rows):
        return contiguous(rows.reshape(n, ho, wo, channels).transpose(0, 3, 1, 2))
    y = cupy().empty((n, channels, ho, wo), np.float32)
    to_planes.launch(
        (blocks_for(n * size, THREADS), blocks_for(channels, EACH)), THREADS,
        pointer(rows), pointer(y), n * size, *divisor(size), channels,
        *((1, n * size) if turned else (channels, 1)),
    )  # fmt: skip
    return y


def rows_of(images: Any) -> Any:
    """`extensor.kernels.images.rows_of` of a device array."""
    n, o, ho, wo = images.shape
    if not _fits(images):
        return contiguous(images.transpose(0, 2, 3, 1)).reshape(n * ho * wo, o)
    y = cupy().empty((n * ho * wo, o), np.float32)
    to_rows.launch(
        blocks_for(y.size, 4 * THREADS), THREADS,
        pointer(images), pointer(y), y.size, *divisor(ho * wo), *divisor(o),
    )  # fmt: skip
    return y
