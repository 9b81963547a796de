"""What a stochastic rounding must satisfy, as a check that takes any rounder; and broken ones.

A rounder takes fractions (float64, 0 <= f < 1) and 32-bit words and says which go up. Nothing is
sampled: with 8 bits all 256 draws are tried, with 32 the words on both sides of the boundary.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Rounder = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.bool_]]


def prove_eight_bits(up: Rounder) -> None:
    """Over all 256 draws, a fraction k/256 goes up exactly k times: no bias at all."""
    k = np.arange(256)
    draws = np.arange(256, dtype=np.int64) << 24
    fractions, words = np.repeat(k / 256, 256), np.tile(draws, 256)
    ups = up(fractions, words).reshape(256, 256).sum(axis=1)
    wrong = np.flatnonzero(ups != k)
    assert not wrong.size, f"fraction {wrong[0]}/256 goes up {ups[wrong[0]]} times of 256"


def prove_32_bits(up: Rounder) -> None:
    """A fraction m / 2**32 goes up from word 2**32 - m on, and not one word earlier.

    With the monotony that two words prove together with all others between, m words of 2**32 go up.
    """
    rng = np.random.default_rng(0)
    m = np.unique(np.concatenate([[1, 2, 3, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 2, 2**32 - 1],
                                  rng.integers(1, 2**32, 20_000), 2 ** np.arange(32)]))  # fmt: skip
    fraction, first = m / 2**32, 2**32 - m
    assert up(fraction, first).all(), "a word too late: biased down"
    assert not up(fraction, first - 1).any(), "a word too early: biased up"
    assert up(fraction, np.full(m.size, 2**32 - 1)).all(), "the largest word must go up"
    assert not up(fraction, np.zeros(m.size, np.int64)).any(), "the smallest word must not go up"
    exact = np.zeros(4)
    assert not up(exact, np.array([0, 1, 2**31, 2**32 - 1])).any(), "a value of the grid must stay"


def _uniform(words: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray((words + 0.5) / 2**32)


BROKEN: dict[str, Rounder] = {
    "p + 0.1": lambda f, w: (f > 0) & (_uniform(w) < f + 0.1),
    "p + 0.2": lambda f, w: (f > 0) & (_uniform(w) < f + 0.2),
    "p ** 1.5": lambda f, w: _uniform(w) < f**1.5,
    "2 random bits": lambda f, w: np.asarray(np.floor(f * 4) + (w >> 30) >= 4),
    "a coin": lambda f, w: (f > 0) & (w >= 2**31),
    "normalised by 2**31": lambda f, w: (f > 0) & (w / 2**31 < f),
}
"""Six rounders that a test of means over 50 draws lets pass (reliability, finding 3)."""
SUBTLE: dict[str, Rounder] = {
    "word / (2**32 - 1)": lambda f, w: f + w / (2**32 - 1) > 1,
    "strictly greater": lambda f, w: np.asarray(np.floor(f * 2**32) + w > 2**32),
    "uncentred 8 bits": lambda f, w: np.asarray(np.floor(f * 256 - 0.5) + (w >> 24) >= 256),
}
"""Off by one word: bias below any sampling, seen by enumeration."""
