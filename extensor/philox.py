"""Philox4x32-10 in scalars: compiled for the CPU and for CUDA from this source.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011;
known answers from their Random123 library stand in the tests.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from extensor.jit import kernel

MULTIPLIER_0, MULTIPLIER_1 = 0xD2511F53, 0xCD9E8D57
"""The two multipliers of a Philox4x32 round."""
WEYL_0, WEYL_1 = 0x9E3779B9, 0xBB67AE85
"""What the two key words grow by each round: the golden ratio and sqrt(3) - 1."""
ROUNDS = 10

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
def fill(start: np.uint64, stream: np.uint64, seed: np.uint64, out: NDArray[np.uint32]) -> None:
    """Write the words of the elements ``start, start + 1, ...``."""
    for i in range(out.size):
        out[i] = word(np.uint64(start + np.uint64(i)), stream, seed)


@kernel()
def draw(counter: np.uint64, stream: np.uint64, seed: np.uint64) -> Words:
    """`philox`, for Python."""
    return philox(counter, stream, seed)
