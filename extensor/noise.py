"""Random numbers as values: Philox4x32-10, a pure function of (key, index).

There is no global generator. The word that belongs to element ``i`` of a draw is
``philox(counter = (i // 4, stream), key = seed)[i % 4]``, so it is the same on any number of
threads, on CPU and CUDA, for a slice and for the whole, before and after a resume.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011;
known answers from their Random123 library stand in the tests.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from extensor.errors import FormatError
from extensor.lazy import deferred

if TYPE_CHECKING:
    from extensor.philox import draw, fill
else:
    draw, fill = (deferred("extensor.philox", name) for name in ("draw", "fill"))

DERIVE = 1 << 63
"""Counters with this bit make new keys, those without it make draws: they never meet."""


@dataclass(frozen=True)
class Key:
    """A source of random words: a value, not a state.

    A key that was split or folded may still be drawn from: the two use different counters.

    >>> key(0).fold(1) == key(0).fold(1), key(0).fold(1) == key(0).fold(2)
    (True, False)
    """

    seed: int
    stream: int = 0

    def __post_init__(self) -> None:
        for name, value in (("seed", self.seed), ("stream", self.stream)):
            if not 0 <= value < 2**64:
                raise FormatError(f"key: {name}={value} is outside of 0 .. 2**64 - 1")

    def fold(self, number: int) -> "Key":
        """The child key with this number, 0 <= number < 2**63: a step, a layer, a tensor."""
        if not 0 <= number < DERIVE:
            raise FormatError(f"key.fold: {number} is outside of 0 .. 2**63 - 1")
        counter = np.uint64(number | DERIVE)
        w = [int(x) for x in draw(counter, np.uint64(self.stream), np.uint64(self.seed))]
        return Key(w[0] | w[1] << 32, w[2] | w[3] << 32)

    def split(self, count: int = 2) -> tuple["Key", ...]:
        """``count`` child keys: ``fold(0) .. fold(count - 1)``."""
        return tuple(self.fold(i) for i in range(count))


def key(seed: int) -> Key:
    """The key of a seed, 0 <= seed < 2**64.

    >>> key(7)
    Key(seed=7, stream=0)
    """
    return Key(int(seed))


def words(key: Key, start: int, count: int) -> NDArray[np.uint32]:
    """The words of the elements ``start .. start + count - 1``.

    >>> whole = words(key(3), 0, 10)
    >>> bool((whole[6:] == words(key(3), 6, 4)).all())
    True
    """
    out = np.empty(count, np.uint32)
    fill(np.uint64(start), np.uint64(key.stream), np.uint64(key.seed), out)
    return out
