"""Direct float32 convolution on the CPU: blocks of 16 images, register tiles, no im2col.

All results have logical shape (N, C, H, W) and memory order (C, H, W, N): the next layer finds
the batch innermost, where every elementwise and pooling loop is a plain vector loop.

Bits depend on nothing but the operands. Outputs and input gradients have one fixed sum each.
Weight gradients are summed per block of 16 images; blocks are added in order inside at most 16
fixed chunks, and the chunks in order: neither the number of threads nor the CPU plays a part.

A block of C channels takes 64 C (H + 2 ph) (W + 2 pw) bytes of scratch per thread: meant for
images of up to some hundred pixels a side.
"""

from functools import cache

import numpy as np
from numba import get_num_threads, prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.conv.block import Floats, Four, fill, flat
from extensor.kernels.conv.tiles import (
    COLUMNS,
    LANES,
    ROWS,
    TAPS,
    correlate1,
    correlate2,
    correlate4,
    correlate6,
    weights,
)
from extensor.kernels.window import Pair

CHUNKS = 16
GROUPS = (6, 4, 2, 1)
"""Output channels that a ``correlate`` tile exists for, largest first."""


@cache
def groups(channels: int) -> NDArray[np.int64]:
    """How output channels are cut into tiles: rows (first channel, number of channels).

    >>> groups(16).tolist()
    [[0, 6], [6, 6], [12, 4]]
    """
    rows, start = [], 0
    for size in GROUPS:
        while channels - start >= size:
            rows.append((start, size))
            start += size
    return np.array(rows, np.int64).reshape(-1, 2)


def packed(w: Floats, cut: NDArray[np.int64]) -> Floats:
    """Weights (O, T) in the order that the tiles read: for each group (T, channels of group).

    >>> packed(np.arange(8, dtype=np.float32).reshape(4, 2), groups(4)).tolist()
    [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]
    """
    if len(cut) == 0:
        return np.zeros(0, np.float32)
    return np.concatenate([w[start : start + size].T.reshape(-1) for start, size in cut])


@cache
def tap_offsets(channels: int, kernel_size: Pair, size: Pair) -> NDArray[np.int64]:
    """(C, kh, kw): distance of a tap from the window's corner, in a block of (Hp, Wp) = ``size``.

    >>> tap_offsets(2, (1, 2), (3, 4)).tolist()
    [[[0, 16]], [[192, 208]]]
    """
    c, u, v = np.ogrid[:channels, : kernel_size[0], : kernel_size[1]]
    return np.asarray(((c * size[0] + u) * size[1] + v) * LANES, np.int64)


@kernel()
def clip(at: int, window: int, first: int, last: int) -> Pair:
    """Which taps of a window that begins at ``at`` meet the pixels ``first .. last``.

    >>> clip(0, 5, 2, 30), clip(28, 5, 2, 30), clip(9, 5, 2, 30)
    ((2, 5), (0, 2), (0, 5))
    """
    return max(0, first - at), min(window, last - at)


@kernel()
def _rows(
    block: Floats,
    filled: Four,
    size: Pair,
    taps: Four,
    stride: Pair,
    offsets: NDArray[np.int64],
    w: Floats,
    bias: Floats,
    cut: NDArray[np.int64],
    y: Floats,
    y0: int,
    lanes: int,
    out: Pair,
) -> None:
    """All outputs of one block, into y (O, Ho, Wo, lanes) from lane ``y0`` on."""
    ho, wo = out
    c, kh, kw = taps[1], taps[2], taps[3]
    far, line = ho * wo * lanes, kw * c
    step = stride[1] * 16
    for g in range(cut.shape[0]):
        o, channels = cut[g, 0], cut[g, 1]
        w0 = o * offsets.size
        for i in range(ho):
            top, bottom = clip(i * stride[0], kh, filled[0], filled[1])
            for j in range(0, wo, COLUMNS):
                left = clip((j + COLUMNS - 1) * stride[1], kw, filled[2], filled[3])[0] * c
                right = clip(j * stride[1], kw, filled[2], filled[3])[1] * c
                x0 = (i * stride[0] * size[1] + j * stride[1]) * 16
                at = y0 + ((o * ho + i) * wo + j) * lanes
                if channels == 6:
                    correlate6(
                        block, x0, step, offsets, line, top, bottom, left, right,
                        w, w0, bias, o, y, at, far, lanes, wo - j,
                    )  # fmt: skip
                elif channels == 4:
                    correlate4(
                        block, x0, step, offsets, line, top, bottom, left, right,
                        w, w0, bias, o, y, at, far, lanes, wo - j,
                    )  # fmt: skip
                elif channels == 2:
                    correlate2(
                        block, x0, step, offsets, line, top, bottom, left, right,
                        w, w0, bias, o, y, at, far, lanes, wo - j,
                    )  # fmt: skip
                else:
                    correlate1(
                        block, x0, step, offsets, line, top, bottom, left, right,
                        w, w0, bias, o, y, at, far, lanes, wo - j,
                    )  # fmt: skip


@kernel(parallel=True)
def _correlate(
    x: Floats,
    inner: bool,
    shape: Four,
    corner: Pair,
    apart: Pair,
    size: Pair,
    taps: Four,
    stride: Pair,
    offsets: NDArray[np.int64],
    w: Floats,
    bias: Floats,
    cut: NDArray[np.int64],
    y: Floats,
    out: Pair,
    workers: int,
) -> None:
    n = shape[0]
    blocks = (n + 15) // 16
    pixels = taps[0] * out[0] * out[1]
    filled = (
        corner[0],
        corner[0] + (shape[2] - 1) * apart[0] + 1,
        corner[1],
        corner[1] + (shape[3] - 1) * apart[1] + 1,
    )
    for p in prange(workers):
        block = np.zeros((shape[1] * size[0] * size[1] + COLUMNS * stride[1]) * 16, np.float32)
        tail = np.empty(pixels * 16 if n % 16 and p == workers - 1 else 0, np.float32)
        for k in range(p * blocks // workers, (p + 1) * blocks // workers):
            fill(x, inner, shape, k * 16, corner, apart, size, block)
            full = k * 16 + 16 <= n
            to, y0, lanes = (y, k * 16, n) if full else (tail, 0, 16)
            _rows(
                block, filled, size, taps, stride, offsets, w, bias, cut, to, y0, lanes, out
            )  # fmt: skip
            if not full:
                for i in range(pixels):
                    for lane in range(n - k * 16):
                        y[i * n + k * 16 + lane] = tail[i * 16 + lane]


def correlate(
    x: Floats,
    w: Floats,
    bias: Floats | None,
    stride: Pair,
    corner: Pair,
    apart: Pair,
    size: Pair,
    out: Pair,
) -> Floats:
    """Windows of ``w`` (O, C, kh, kw) over x placed in an image of ``size``: y (N, O, Ho, Wo).

    ``corner`` and ``apart`` say where the pixels of x lie (see ``block.fill``).

    >>> x = np.ones((1, 1, 3, 3), np.float32)
    >>> correlate(x, x, None, (1, 1), (1, 1), (1, 1), (5, 5), (3, 3))[0, 0].tolist()
    [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]
    """
    o, c, kh, kw = w.shape
    n = x.shape[0]
    y = np.empty((o, *out, n), np.float32)
    data, inner = flat(x)
    cut = groups(o)
    offsets = tap_offsets(c, (kh, kw), size).transpose(1, 2, 0).reshape(-1)
    wp = packed(w.transpose(0, 2, 3, 1).reshape(o, -1), cut)
    b = np.zeros(o, np.float32) if bias is None else np.ascontiguousarray(bias)
    workers = max(1, min(get_num_threads(), -(-n // LANES)))
    _correlate(
        data, inner, (n, c, x.shape[2], x.shape[3]), corner, apart, size, (o, c, kh, kw), stride,
        offsets, wp, b, cut, y.reshape(-1), out, workers,
    )  # fmt: skip
    return y.transpose(3, 0, 1, 2)


def conv2d(
    x: Floats, w: Floats, bias: Floats | None, stride: Pair, padding: Pair, out: Pair
) -> Floats:
    """y (N, O, Ho, Wo); the bias begins each sum."""
    size = (x.shape[2] + 2 * padding[0], x.shape[3] + 2 * padding[1])
    return correlate(x, w, bias, stride, padding, (1, 1), size, out)


def conv2d_input_grad(g: Floats, w: Floats, x_shape: Four, stride: Pair, padding: Pair) -> Floats:
    """dx (N, C, H, W): g, spread out by the stride, under the turned kernel."""
    kh, kw = w.shape[2:]
    corner = (kh - 1 - padding[0], kw - 1 - padding[1])
    size = (x_shape[2] + kh - 1, x_shape[3] + kw - 1)
    turned = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    return correlate(g, turned, None, (1, 1), corner, stride, size, (x_shape[2], x_shape[3]))


@kernel(parallel=True)
def _weights(
    x: Floats,
    x_inner: bool,
    x_shape: Four,
    padding: Pair,
    size: Pair,
    offsets: NDArray[np.int64],
    steps: Pair,
    g: Floats,
    g_inner: bool,
    g_shape: Four,
    parts: Floats,
    workers: int,
) -> None:
    channels, ho, wo = g_shape[1], g_shape[2], g_shape[3]
    taps, chunks = offsets.size, parts.shape[0]
    blocks = (x_shape[0] + 15) // 16
    sums = parts.reshape(-1)
    for p in prange(workers):
        block = np.zeros(x_shape[1] * size[0] * size[1] * 16, np.float32)
        grads = np.zeros(channels * ho * wo * 16, np.float32)
        for chunk in range(p * chunks // workers, (p + 1) * chunks // workers):
            for k in range(chunk * blocks // chunks, (chunk + 1) * blocks // chunks):
                fill(x, x_inner, x_shape, k * 16, padding, (1, 1), size, block)
                fill(g, g_inner, g_shape, k * 16, (0, 0), (1, 1), (ho, wo), grads)
                for o in range(0, channels, ROWS):
                    for t in range(0, taps, TAPS):
                        weights(
                            block, offsets, taps, steps[0], steps[1], grads, sums,
                            chunk * channels * taps, o, t, channels, ho, wo,
                        )  # fmt: skip


def conv2d_weight_grad(g: Floats, x: Floats, w_shape: Four, stride: Pair, padding: Pair) -> Floats:
    """dw (O, C, kh, kw), C-contiguous."""
    channels, c, kh, kw = w_shape
    n, _, ho, wo = g.shape
    size = (x.shape[2] + 2 * padding[0], x.shape[3] + 2 * padding[1])
    offsets = tap_offsets(c, (kh, kw), size).reshape(-1)
    steps = (stride[0] * size[1] * LANES, stride[1] * LANES)
    chunks = min(-(-n // LANES), CHUNKS)
    parts = np.zeros((chunks, channels * offsets.size), np.float32)
    xs, x_inner = flat(x)
    gs, g_inner = flat(g)
    workers = max(1, min(get_num_threads(), chunks))
    x_shape, g_shape = (n, c, x.shape[2], x.shape[3]), (n, channels, ho, wo)
    _weights(
        xs, x_inner, x_shape, padding, size, offsets, steps, gs, g_inner, g_shape, parts, workers
    )
    dw: Floats = np.add.reduce(parts, axis=0)
    return dw.reshape(w_shape)
