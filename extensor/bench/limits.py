"""What memory allows: loops that only read and write, vectorised, on all threads."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import get_num_threads, prange

from extensor.jit import kernel


@kernel(parallel=True, fastmath={"reassoc", "nsz"})
def _read_write(x: Any, y: Any, sums: Any, parts: int) -> None:
    """Read all of x, write all of y; the sum keeps the reads alive."""
    for p in prange(parts):
        total = np.float32(0)
        for i in range(p * x.size // parts, (p + 1) * x.size // parts):
            total += x[i]
        sums[p] = total
        for i in range(p * y.size // parts, (p + 1) * y.size // parts):
            y[i] = p


def read_write(read_bytes: int, write_bytes: int) -> Callable[[], None]:
    """A call that reads and writes this many bytes, at the memory's own speed.

    >>> read_write(4096, 1024)()
    """
    x = np.ones(max(1, read_bytes // 4), np.float32)
    y = np.zeros(max(1, write_bytes // 4), np.float32)
    parts = get_num_threads()
    sums = np.zeros(parts, np.float32)
    return lambda: _read_write(x, y, sums, parts)
