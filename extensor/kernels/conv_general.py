"""Convolution over any number of axes, with groups and dilation: columns of patches, one product
for each group.

``y[n, o, i] = sum over c, t of x[n, c, i s + t d - p] w[o, c, t]``, where channel o of group g
reads the channels c of group g, and i, s, t, d, p have an entry for each axis of the image. Written
in NumPy's words, so it runs where its operands lie (CuPy arrays answer them). Half precision is
summed in float32 and rounded once. Images and answers lie (C, N, *size) in memory, some images at a
time, so the columns, taps times the image, have a bound.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from extensor.backend import library_of
from extensor.kernels.geometry import Ints, Windows, cropped, padded, taps

ENTRIES = 1 << 24
"""Entries of the columns at a time: 64 MiB of float32."""


def _wide(*arrays: Any) -> tuple[Any, ...]:
    """The type of the answer, and the arrays in the type of the sums."""
    dtype = np.result_type(*(a.dtype for a in arrays))
    inside = np.dtype(np.float32) if dtype == np.float16 else dtype
    return dtype, *(a.astype(inside, copy=False) for a in arrays)


def _runs(n: int, entries: int) -> Iterator[slice]:
    """Runs of images of which the columns have at most `ENTRIES` entries, or one image."""
    step = max(1, ENTRIES // max(entries, 1))
    return (slice(first, min(n, first + step)) for first in range(0, n, step))


def _columns(x: Any, win: Windows, groups: int, out: Ints) -> Any:
    """The windows of padded images as (G, C / G taps, N places), rows (c, tap), columns (n, i)."""
    n, c = x.shape[:2]
    number = prod(win.kernel)
    cols = library_of(x).empty((c, number, n, *out), x.dtype)
    for i, part in enumerate(taps(x, win, out)):
        cols[:, i] = np.moveaxis(part, 1, 0)
    return cols.reshape(groups, c // groups * number, n * prod(out))


def _channels_first(g: Any, groups: int) -> Any:
    """(N, O, *out) as (G, O / G, N places)."""
    n, o = g.shape[:2]
    return np.moveaxis(g, 1, 0).reshape(groups, o // groups, n * prod(g.shape[2:]))


def conv(x: Any, w: Any, win: Windows, groups: int, out: Ints) -> Any:
    """y (N, O, *out) of x (N, G C, *size) and w (O, C, *kernel).

    >>> from extensor.kernels.geometry import windows
    >>> x, w = np.arange(6.0).reshape(1, 2, 3), np.ones((2, 1, 2))
    >>> conv(x, w, windows("conv1d", (2,), 1), 2, (2,)).tolist()
    [[[1.0, 3.0], [7.0, 9.0]]]
    """
    dtype, x, w = _wide(x, w)
    n, o, inside = len(x), w.shape[0], prod(w.shape[1:])
    flat, wide = w.reshape(groups, o // groups, inside), padded(x, win.padding)
    y = library_of(x).empty((o, n, *out), x.dtype)
    for run in _runs(n, groups * inside * prod(out)):
        part = np.matmul(flat, _columns(wide[run], win, groups, out))
        y[:, run] = part.reshape(o, run.stop - run.start, *out)
    return np.moveaxis(y, 1, 0).astype(dtype, copy=False)


def input_grad(g: Any, w: Any, x_shape: Ints, win: Windows, groups: int) -> Any:
    """dx of ``x_shape`` from g = dL/dy: every tap gives back what it read.

    >>> from extensor.kernels.geometry import windows
    >>> g, w = np.ones((1, 1, 2)), np.ones((1, 1, 2))
    >>> input_grad(g, w, (1, 1, 3), windows("conv1d", (2,), 1), 1).tolist()
    [[[1.0, 2.0, 1.0]]]
    """
    dtype, g, w = _wide(g, w)
    n, o, out, size = len(g), w.shape[0], g.shape[2:], x_shape[2:]
    inside, c, number = prod(w.shape[1:]), x_shape[1], prod(win.kernel)
    flat = w.reshape(groups, o // groups, inside).transpose(0, 2, 1)
    span = tuple(s + a + b for s, (a, b) in zip(size, win.padding, strict=True))
    dx = library_of(g).zeros((c, n, *span), g.dtype)
    for run in _runs(n, groups * inside * prod(out)):
        cols = np.matmul(flat, _channels_first(g[run], groups))
        parts = cols.reshape(c, number, run.stop - run.start, *out)
        for i, place in enumerate(taps(dx[:, run], win, out)):
            place += parts[:, i]
    return np.moveaxis(cropped(dx, win.padding, size), 1, 0).astype(dtype, copy=False)


def weight_grad(g: Any, x: Any, w_shape: Ints, win: Windows, groups: int) -> Any:
    """dw of ``w_shape`` from g = dL/dy: what each tap read, times g.

    >>> from extensor.kernels.geometry import windows
    >>> g, x = np.ones((1, 1, 2)), np.arange(3.0).reshape(1, 1, 3)
    >>> weight_grad(g, x, (1, 1, 2), windows("conv1d", (2,), 1), 1).tolist()
    [[[1.0, 3.0]]]
    """
    dtype, g, x = _wide(g, x)
    out, o, inside = g.shape[2:], w_shape[0], prod(w_shape[1:])
    wide = padded(x, win.padding)
    dw = library_of(g).zeros((groups, inside, o // groups), g.dtype)
    for run in _runs(len(g), groups * inside * prod(out)):
        cols = _columns(wide[run], win, groups, out)  # first: OpenBLAS is 8 times as fast this way
        dw += np.matmul(cols, _channels_first(g[run], groups).transpose(0, 2, 1))
    return dw.transpose(0, 2, 1).reshape(w_shape).astype(dtype, copy=False)


def patches(x: Any, win: Windows, out: Ints) -> Any:
    """The windows of x (N, C, *size) as rows (N *out), columns (C, *kernel).

    >>> from extensor.kernels.geometry import windows
    >>> patches(np.arange(4.0).reshape(1, 1, 4), windows("patches", (2,), 2), (2,)).tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    n, c = x.shape[:2]
    number = prod(win.kernel)
    cols = library_of(x).empty((n, *out, c, number), x.dtype)
    for i, part in enumerate(taps(padded(x, win.padding), win, out)):
        cols[..., i] = np.moveaxis(part, 1, -1)
    return cols.reshape(n * prod(out), c * number)


def fold(cols: Any, x_shape: Ints, win: Windows, out: Ints) -> Any:
    """The transpose of `patches`: every pixel of ``x_shape`` sums its copies, tap by tap.

    >>> from extensor.kernels.geometry import windows
    >>> fold(np.ones((2, 2)), (1, 1, 3), windows("fold", (2,), 1), (2,)).tolist()
    [[[1.0, 2.0, 1.0]]]
    """
    size = x_shape[2:]
    wide = tuple(s + a + b for s, (a, b) in zip(size, win.padding, strict=True))
    dx = library_of(cols).zeros((*x_shape[:2], *wide), cols.dtype)
    parts = cols.reshape(x_shape[0], *out, x_shape[1], prod(win.kernel))
    for i, place in enumerate(taps(dx, win, out)):
        place += np.moveaxis(parts[..., i], -1, 1)
    return cropped(dx, win.padding, size)
