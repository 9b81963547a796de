"""Segments: K, cut wherever a block of either operand ends (32 x 16: at every 16th element)."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Segments(NamedTuple):
    """K, cut at the block boundaries of two operands.

    starts
        (S + 1,) where each segment starts, and K.
    first, second
        (S,) the block of each operand that a segment lies in.
    cuts
        Segments where a panel starts, and S: panels hold whole segments, about `PANEL` elements.
    longest
        The largest panel in elements.
    """

    starts: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    cuts: NDArray[np.int64]
    longest: int


PANEL = 512
"""Elements of K that are decoded at a time; not a matter of bits."""


@lru_cache(maxsize=256)
def segments(length: int, first: int, second: int) -> Segments:
    """The segments of ``length`` elements in blocks of ``first`` and of ``second`` elements.

    >>> segments(40, 32, 16).starts.tolist(), segments(40, 32, 16).second.tolist()
    ([0, 16, 32, 40], [0, 1, 2])
    """
    starts = np.union1d(np.arange(0, length, first), np.arange(0, length, second))
    starts = np.append(starts, length).astype(np.int64)
    cuts = [0]
    for s in range(1, len(starts) - 1):
        if starts[s + 1] - starts[cuts[-1]] > PANEL:
            cuts.append(s)
    if len(starts) > 1:
        cuts.append(len(starts) - 1)
    edges = starts[cuts]
    return Segments(
        starts,
        starts[:-1] // first,
        starts[:-1] // second,
        np.array(cuts, np.int64),
        int(np.diff(edges).max(initial=0)),
    )
