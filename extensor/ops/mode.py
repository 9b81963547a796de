"""Whether ops make a graph, what becomes of the tensors it saves, who watches: one context.

A context variable, not a global: threads and tasks do not see each other's.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol


class Keeper(Protocol):
    """Decides what the graph keeps of a new node; see `extensor.saved`, `extensor.recompute`."""

    def keep(self, node: Any) -> None:
        """Replace what ``node`` saves, and make it ask the keeper's word for it again."""
        ...


class Watch(Protocol):
    """Looks at every answer and every gradient; see `extensor.anomaly`."""

    def answer(self, row: Any, operands: Any, y: Any) -> None:
        """An op was applied."""
        ...

    def gradients(self, node: Any, g: Any) -> tuple[Any, ...]:
        """The gradients of a node, computed and looked at."""
        ...

    def backward(self, g: Any) -> None:
        """A backward pass begins with this gradient."""
        ...


class Mode(NamedTuple):
    """How ops run here."""

    grad: bool = True
    keeper: Keeper | None = None
    watch: Watch | None = None


_PLAIN = Mode()
_mode: ContextVar[Mode] = ContextVar("mode", default=_PLAIN)
mode = _mode.get
"""How ops run here."""


@contextmanager
def changed(**facts: Any) -> Iterator[None]:
    """In the block some facts of the mode are others."""
    token = _mode.set(mode()._replace(**facts))
    try:
        yield
    finally:
        _mode.reset(token)


def graph(enabled: bool) -> AbstractContextManager[None]:
    """Ops in the block make a graph, or do not."""
    return changed(grad=enabled)


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
    return mode().grad
