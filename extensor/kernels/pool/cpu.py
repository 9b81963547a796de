"""Pooling of float32 images whose memory is (C, H, W, N): the inner loop is the batch.

Windows of 2 x 2 in steps of 2, without padding, have loops of their own that read and write
every element once; ``general`` ones serve every other window. Threads share channels or rows,
never a sum. ``same bits as reference.py`` is what the tests hold all of them to.
"""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.window import Pair

Floats = NDArray[np.float32]


@kernel(parallel=True)
def max2(x: Floats, y: Floats) -> None:
    """Largest of 2 x 2, NaN if there is one.

    >>> y = np.empty((1, 1, 1, 1), np.float32)
    >>> max2(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1), y)
    >>> y.item()
    3.0
    """
    c, h, w, n = y.shape
    for row in prange(c * h):
        k, i = row // h, row % h
        for j in range(w):
            for b in range(n):
                m = x[k, 2 * i, 2 * j, b]
                v = x[k, 2 * i, 2 * j + 1, b]
                m = v if (v > m) | (np.isnan(v)) else m
                v = x[k, 2 * i + 1, 2 * j, b]
                m = v if (v > m) | (np.isnan(v)) else m
                v = x[k, 2 * i + 1, 2 * j + 1, b]
                y[k, i, j, b] = v if (v > m) | (np.isnan(v)) else m


@kernel(parallel=True)
def max2_grad(g: Floats, x: Floats, y: Floats, dx: Floats) -> None:
    """g to the first of the 2 x 2 that is y or NaN, 0 to the others.

    >>> x, y = np.ones((1, 2, 2, 1), np.float32), np.ones((1, 1, 1, 1), np.float32)
    >>> max2_grad(y, x, y, x)
    >>> x.reshape(-1).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    c, h, w, n = y.shape
    zero = np.float32(0)
    for row in prange(c * h):
        k, i = row // h, row % h
        for j in range(w):
            for b in range(n):
                m, d = y[k, i, j, b], g[k, i, j, b]
                v = x[k, 2 * i, 2 * j, b]
                hit = (v == m) | (np.isnan(v))
                dx[k, 2 * i, 2 * j, b] = d if hit else zero
                taken = hit
                v = x[k, 2 * i, 2 * j + 1, b]
                hit = (v == m) | (np.isnan(v))
                dx[k, 2 * i, 2 * j + 1, b] = d if hit & (not taken) else zero
                taken = taken | hit
                v = x[k, 2 * i + 1, 2 * j, b]
                hit = (v == m) | (np.isnan(v))
                dx[k, 2 * i + 1, 2 * j, b] = d if hit & (not taken) else zero
                taken = taken | hit
                v = x[k, 2 * i + 1, 2 * j + 1, b]
                hit = (v == m) | (np.isnan(v))
                dx[k, 2 * i + 1, 2 * j + 1, b] = d if hit & (not taken) else zero


@kernel(parallel=True)
def avg2(x: Floats, y: Floats) -> None:
    """Mean of 2 x 2.

    >>> y = np.empty((1, 1, 1, 1), np.float32)
    >>> avg2(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1), y)
    >>> y.item()
    1.5
    """
    c, h, w, n = y.shape
    quarter = np.float32(0.25)
    for row in prange(c * h):
        k, i = row // h, row % h
        for j in range(w):
            for b in range(n):
                top = x[k, 2 * i, 2 * j, b] + x[k, 2 * i, 2 * j + 1, b]
                third = top + x[k, 2 * i + 1, 2 * j, b]
                y[k, i, j, b] = (third + x[k, 2 * i + 1, 2 * j + 1, b]) * quarter


@kernel(parallel=True)
def avg2_grad(g: Floats, dx: Floats) -> None:
    """A quarter of g to each of the 2 x 2.

    >>> dx = np.empty((1, 2, 2, 1), np.float32)
    >>> avg2_grad(np.ones((1, 1, 1, 1), np.float32), dx)
    >>> dx.reshape(-1).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    c, h, w, n = g.shape
    quarter = np.float32(0.25)
    for row in prange(c * h):
        k, i = row // h, row % h
        for j in range(w):
            for b in range(n):
                d = g[k, i, j, b] * quarter
                dx[k, 2 * i, 2 * j, b] = d
                dx[k, 2 * i, 2 * j + 1, b] = d
                dx[k, 2 * i + 1, 2 * j, b] = d
                dx[k, 2 * i + 1, 2 * j + 1, b] = d


@kernel(parallel=True)
def general_max(x: Floats, y: Floats, size: Pair, stride: Pair, padding: Pair) -> None:
    """Largest element of each window, NaN if there is one.

    >>> y = np.empty((1, 1, 1, 1), np.float32)
    >>> general_max(np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1), y, (3, 3), (1, 1), (0, 0))
    >>> y.item()
    8.0
    """
    c, h, w, n = x.shape
    ho, wo = y.shape[1], y.shape[2]
    for row in prange(c * ho):
        k, i = row // ho, row % ho
        top = i * stride[0] - padding[0]
        for j in range(wo):
            left = j * stride[1] - padding[1]
            for b in range(n):
                y[k, i, j, b] = np.float32(-np.inf)
            for p in range(max(0, top), min(h, top + size[0])):
                for q in range(max(0, left), min(w, left + size[1])):
                    for b in range(n):
                        m, v = y[k, i, j, b], x[k, p, q, b]
                        y[k, i, j, b] = v if (v > m) | (np.isnan(v)) else m


@kernel(parallel=True)
def general_max_grad(
    g: Floats, x: Floats, y: Floats, dx: Floats, size: Pair, stride: Pair, padding: Pair
) -> None:
    """Add g to the first element of each window that is y or NaN; dx begins as zeros.

    >>> x, y = np.ones((1, 1, 3, 1), np.float32), np.ones((1, 1, 2, 1), np.float32)
    >>> dx = np.zeros((1, 1, 3, 1), np.float32)
    >>> general_max_grad(y, x, y, dx, (1, 2), (1, 1), (0, 0))
    >>> dx.reshape(-1).tolist()
    [1.0, 1.0, 0.0]
    """
    c, h, w, n = x.shape
    ho, wo = y.shape[1], y.shape[2]
    for k in prange(c):
        free = np.empty(n, np.bool_)
        for i in range(ho):
            top = i * stride[0] - padding[0]
            for j in range(wo):
                left = j * stride[1] - padding[1]
                free[:] = True
                for p in range(max(0, top), min(h, top + size[0])):
                    for q in range(max(0, left), min(w, left + size[1])):
                        for b in range(n):
                            v = x[k, p, q, b]
                            hit = free[b] & ((v == y[k, i, j, b]) | (np.isnan(v)))
                            d = dx[k, p, q, b]
                            dx[k, p, q, b] = d + g[k, i, j, b] if hit else d
                            free[b] = free[b] & (not hit)


@kernel(parallel=True)
def general_avg(x: Floats, y: Floats, size: Pair, stride: Pair, padding: Pair) -> None:
    """The sum of each window over its size; padding counts as zeros.

    >>> y = np.empty((1, 1, 1, 1), np.float32)
    >>> general_avg(np.ones((1, 1, 1, 1), np.float32), y, (1, 3), (1, 1), (0, 1))
    >>> round(y.item(), 6)
    0.333333
    """
    c, h, w, n = x.shape
    ho, wo = y.shape[1], y.shape[2]
    count = np.float32(size[0] * size[1])
    for row in prange(c * ho):
        k, i = row // ho, row % ho
        top = i * stride[0] - padding[0]
        for j in range(wo):
            left = j * stride[1] - padding[1]
            y[k, i, j] = np.float32(0)
            for p in range(max(0, top), min(h, top + size[0])):
                for q in range(max(0, left), min(w, left + size[1])):
                    for b in range(n):
                        y[k, i, j, b] += x[k, p, q, b]
            for b in range(n):
                y[k, i, j, b] /= count


@kernel(parallel=True)
def general_avg_grad(g: Floats, dx: Floats, size: Pair, stride: Pair, padding: Pair) -> None:
    """Add g over the window's size to every element of its window; dx begins as zeros.

    >>> dx = np.zeros((1, 1, 2, 1), np.float32)
    >>> general_avg_grad(np.ones((1, 1, 1, 1), np.float32), dx, (1, 2), (1, 1), (0, 0))
    >>> dx.reshape(-1).tolist()
    [0.5, 0.5]
    """
    c, h, w, n = dx.shape
    ho, wo = g.shape[1], g.shape[2]
    count = np.float32(size[0] * size[1])
    for k in prange(c):
        for i in range(ho):
            top = i * stride[0] - padding[0]
            for j in range(wo):
                left = j * stride[1] - padding[1]
                for p in range(max(0, top), min(h, top + size[0])):
                    for q in range(max(0, left), min(w, left + size[1])):
                        for b in range(n):
                            dx[k, p, q, b] += g[k, i, j, b] / count
