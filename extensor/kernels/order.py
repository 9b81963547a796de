"""Memory order: how an array's axes lie in memory, and flat views that keep it.

A logical (N, C, H, W) image may lie in memory as (C, H, W, N); kernels that do not care about
axes should walk the memory as it is instead of copying it to C order.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def order(a: Array) -> tuple[int, ...]:
    """The axes of ``a`` from the slowest in memory to the fastest.

    >>> order(np.zeros((2, 3, 4)).transpose(2, 0, 1))
    (1, 2, 0)
    """
    if a.flags.c_contiguous:
        return tuple(range(a.ndim))
    steps = [-abs(step) for step in a.strides]
    return tuple(sorted(range(a.ndim), key=steps.__getitem__))


def dense(a: Array) -> Array:
    """``a`` itself if it fills its memory without gaps, in any order of axes; else a C copy.

    >>> a = np.zeros((2, 3)).T
    >>> dense(a) is a, dense(a[::2]).flags.c_contiguous
    (True, True)
    """
    if a.flags.c_contiguous or a.transpose(order(a)).flags.c_contiguous:
        return a
    return np.ascontiguousarray(a)


def flat_like(model: Array, a: Array) -> Array:
    """The elements of ``a`` in the memory order of ``model`` (dense), 1-D; copies if it must.

    >>> flat_like(np.zeros((2, 2)).T, np.array([[1, 2], [3, 4]])).tolist()
    [1, 3, 2, 4]
    """
    if model.flags.c_contiguous:
        return np.ascontiguousarray(a).reshape(-1)
    return np.ascontiguousarray(a.transpose(order(model))).reshape(-1)


def shaped_like(model: Array, flat: Array) -> Array:
    """The inverse of ``flat_like``: a view of ``model``'s shape and memory order.

    >>> shaped_like(np.zeros((2, 2)).T, np.array([1, 3, 2, 4])).tolist()
    [[1, 2], [3, 4]]
    """
    if model.flags.c_contiguous:
        return flat.reshape(model.shape)
    axes = order(model)
    back = sorted(range(model.ndim), key=axes.__getitem__)
    return flat.reshape([model.shape[i] for i in axes]).transpose(back)


def batch_inner(x: Array) -> bool:
    """Whether the memory of x (N, C, H, W) is (C, H, W, N).

    >>> x = np.zeros((2, 3, 4, 4))
    >>> batch_inner(x), batch_inner(to_batch_inner(x).transpose(3, 0, 1, 2))
    (False, True)
    """
    return bool(x.transpose(1, 2, 3, 0).flags.c_contiguous)


def to_batch_inner(x: Array) -> Array:
    """x (N, C, H, W) as a C-contiguous array (C, H, W, N); a view where it lies so already.

    >>> to_batch_inner(np.zeros((2, 3, 4, 5))).shape
    (3, 4, 5, 2)
    """
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0))
