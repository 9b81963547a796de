"""A stand-in for a tensor: what an optimizer needs of one, and nothing else.

The optimizers are tested without the rest of the library, which they must not need.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Storage:
    """Native storage: an array."""

    array: NDArray[Any]


class Box:
    """A tensor with a gradient that the test sets, and a version that `bump` counts."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.storage = Storage(array)
        self.grad: Box | None = None
        self.version = 0

    def numpy(self) -> NDArray[Any]:
        """The values."""
        return self.storage.array

    def array(self) -> NDArray[Any]:
        """The values where they lie."""
        return self.storage.array

    def bump(self) -> None:
        """Count a change in place."""
        self.version += 1


SHAPES = {"conv": (3, 2, 3, 3), "bias": (3,), "fc": (5, 27), "gain": ()}
"""Parameters of a small model: enough for tails of every kernel, and one without axes."""


def model(seed: int = 0) -> dict[str, Box]:
    """Fresh parameters, normal with deviation 1."""
    draw = np.random.default_rng(seed)
    return {n: Box(np.array(draw.normal(size=s), np.float32)) for n, s in SHAPES.items()}


def gradients(steps: int, seed: int = 1) -> list[dict[str, NDArray[np.float32]]]:
    """The same gradients for every optimizer: of size 1, with a mean, a few of them exactly 0."""
    draw = np.random.default_rng(seed)
    return [
        {
            n: np.array(draw.normal(0.3, size=s) * (draw.random(s) > 0.1), np.float32)
            for n, s in SHAPES.items()
        }
        for _ in range(steps)
    ]


def give(params: dict[str, Box], values: dict[str, NDArray[np.float32]]) -> None:
    """Set the gradients."""
    for name, value in values.items():
        params[name].grad = Box(value)


def values(params: dict[str, Box]) -> dict[str, NDArray[np.float32]]:
    """Copies of the values."""
    return {name: p.numpy().copy() for name, p in params.items()}
