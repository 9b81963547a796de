"""Random numbers as values: Philox4x32-10, a pure function of (key, index).

There is no global generator. The word that belongs to element ``i`` of a draw is
``philox(counter = (i // 4, stream), key = seed)[i % 4]``, so it is the same on any number of
threads, on CPU and CUDA, for a slice and for the whole, before and after a resume.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011;
known answers from their Random123 library stand in the tests.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from extensor.errors import FormatError
from extensor.jit import kernel

MULTIPLIER_0, MULTIPLIER_1 = 0xD2511F53, 0xCD9E8D57
"""The two multipliers of a Philox4x32 round."""
WEYL_0, WEYL_1 = 0x9E3779B9, 0xBB67AE85
"""What the two key words grow by each round: the golden ratio and sqrt(3) - 1."""
ROUNDS = 10
DERIVE = 1 << 63
"""Counters with this bit make new keys, those without it make draws: they never meet."""

_M0, _M1 = np.uint64(MULTIPLIER_0), np.uint64(MULTIPLIER_1)
_W0, _W1 = np.uint32(WEYL_0), np.uint32(WEYL_1)
_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
Words = tuple[np.uint32, np.uint32, np.uint32, np.uint32]


@njit(inline="never")
def philox(counter: np.uint64, stream: np.uint64, seed: np.uint64) -> Words:
    """Four 32-bit words of Philox4x32-10 for one counter.

    counter, stream
        Words 0-1 and 2-3 of the 128-bit counter.
    seed
        The 64-bit Philox key.

    >>> [hex(w) for w in philox(np.uint64(0), np.uint64(0), np.uint64(0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1 = np.uint32(counter & _LOW), np.uint32(counter >> _32)
    c2, c3 = np.uint32(stream & _LOW), np.uint32(stream >> _32)
    k0, k1 = np.uint32(seed & _LOW), np.uint32(seed >> _32)
    for _ in range(ROUNDS):
        p0, p1 = _M0 * np.uint64(c0), _M1 * np.uint64(c2)
        c0, c2 = (
            np.uint32(np.uint32(p1 >> _32) ^ c1 ^ k0),
            np.uint32(np.uint32(p0 >> _32) ^ c3 ^ k1),
        )
        c1, c3 = np.uint32(p1 & _LOW), np.uint32(p0 & _LOW)
        k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    return c0, c1, c2, c3


@njit(inline="never")
def word(index: np.uint64, stream: np.uint64, seed: np.uint64) -> np.uint32:
    """The 32-bit word of the element with logical ``index``."""
    w0, w1, w2, w3 = philox(np.uint64(index >> np.uint64(2)), stream, seed)
    lane = index & np.uint64(3)
    if lane < np.uint64(2):
        return w0 if lane == np.uint64(0) else w1
    return w2 if lane == np.uint64(2) else w3


@kernel()
def _fill(start: np.uint64, stream: np.uint64, seed: np.uint64, out: NDArray[np.uint32]) -> None:
    for i in range(out.size):
        out[i] = word(np.uint64(start + np.uint64(i)), stream, seed)


@kernel()
def _philox(counter: np.uint64, stream: np.uint64, seed: np.uint64) -> Words:
    return philox(counter, stream, seed)


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
        w = [int(x) for x in _philox(counter, np.uint64(self.stream), np.uint64(self.seed))]
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
    _fill(np.uint64(start), np.uint64(key.stream), np.uint64(key.seed), out)
    return out
