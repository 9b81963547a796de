"""Initial values of parameters, drawn from a key."""

import math

import numpy as np
from numpy.typing import NDArray

from extensor.noise import Key, key, words
from extensor.storage import Native
from extensor.tensor import ExTensor

FIRST = key(0)
"""The key of layers that are given none."""


def uniform(shape: tuple[int, ...], bound: float, key: Key) -> NDArray[np.float32]:
    """Numbers of (-bound, bound): ``bound * (2 (word + 1/2) / 2**32 - 1)``.

    >>> from extensor.noise import key
    >>> bool((abs(uniform((100,), 0.5, key(0))) < 0.5).all())
    True
    """
    w = words(key, 0, math.prod(shape)).astype(np.float64)
    return (bound * ((2 * w + 1) / 2**32 - 1)).astype(np.float32).reshape(shape)


def kaiming(shape: tuple[int, ...], fan_in: int, key: Key) -> ExTensor:
    """A parameter of ``U(-1/sqrt(fan_in), 1/sqrt(fan_in))``, PyTorch's default for layers."""
    return ExTensor(Native(uniform(shape, 1 / math.sqrt(fan_in), key)), requires_grad=True)
