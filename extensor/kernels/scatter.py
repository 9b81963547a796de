"""Rows added up at their indices, in float32: the gradient of an embedding."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.jit import kernel

Floats = NDArray[np.float32]


@kernel()
def _add(g: Floats, index: NDArray[np.int64], out: Floats) -> None:
    for n in range(len(g)):
        row = index[n]
        for i in range(g.shape[1]):
            out[row, i] += g[n, i]


def embedding_grad(g: Floats, index: NDArray[Any], count: int) -> Floats:
    """Zeros (count, width) with each row of g (..., width) added at its index (...), in order.

    >>> embedding_grad(np.float32([[1], [2], [4]]), np.array([1, 0, 1]), 3).tolist()
    [[2.0], [5.0], [0.0]]
    """
    out = np.zeros((count, g.shape[-1]), np.float32)
    rows = np.ascontiguousarray(g).reshape(-1, g.shape[-1])
    _add(rows, np.ascontiguousarray(index, np.int64).reshape(-1), out)
    return out
