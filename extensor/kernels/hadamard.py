"""The random Hadamard transform ``x diag(s) H_n / sqrt(n)`` along rows, by blocks of n.

The order of the arithmetic is fixed, so that every device gives the same bits (numerics.md,
section 5): signs first, butterflies in float32 with strides 1, 2, 4, ..., one multiply by
float32(1 / sqrt(n)) at the end. A tail is rotated by the powers of two of its length, the largest
first (84 = 64 + 16 + 4), each with the first signs of s. Signs after H would make the errors of
round-to-nearest the same in every draw.

>>> hadamard(np.ones((1, 1, 16), np.float32), 16)[0, :3].tolist()
[4.0, 0.0, 0.0]
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from extensor.errors import FormatError, ShapeError
from extensor.jit import kernel

SIZES = (16, 32, 64, 128)


def hadamard_reference(x: Any, n: int, signs: Any = None) -> NDArray[np.float32]:
    """`hadamard`, by its definition in NumPy."""
    rows = np.array(x, np.float32, order="C").reshape(-1, x.shape[-1])
    s = np.ones(n, np.float32) if signs is None or len(signs) == 0 else np.asarray(signs, np.float32)
    start = 0
    while start < rows.shape[1]:
        size = min(n, 1 << ((rows.shape[1] - start).bit_length() - 1))
        v = rows[:, start : start + size] * s[:size]
        h = 1
        while h < size:
            pairs = v.reshape(len(v), -1, 2, h)
            v = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], 2)
            h *= 2
        scale = np.float32(1 / np.sqrt(size))
        rows[:, start : start + size] = v.reshape(len(rows), size) * scale
        start += size
    return rows


@njit()
def rotate(row: NDArray[np.float32], signs: NDArray[np.float32]) -> None:
    """One block in place; its length is a power of two."""
    n = row.size
    for k in range(n):
        row[k] = row[k] * signs[k]
    h = 1
    while h < n:
        for i in range(0, n, 2 * h):
            for k in range(i, i + h):
                a, b = row[k], row[k + h]
                row[k] = a + b
                row[k + h] = a - b
        h *= 2
    scale = np.float32(1.0 / np.sqrt(np.float64(n)))
    for k in range(n):
        row[k] = row[k] * scale


@kernel(parallel=True)
def _rotate_rows(x: NDArray[np.float32], n: int, signs: Any, out: NDArray[np.float32]) -> None:
    """x (A, R, K), any strides; out (A R, K)."""
    length = x.shape[2]
    for row in prange(out.shape[0]):
        to = out[row]
        to[:] = x[row // x.shape[1], row % x.shape[1]]
        start = 0
        while start < length:
            size = n
            while size > length - start:
                size >>= 1
            rotate(to[start : start + size], signs)
            start += size


def hadamard(x: Any, n: int, signs: Sequence[int] | Any = None) -> NDArray[np.float32]:
    """Rotate rows by blocks of n.

    x
        (A, R, K) or (rows, K), any memory strides; taken as float32.
    n
        16, 32, 64 or 128.
    signs
        n numbers +1 or -1; none for all +1.
    Returns (A R, K) float32, C-contiguous.
    """
    if n not in SIZES:
        raise FormatError(f"hadamard: n={n}; allowed: {', '.join(map(str, SIZES))}")
    s = np.ones(n, np.float32)
    if signs is not None and len(signs):
        if len(signs) != n:
            raise ShapeError(f"hadamard: {len(signs)} signs for n={n}; allowed: {n} or none")
        s[:] = signs
    x = np.asarray(x, np.float32)
    x = x[None] if x.ndim == 2 else x
    if x.ndim != 3:
        raise ShapeError(f"hadamard: shape {x.shape}; allowed: (A, R, K) or (rows, K)")
    out = np.empty((x.shape[0] * x.shape[1], x.shape[2]), np.float32)
    if out.size:
        _rotate_rows(x, n, s, out)
    return out
