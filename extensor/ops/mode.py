"""Whether ops make a graph: a context, not a global."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)


@contextmanager
def graph(enabled: bool) -> Iterator[None]:
    """Ops in the block make a graph, or do not."""
    token = _enabled.set(enabled)
    try:
        yield
    finally:
        _enabled.reset(token)


def no_grad() -> AbstractContextManager[None]:
    """Ops in the block make no graph.

    >>> import extensor as ex
    >>> x = ex.asarray([2.0], requires_grad=True)
    >>> with ex.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return graph(False)


def grad_enabled() -> bool:
    """Whether ops make a graph here."""
    return _enabled.get()
