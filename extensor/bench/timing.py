"""Interleaved timing: every candidate once a round, in shuffled order; the median decides."""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One line of a benchmark.

    limit_seconds
        What the same bytes take when they are only read and written (None where it means nothing).
    peer, peer_seconds, speedup
        Who else does it, how long it takes, and how many times longer than ours; None where the
        peer is not installed.
    """

    case: str
    seconds: float
    limit_seconds: float | None = None
    fraction_of_limit: float | None = None
    peer: str | None = None
    peer_seconds: float | None = None
    speedup: float | None = None


def interleave(
    candidates: dict[str, Callable[[], Any]], rounds: int = 9, budget: float = 60.0, seed: int = 0
) -> dict[str, float]:
    """The median seconds of each candidate.

    One warm-up each, then rounds in shuffled order. Once ``budget`` seconds are spent, slow
    candidates stop after three rounds.

    >>> sorted(interleave({"a": lambda: None, "b": lambda: None}, rounds=3))
    ['a', 'b']
    """
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for run in candidates.values():
        run()
    order, start = list(candidates), time.perf_counter()
    shuffle = random.Random(seed).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            late = time.perf_counter() - start > budget
            if late and len(taken[name]) >= 3:
                continue
            begin = time.perf_counter()
            candidates[name]()
            taken[name].append(time.perf_counter() - begin)
    return {name: statistics.median(t) for name, t in taken.items()}


def row(
    case: str, times: dict[str, float], ours: str, limit: str | None = None, peer: str | None = None
) -> Row:
    """A row from the medians of one run."""
    seconds, bound = times[ours], times.get(limit) if limit else None
    other = times.get(peer) if peer else None
    return Row(
        case,
        seconds,
        bound,
        None if bound is None else bound / seconds,
        peer,
        other,
        None if other is None else other / seconds,
    )
