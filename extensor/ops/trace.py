"""Which kernels ran: a record of every op that is dispatched in a block of code."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

Key = tuple[str, ...]


class Call(NamedTuple):
    """One dispatched op, as `trace` records it."""

    op: str
    kinds: Key
    device: str
    kernel: str
    fallback: bool


record: ContextVar[list[Call] | None] = ContextVar("trace", default=None)


@contextmanager
def trace() -> Iterator[list[Call]]:
    """Record every op that runs in the block: which kernel ran, and whether it was the fallback.

    >>> import extensor as ex
    >>> with trace() as calls:
    ...     y = ex.asarray([1.0]) + ex.asarray([2.0])
    >>> calls[0].op, calls[0].device, calls[0].fallback
    ('add', 'cpu', False)
    """
    calls: list[Call] = []
    token = record.set(calls)
    try:
        yield calls
    finally:
        record.reset(token)
