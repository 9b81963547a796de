"""``ordered_map``: a map over threads that keeps the order, runs ahead a little, and cleans up."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def ordered_map(
    function: Callable[[A], B], items: Iterable[A], workers: int, ahead: int
) -> Iterator[B]:
    """``map(function, items)`` with ``workers`` threads, at most ``ahead`` results waiting.

    An exception of the function surfaces where its result would have come. When the iterator ends,
    fails or is closed, its threads are joined: none is left behind. With 0 workers everything runs
    in the caller's thread.

    >>> list(ordered_map(lambda x: x * x, range(5), workers=2, ahead=2))
    [0, 1, 4, 9, 16]
    """
    if workers == 0:
        yield from map(function, items)
        return
    rest = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="extensor-data")
    try:
        waiting: deque[Future[B]] = deque(
            pool.submit(function, item) for item in islice(rest, max(ahead, 1))
        )
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(rest, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
