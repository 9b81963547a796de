"""Keys in device memory: read by a kernel, and derived by one at the head of a CUDA graph."""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import pointer
from extensor.kernels.cuda import cuda_kernel
from extensor.kernels.memory import read_i64, write_i64
from extensor.noise import DERIVE
from extensor.philox import philox

_u64, _i64 = types.uint64, types.int64
_DERIVE, _32 = np.uint64(DERIVE), np.uint64(32)


@njit()
def key_words(at: Any, stream: Any, seed: Any) -> Any:
    """(stream, seed) of a key: those at an address, or the given ones where there is no address."""
    if at != np.uint64(0):
        return np.uint64(read_i64(at)), np.uint64(read_i64(at + np.uint64(8)))
    return stream, seed


@cuda_kernel(_u64, _u64, _i64, _i64, _u64)
def derive(root: Any, table: Any, count: Any, width: Any, out: Any) -> None:
    """Each key of a graph from its root, as `extensor.noise.Key.fold`; a thread a key.

    table
        (count, width) uint64: 1 + the number of folds (0: no key), then their numbers.
    out
        (count, 2) uint64: stream and seed.
    """
    i = cuda.grid(1)
    if i < count:
        row = table + np.uint64(8 * i * width)
        folds = read_i64(row) - 1
        if folds >= 0:
            stream = np.uint64(read_i64(root))
            seed = np.uint64(read_i64(root + np.uint64(8)))
            for j in range(folds):
                number = np.uint64(read_i64(row + np.uint64(8 * (j + 1))))
                w = philox(number | _DERIVE, stream, seed)
                seed = np.uint64(w[0]) | (np.uint64(w[1]) << _32)
                stream = np.uint64(w[2]) | (np.uint64(w[3]) << _32)
            write_i64(out + np.uint64(16 * i), np.int64(stream))
            write_i64(out + np.uint64(16 * i + 8), np.int64(seed))


def derive_keys(inputs: Any, table: Any, keys: Any) -> None:
    """Queue the derivation of all keys of a graph."""
    count, width = table.shape
    derive.launch(-(-count // 64), 64, pointer(inputs), pointer(table), count, width, pointer(keys))
