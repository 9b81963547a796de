"""Draw a token from logits."""

import numpy as np
from numpy.typing import NDArray

from extensor.noise import Key, words


def choose(logits: NDArray[np.float32], key: Key, temperature: float) -> NDArray[np.int64]:
    """One of the numbers 0 .. V-1 for each row of logits (B, V), by softmax(logits / temperature).

    The first whose cumulated probability exceeds (word + 1/2) / 2^32, row i by word i of the key;
    the largest logit at temperature 0.

    >>> from extensor.noise import key
    >>> choose(np.array([[0.0, 9.0], [9.0, 0.0]], np.float32), key(0), 0.5).tolist()
    [1, 0]
    """
    if temperature == 0:
        return np.asarray(logits.argmax(-1))
    scaled = (logits - logits.max(-1, keepdims=True)).astype(np.float64) / temperature
    total = np.exp(scaled).cumsum(-1)
    drawn = (words(key, 0, len(logits)).astype(np.float64) + 0.5) / 2**32
    return np.asarray((total <= drawn[:, None] * total[:, -1:]).sum(-1))
