"""Some of the patches of an image at a time, for kernels that never want all of them.

The image is copied once, padded with zeros, so that gathering needs no bounds. Copies move eight
numbers at a time; what they write past the end of a run, the next run overwrites.
"""

import numpy as np
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.matmul.lookup import copy_floats
from extensor.kernels.window import Pair

SLACK = 8
"""Numbers past an end that copies may touch: of the image, and of the buffer."""


def padded(x: NDArray[np.float32], padding: Pair) -> NDArray[np.float32]:
    """The image in C order with its zeros around, and slack behind.

    >>> padded(np.ones((1, 1, 1, 1), np.float32), (0, 1)).tolist()
    [[[[0.0, 1.0, 0.0]]]]
    """
    n, c, h, w = x.shape
    shape = (n, c, h + 2 * padding[0], w + 2 * padding[1])
    flat = np.zeros(int(np.prod(shape)) + 2 * SLACK + w, np.float32)
    image = flat[: int(np.prod(shape))].reshape(shape)
    image[:, :, padding[0] : padding[0] + h, padding[1] : padding[1] + w] = x
    return image


@kernel()
def gather_rows(
    x: NDArray[np.float32], size: Pair, stride: Pair, out: Pair, t0: int, t1: int,
    pitch: int, to: NDArray[np.float32],
) -> None:  # fmt: skip
    """Rows t0 .. t1 of the patches of a padded image, ``pitch`` numbers apart, zeros between."""
    _, c, h, w = x.shape
    places = out[0] * out[1]
    used = c * size[0] * size[1]
    wide = (size[1] + SLACK - 1) // SLACK * SLACK
    n, i, j = t0 // places, t0 % places // out[1], t0 % out[1]
    for r in range(t1 - t0):
        at = r * pitch
        for k in range(c):
            pixel = ((n * c + k) * h + i * stride[0]) * w + j * stride[1]
            for u in range(size[0]):
                copy_floats(x, pixel + u * w, wide, to, at)
                at += size[1]
        for z in range(r * pitch + used, (r + 1) * pitch):
            to[z] = np.float32(0)
        j += 1
        if j == out[1]:
            i, j = i + 1, 0
            if i == out[0]:
                n, i = n + 1, 0


@kernel()
def gather_columns(
    x: NDArray[np.float32], size: Pair, stride: Pair, out: Pair, t0: int, t1: int,
    pitch: int, to: NDArray[np.float32],
) -> None:  # fmt: skip
    """Places t0 .. t1 of all columns of the patches; each column in a row of ``pitch`` numbers."""
    _, c, h, w = x.shape
    places = out[0] * out[1]
    flat = x.reshape(-1)
    for row in range(c * size[0] * size[1]):
        k, u, v = row // (size[0] * size[1]), row // size[1] % size[0], row % size[1]
        n, i, j = t0 // places, t0 % places // out[1], t0 % out[1]
        at, last = row * pitch, row * pitch + t1 - t0
        while at < last:
            count = min(out[1] - j, last - at)
            pixel = ((n * c + k) * h + i * stride[0] + u) * w + j * stride[1] + v
            if stride[1] == 1:
                copy_floats(x, pixel, (count + SLACK - 1) // SLACK * SLACK, to, at)
            else:
                for z in range(count):
                    to[at + z] = flat[pixel + z * stride[1]]
            at += count
            i, j = i + 1, 0
            if i == out[0]:
                n, i = n + 1, 0
