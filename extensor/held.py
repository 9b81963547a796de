"""What a graph holds for the backward pass: its buffers, each counted once.

A saved tensor may be a view; what lives as long as the graph is the array that owns the memory.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from extensor.autograd import Meta, Node
from extensor.storage import Blocked, Coded


class Buffer(NamedTuple):
    """Memory that a graph keeps alive.

    op
        The first op (from the answer down) that saved it.
    what
        The format of its numbers.
    array
        The array that owns it.
    """

    op: str
    what: str
    array: Any


def owner(array: Any) -> Any:
    """The array that owns the memory of a view.

    >>> import numpy as np
    >>> x = np.zeros((2, 3))
    >>> owner(x.T[1:]) is x
    True
    """
    while getattr(array, "base", None) is not None and hasattr(array.base, "nbytes"):
        array = array.base
    return array


def arrays(storage: Any) -> tuple[Any, ...]:
    """The arrays of a storage: its numbers, its codes, or codes and scales."""
    if isinstance(storage, Blocked):
        return storage.rows.codes, storage.rows.scales
    return (storage.codes,) if isinstance(storage, Coded) else (storage.array,)


def nodes(y: Any) -> Iterator[Node]:
    """All nodes of the graph below a tensor."""
    seen: set[int] = set()
    stack: list[Any] = [y.node]
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and id(node) not in seen:
            seen.add(id(node))
            stack.extend(node.edges)
            yield node


def _storages(node: Node) -> Iterator[Any]:
    operands = (t.storage for t in node.saved if not isinstance(t, Meta))
    yield from (s for s in operands if not getattr(s, "weak", False))
    aux = node.aux if isinstance(node.aux, tuple) else (node.aux,)
    yield from (s for s in (node.y, *aux) if hasattr(s, "nbytes"))
    yield from () if node.kept is None else node.kept.storages


def held(y: Any, apart: Iterable[Any] = ()) -> list[Buffer]:
    """The buffers that the graph of ``y`` keeps alive, each once.

    apart
        Tensors whose memory does not count: parameters, the batch.

    >>> import extensor as ex
    >>> x = ex.asarray([1.0, 2.0, 3.0], requires_grad=True)
    >>> [(b.op, b.what, b.array.nbytes) for b in held((x.exp() * x).sum(), [x])]
    [('mul', 'float32', 12)]
    """
    known = {id(owner(a)) for t in apart for a in arrays(t.storage)}
    found: dict[int, Buffer] = {}
    for node in nodes(y):
        for storage in _storages(node):
            for array in arrays(storage):
                memory = owner(array)
                if id(memory) not in known:
                    buffer = Buffer(node.op.name, str(storage.dtype), memory)
                    found.setdefault(id(memory), buffer)
    return list(found.values())
