"""Shuffled orders as pure functions of a key."""

import numpy as np
from numpy.typing import NDArray

from extensor.noise import Key, words


def permutation(key: Key, count: int) -> NDArray[np.int64]:
    """The numbers ``0 .. count - 1`` in the order of their random words.

    Number i has the word i of the key; of equal words the smaller number comes first.

    >>> from extensor.noise import key
    >>> permutation(key(0), 5).tolist() == permutation(key(0), 5).tolist()
    True
    >>> sorted(permutation(key(0), 5).tolist())
    [0, 1, 2, 3, 4]
    """
    return np.argsort(words(key, 0, count), kind="stable").astype(np.int64, copy=False)


def epoch_order(key: Key | None, epoch: int, count: int) -> NDArray[np.int64]:
    """The order of an epoch: shuffled by its own child of the key, or as stored without a key."""
    if key is None:
        return np.arange(count, dtype=np.int64)
    return permutation(key.fold(epoch), count)
