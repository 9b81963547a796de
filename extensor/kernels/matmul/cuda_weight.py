"""A warp's reading of a packed MXFP4 weight: 16 rows, 512 elements of each at a time.

Thread (g, t) of a warp, g the lane over 4, has rows g and g + 8 and every fourth block, t first: a
load of 16 bytes is one block of 32 codes, and four threads read 64 bytes of a row together.
``wide`` is for rows of a multiple of 512 elements, whose 16 scales are one load; else blocks beyond
the end count as zeros with the scale 1.
"""

from typing import Any

import numpy as np
from numba import cuda, njit

from extensor.kernels import ptx
from extensor.kernels.matmul import cuda_fragment as f


@njit()
def load_codes(codes: Any, stride: Any, block: Any, blocks: Any, wide: bool) -> Any:
    """One block of row g and of row g + 8, which is ``stride`` bytes on."""
    zero = np.uint32(0)
    if wide or block < blocks:
        return ptx.load128(codes), ptx.load128(codes + stride)
    return (zero, zero, zero, zero), (zero, zero, zero, zero)


@njit()
def _scale(scales: Any, block: Any, blocks: Any, shift: Any) -> Any:
    if block < blocks:
        return ptx.load8(scales + np.uint64(block)) << shift
    return np.uint32(127) << shift


@njit()
def _row_scales(scales: Any, block: Any, blocks: Any, t: Any, wide: bool) -> Any:
    if wide:
        return f.load128_kept(scales + np.uint64(block))
    shift, b = np.uint32(t) << np.uint32(3), block + t
    return (
        _scale(scales, b, blocks, shift),
        _scale(scales, b + np.int32(4), blocks, shift),
        _scale(scales, b + np.int32(8), blocks, shift),
        _scale(scales, b + np.int32(12), blocks, shift),
    )


@njit()
def load_scales(scales: Any, pitch: Any, block: Any, blocks: Any, t: Any, wide: bool) -> Any:
    """The scales of 16 blocks from ``block`` on, of row g and of row g + 8 (``pitch`` bytes on).

    Four words a row; byte t of word i is the scale of the thread's block i.
    """
    low = _row_scales(scales, block, blocks, t, wide)
    return low, _row_scales(scales + pitch, block, blocks, t, wide)


@njit()
def large(low: Any, high: Any) -> Any:
    """Whether a scale of the warp is 2 or more, or NaN: beyond `pair_scale`."""
    words = low[0] | low[1] | low[2] | low[3] | high[0] | high[1] | high[2] | high[3]
    top = (words & np.uint32(0x80808080)) != np.uint32(0)
    return cuda.any_sync(np.uint32(0xFFFFFFFF), top)


@njit()
def _any_pair(word: Any, select: Any) -> Any:
    """The bf16 pair of a scale code of any size: 2**(c - 127), and NaN for 255."""
    c = f.permute(word, np.uint32(0), select)
    bits = c << np.uint32(7)
    if c == np.uint32(0):
        bits = np.uint32(0x0040)
    if c == np.uint32(255):
        bits = np.uint32(0x7FC0)
    return bits | (bits << np.uint32(16))


@njit()
def multiply_block(
    codes: Any, low: Any, high: Any, select: Any, lane: Any, x: Any, beyond: Any, sums: Any
) -> Any:
    """Add one block of each row times its part of x.

    codes, low, high
        From `load_codes`; the words with the scales of row g and of row g + 8.
    select
        ``0x4440 + t``.
    lane, x
        Shared addresses of the thread's fragments for each word, and how far the block is on.
    beyond
        What `large` said: one product more for each weight.
    """
    a, b = codes
    x0, x1, x2, x3 = lane[0] + x, lane[1] + x, lane[2] + x, lane[3] + x
    if beyond:
        s, t = _any_pair(low, select), _any_pair(high, select)
        sums = f.multiply_any(a[0], b[0], s, t, x0, sums)
        sums = f.multiply_any(a[1], b[1], s, t, x1, sums)
        sums = f.multiply_any(a[2], b[2], s, t, x2, sums)
        return f.multiply_any(a[3], b[3], s, t, x3, sums)
    s, t = f.pair_scale(low, select), f.pair_scale(high, select)
    sums = f.multiply(a[0], b[0], s, t, x0, sums)
    sums = f.multiply(a[1], b[1], s, t, x1, sums)
    sums = f.multiply(a[2], b[2], s, t, x2, sums)
    return f.multiply(a[3], b[3], s, t, x3, sums)
