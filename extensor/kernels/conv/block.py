"""Blocks of 16 images: the layout that the direct convolution computes in.

Images come as one flat float32 array in one of two memory orders: (N, C, H, W), or batch
innermost (C, H, W, N), which is what the convolutions themselves return. A block holds images
``n0 .. n0 + 16`` as (C, Hp, Wp, 16), placed with zeros around and between the pixels: pixel
(i, j) goes to (top + i apart, left + j apart); what falls outside is left out. So padding,
dilation (for the gradient of strided convolutions), the memory order and the end of the batch
(missing images are zeros) all end here, and a block of LeNet's size stays in the L2 cache
whatever the batch is.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.conv.tiles import copy16
from extensor.kernels.order import batch_inner, to_batch_inner

Floats = NDArray[np.float32]
Four = tuple[int, int, int, int]


def flat(x: NDArray[Any]) -> tuple[Floats, bool]:
    """The elements of x (N, C, H, W) in memory order, and whether the batch is innermost.

    Copies only what is in neither of the two orders.

    >>> flat(np.zeros((2, 3, 4, 4), np.float32).transpose(3, 0, 1, 2))[1]
    True
    """
    if batch_inner(x) and not x.flags.c_contiguous:
        return to_batch_inner(x).reshape(-1), True
    return np.ascontiguousarray(x).reshape(-1), False


@kernel()
def fill(
    x: Floats,
    inner: bool,
    shape: Four,
    n0: int,
    corner: tuple[int, int],
    apart: tuple[int, int],
    size: tuple[int, int],
    block: Floats,
) -> None:
    """Write images ``n0 .. n0 + 16`` into a block whose other elements are zero already.

    >>> block = np.zeros(4 * 16, np.float32)
    >>> x = np.arange(1, 5, dtype=np.float32)
    >>> fill(x, False, (1, 1, 2, 2), 0, (0, 0), (1, 1), (2, 2), block)
    >>> block[::16].tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    n, c, h, w = shape
    (top, left), (down, right), (hp, wp) = corner, apart, size
    count = min(n - n0, 16)
    zero = np.float32(0)
    for k in range(c):
        for i in range(h):
            y = top + i * down
            if y < 0 or y >= hp:
                continue
            row = (k * hp + y) * wp
            if inner:
                for j in range(w):
                    z = left + j * right
                    if z < 0 or z >= wp:
                        continue
                    source = ((k * h + i) * w + j) * n + n0
                    target = (row + z) * 16
                    if count == 16:
                        copy16(x, source, block, target)
                    else:
                        for lane in range(16):
                            block[target + lane] = x[source + lane] if lane < count else zero
            else:
                for lane in range(16):
                    source = (((n0 + lane) * c + k) * h + i) * w
                    for j in range(w):
                        z = left + j * right
                        if z >= 0 and z < wp:
                            block[(row + z) * 16 + lane] = x[source + j] if lane < count else zero
