"""Dropout: numbers kept by the words of their logical indices.

Number ``i`` (in row-major order) is kept where ``word(i) >= threshold``, so the mask is the same
for any memory order and number of threads, on a GPU, and when it is drawn again for the gradient:
nothing is saved.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.philox import philox_words
from extensor.noise import Key

CHUNK = 8192
"""Numbers of one task, a multiple of four times the lanes of `philox_words`."""


def threshold_of(p: float) -> int:
    """The words below it drop a number: ``p 2**32``, rounded.

    >>> threshold_of(0.5) == 2**31
    True
    """
    return min(round(p * 2**32), 2**32 - 1)


@kernel(parallel=True)
def _drop(
    x: NDArray[Any], threshold: int, scale: Any, stream: int, seed: int, out: NDArray[Any]
) -> None:
    for k in prange((x.size + CHUNK - 1) // CHUNK):
        counters = np.empty(CHUNK // 4, np.int64)
        words = np.empty(CHUNK, np.int32)
        first = k * CHUNK
        count = min(CHUNK, x.size - first)
        for i in range(CHUNK // 4):
            counters[i] = first // 4 + i
        philox_words(counters, (count + 3) // 4, stream, seed, words)
        zero = x.dtype.type(0)
        for i in range(count):
            word = np.int64(words[i]) & 0xFFFFFFFF
            out[first + i] = x[first + i] * scale if word >= threshold else zero


def dropout(x: NDArray[Any], p: float, key: Key) -> NDArray[Any]:
    """x / (1 - p) where kept, else 0; float32 or float64, row-major.

    >>> from extensor.noise import key
    >>> sorted(set(dropout(np.ones(50), 0.5, key(0)).tolist()))
    [0.0, 2.0]
    """
    flat = np.ascontiguousarray(x).reshape(-1)
    out = np.empty_like(flat)
    words = np.array([key.stream, key.seed], np.uint64).view(np.int64)
    _drop(flat, threshold_of(p), x.dtype.type(1 / (1 - p)), words[0], words[1], out)
    return out.reshape(x.shape)
