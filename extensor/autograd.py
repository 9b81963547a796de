"""Reverse-mode differentiation: a topological walk over the graph. It knows nothing of any op.

A node is one applied op: its row, attributes, what the row says it saves, and edges to the
operands' own nodes. Gradients are ops on tensors, so with ``create_graph=True`` they have
gradients in turn.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from extensor.errors import GraphError, ShapeError
from extensor.formats import DType
from extensor.noise import Key
from extensor.ops.mode import graph, no_grad


class Meta(NamedTuple):
    """What a gradient may know of an operand that was not saved."""

    shape: tuple[int, ...]
    dtype: DType
    requires_grad: bool = False

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


class Node:
    """One applied op in the graph."""

    __slots__ = ("attributes", "aux", "edges", "op", "saved", "versions", "y", "y_version")

    def __init__(
        self, op: Any, operands: Sequence[Any], attributes: dict[str, Any], y: Any, aux: Any
    ) -> None:
        self.op, self.attributes, self.aux = op, attributes, aux
        self.saved: list[Any] = [
            t if i in op.saves else Meta(t.storage.shape, t.storage.dtype, t.requires_grad)
            for i, t in enumerate(operands)
        ]
        self.versions = [t.storage.version for t in operands]
        self.edges = [
            (t.node if t.node is not None else t) if t.requires_grad else None for t in operands
        ]
        self.y = y.storage if "y" in op.saves else Meta(y.storage.shape, y.storage.dtype)
        self.y_version = y.storage.version

    def gradients(self, g: Any) -> tuple[Any, ...]:
        """One gradient (or None) per operand."""
        if self.op.grad is None:
            raise GraphError(
                f"backward: {self.op.name} has no gradient; detach its operand, or take another op"
            )
        for i, version in enumerate(self.versions):
            saved = self.saved[i]
            if not isinstance(saved, Meta) and saved.storage.version != version:
                raise GraphError(
                    f"backward: operand {i} of {self.op.name} was changed in place after it was "
                    "saved; change a copy, or call backward first"
                )
        if not isinstance(self.y, Meta) and self.y.version != self.y_version:
            raise GraphError(
                f"backward: the answer of {self.op.name} was changed in place after it was saved; "
                "change a copy, or call backward first"
            )
        y = self.y if isinstance(self.y, Meta) else type(g)(self.y, node=self)
        extra = {"aux": self.aux} if self.op.aux else {}
        result: tuple[Any, ...] = self.op.grad(g, y, *self.saved, **self.attributes, **extra)
        return result


def _order(root: Node) -> list[Node]:
    """Nodes reachable from ``root``, each after everything that uses it."""
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((e, False) for e in node.edges if isinstance(e, Node))
    return order[::-1]


def _walk(root: Any, g: Any, inner: Sequence[Any] = ()) -> dict[int, tuple[Any, Any]]:
    """Gradients of all leaves below ``root``, and of these nodes: id -> (leaf, gradient)."""
    leaves: dict[int, tuple[Any, Any]] = {}
    asked = {id(node) for node in inner}
    if root.node is None:
        return {id(root): (root, g)}
    pending: dict[int, Any] = {id(root.node): g}
    for node in _order(root.node):
        flowing = pending.pop(id(node), None)
        if flowing is None:
            continue
        if id(node) in asked:
            leaves[id(node)] = (node, flowing)
        for edge, part in zip(node.edges, node.gradients(flowing), strict=True):
            if edge is None or part is None:
                continue
            if isinstance(edge, Node):
                known = pending.get(id(edge))
                pending[id(edge)] = part if known is None else known + part
            else:
                _, old = leaves.get(id(edge), (edge, None))
                leaves[id(edge)] = (edge, part if old is None else old + part)
    return leaves


def _seed(y: Any, g: Any) -> Any:
    if not y.requires_grad:
        raise GraphError("backward: the tensor has no graph; make an input with requires_grad=True")
    if g is None:
        if y.size != 1:
            raise ShapeError(
                f"backward: shape {y.shape} is not a single number; give a gradient of that shape"
            )
        return y.full_like(1.0)
    if tuple(g.shape) != y.shape:
        raise ShapeError(f"backward: gradient of shape {tuple(g.shape)} for a tensor of {y.shape}")
    return g


def backward(y: Any, g: Any = None, *, key: Key | None = None) -> None:
    """Add ``d y / d leaf`` to ``leaf.grad`` of every leaf that requires a gradient.

    key
        For leaves that keep their gradient in a stochastically rounded format.
    """
    with no_grad():
        leaves = _walk(y, _seed(y, g))
        for number, (leaf, part) in enumerate(leaves.values()):
            leaf.store_grad(part, key.fold(number) if key is not None else None)


def grad(y: Any, xs: Sequence[Any], g: Any = None, *, create_graph: bool = False) -> list[Any]:
    """``d y / d x`` of every x (None where y does not depend on it), nothing is stored.

    xs
        Leaves, or tensors on the way from leaves to y.
    create_graph
        Whether the gradients get a graph of their own.

    >>> import extensor as ex
    >>> x = ex.asarray([3.0], requires_grad=True)
    >>> (dx,) = ex.grad((x * x * x).sum(), [x], create_graph=True)
    >>> ex.grad(dx.sum(), [x])[0].tolist()       # 6 x
    [18.0]
    """
    places = [x if x.node is None else x.node for x in xs]
    with graph(create_graph):
        leaves = _walk(y, _seed(y, g), [x.node for x in xs if x.node is not None])
    return [leaves.get(id(place), (place, None))[1] for place in places]
