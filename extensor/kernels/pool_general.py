"""Pooling over any number of axes, in NumPy's words: windows are lists of places along each axis.

``places`` has an array (windows, taps) for each axis: which entries a window reads. Where a window
is shorter than the others, or reaches over an edge, an entry of it stands there twice, which no
maximum sees. Means are sums along one axis after the other, so they cost the sum of the taps and
not their product.
"""

from functools import reduce
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.backend import library_of
from extensor.errors import ShapeError
from extensor.kernels.geometry import Ints, each

Places = tuple[NDArray[np.int64], ...]


class Pool:
    """Windows of pooling over images of one size: the words, checked, and what follows from them.

    ceil_mode
        Windows may end outside of the image and its padding, if they begin inside of the image or
        of its low padding.

    >>> Pool("max_pool1d", (5,), 2, None, 0, True).out
    (3,)
    """

    def __init__(
        self, op: str, size: Ints, kernel: Any, stride: Any, padding: Any, ceil_mode: bool
    ) -> None:
        rank = len(size)
        self.size, self.kernel = size, each(op, "kernel", kernel, rank)
        self.stride = self.kernel if stride is None else each(op, "stride", stride, rank)
        self.padding = each(op, "padding", padding, rank, 0)
        if min(size) < 1 or any(p >= k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise ShapeError(
                f"{op}: image {size}, padding {self.padding}, kernel {self.kernel}; each window "
                "must hold a pixel: the padding must be smaller than the kernel"
            )
        out = []
        for n, k, s, p in self._axes():
            room = n + 2 * p - k
            if room < 0:
                raise ShapeError(
                    f"{op}: the kernel {self.kernel} is larger than the image {size} with padding "
                    f"{self.padding}; take a smaller kernel or more padding"
                )
            more = ceil_mode and room % s and (room // s + 1) * s < n + p
            out.append(room // s + 1 + bool(more))
        self.out = tuple(out)
        self.inside = all(
            (o - 1) * s + k <= n + 2 * p for o, (n, k, s, p) in zip(out, self._axes(), strict=True)
        )

    def _axes(self) -> Any:
        return zip(self.size, self.kernel, self.stride, self.padding, strict=True)

    def _starts(self) -> list[NDArray[np.int64]]:
        return [
            np.arange(o, dtype=np.int64) * s - p
            for o, s, p in zip(self.out, self.stride, self.padding, strict=True)
        ]

    def places(self) -> Places:
        """What each window reads along each axis, (windows, taps); see the module."""
        return tuple(
            np.clip(at[:, None] + np.arange(k), 0, n - 1)
            for at, k, n in zip(self._starts(), self.kernel, self.size, strict=True)
        )

    def counts(self, padding_too: bool) -> NDArray[np.int64]:
        """By how many pixels the sum of each window is divided, of shape ``out``."""
        lengths = []
        for at, (n, k, _, p) in zip(self._starts(), self._axes(), strict=True):
            end = np.minimum(at + k, n + p)
            lengths.append(end - at if padding_too else np.minimum(end, n) - np.maximum(at, 0))
        return reduce(np.multiply.outer, lengths)

    def walks(self) -> list[Ints]:
        """For each axis: pixels, taps, step, low padding, windows, and entries from the beginning
        of the padding to the end of the last window."""
        return [
            (n, k, s, p, o, max(n + 2 * p, (o - 1) * s + k))
            for o, (n, k, s, p) in zip(self.out, self._axes(), strict=True)
        ]


def adaptive_places(op: str, size: Ints, output_size: Any) -> Places:
    """Windows from ``floor(i n / o)`` to ``ceil((i + 1) n / o)`` of each axis, i = 0 .. o - 1.

    >>> adaptive_places("adaptive_max_pool1d", (5,), 2)[0].tolist()
    [[0, 1, 2], [2, 3, 4]]
    """
    found = []
    for n, o in zip(size, output_sizes(op, size, output_size), strict=True):
        i = np.arange(o)
        first, behind = i * n // o, -(-(i + 1) * n // o)
        taps = np.arange(int((behind - first).max()))
        found.append(np.minimum(first[:, None] + taps, behind[:, None] - 1))
    return tuple(found)


def output_sizes(op: str, size: Ints, output_size: Any) -> Ints:
    """Places along each axis; None keeps an axis as it is.

    >>> output_sizes("adaptive_avg_pool2d", (7, 5), (None, 1))
    (7, 1)
    """
    if min(size) < 1:
        raise ShapeError(f"{op}: image {size}; allowed: at least one pixel")
    if isinstance(output_size, tuple | list) and len(output_size) == len(size):
        output_size = [n if o is None else o for n, o in zip(size, output_size, strict=True)]
    return each(op, "output_size", output_size, len(size))


def window_argmax(x: Any, places: Places) -> Any:
    """Where the first largest of each window stands, counted row by row in an image of x.

    x: (N, C, *size); the answer (N, C, *windows) of int64. The first NaN of a window wins.

    >>> window_argmax(np.array([[[1.0, 3.0, 3.0]]]), (np.array([[0, 1], [1, 2]]),)).tolist()
    [[[1, 1]]]
    """
    library, size = library_of(x), x.shape[2:]
    steps = [int(np.prod(size[a + 1 :], dtype=np.int64)) for a in range(len(size))]
    best: Any = None
    index: Any = None
    for tap in product(*(range(p.shape[1]) for p in places)):
        part, at = x, np.zeros((), np.int64)
        for axis, (p, t) in enumerate(zip(places, tap, strict=True)):
            part = np.take(part, library.asarray(p[:, t]), axis=2 + axis)
            at = np.add.outer(at, p[:, t] * steps[axis])
        at = library.broadcast_to(library.asarray(at), part.shape)
        if best is None:
            best, index = part, at
        else:
            better = (part > best) | (np.isnan(part) & ~np.isnan(best))
            best, index = np.where(better, part, best), np.where(better, at, index)
    return index.astype(np.int64)


def pick(x: Any, index: Any) -> Any:
    """What x holds at the places that `window_argmax` counted.

    >>> pick(np.array([[[1.0, 3.0, 3.0]]]), np.array([[[1, 1]]])).tolist()
    [[[3.0, 3.0]]]
    """
    n, c = x.shape[:2]
    flat = index.reshape(n, c, int(np.prod(index.shape[2:])))
    pixels = x.reshape(n, c, int(np.prod(x.shape[2:])))
    return np.take_along_axis(pixels, flat, 2).reshape(index.shape)


def _along(a: Any, axis: int, part: slice) -> Any:
    return a[(slice(None),) * axis + (part,)]


def mean(x: Any, pool: Pool, padding_too: bool) -> Any:
    """The sum of each window over its number of pixels; padding is zeros.

    >>> p = Pool("avg_pool1d", (3,), 2, 1, 1, False)
    >>> mean(np.array([[[1.0, 2.0, 3.0]]]), p, False).tolist()
    [[[1.0, 1.5, 2.5, 3.0]]]
    """
    for axis, (n, k, s, p, out, reach) in enumerate(pool.walks(), 2):
        width = [(0, 0)] * x.ndim
        width[axis] = (p, reach - n - p)
        wide = np.pad(x, width) if any(width[axis]) else x
        x = sum(_along(wide, axis, slice(t, t + s * (out - 1) + 1, s)) for t in range(k))
    return x / library_of(x).asarray(pool.counts(padding_too).astype(x.dtype))


def mean_grad(g: Any, pool: Pool, padding_too: bool) -> Any:
    """The transpose of `mean`: each g shared equally by the pixels of its window.

    >>> p = Pool("avg_pool1d", (3,), 2, 1, 0, False)
    >>> mean_grad(np.ones((1, 1, 2)), p, True).tolist()
    [[[0.5, 1.0, 0.5]]]
    """
    x = g / library_of(g).asarray(pool.counts(padding_too).astype(g.dtype))
    for axis, (n, k, s, p, out, reach) in enumerate(pool.walks(), 2):
        wide = library_of(x).zeros((*x.shape[:axis], reach, *x.shape[axis + 1 :]), x.dtype)
        for t in range(k):
            place = _along(wide, axis, slice(t, t + s * (out - 1) + 1, s))
            place += x
        x = _along(wide, axis, slice(p, p + n))
    return x
