"""Initial values of parameters, drawn from a key.

`uniform` and `normal` give arrays; `lecun`, `zeros` and `ones`, with which layers begin, give
parameters.
"""

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


def lecun(shape: tuple[int, ...], fan_in: int, key: Key) -> ExTensor:
    """A weight of ``U(-sqrt(3/fan_in), sqrt(3/fan_in))``: variance 1/fan_in.

    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.6. On LeNet-5 with the
    default settings it trains with a fifth of the spread between seeds that PyTorch's narrower
    default has (docs/log, 2026-11-24).
    """
    return ExTensor(Native(uniform(shape, math.sqrt(3 / fan_in), key)), requires_grad=True)


def zeros(shape: tuple[int, ...]) -> ExTensor:
    """A bias."""
    return ExTensor(Native(np.zeros(shape, np.float32)), requires_grad=True)


def normal(shape: tuple[int, ...], std: float, key: Key) -> NDArray[np.float32]:
    """Numbers of a normal distribution with mean 0, two from two words (Box and Muller, 1958).

    ``std sqrt(-2 log u) (cos, sin)(2 pi v)`` with u, v = (word + 1/2) / 2**32, in float64.

    >>> from extensor.noise import key
    >>> x = normal((100, 100), 2.0, key(0))
    >>> bool(abs(x.mean()) < 0.05), bool(abs(x.std() - 2) < 0.05)
    (True, True)
    """
    count = math.prod(shape)
    half = (count + 1) // 2
    u, v = ((words(key, 0, 2 * half).astype(np.float64) + 0.5) / 2**32).reshape(2, half)
    radius, angle = std * np.sqrt(-2 * np.log(u)), 2 * math.pi * v
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
    return both.astype(np.float32).reshape(shape)


def ones(shape: tuple[int, ...]) -> ExTensor:
    """A gain."""
    return ExTensor(Native(np.ones(shape, np.float32)), requires_grad=True)
