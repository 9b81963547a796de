"""Reverse-mode differentiation: a topological walk over the graph. It knows nothing of any op.

A node is one applied op: its row, attributes, what the row says it saves, and edges to the
operands' own nodes. Gradients are ops on tensors, so with ``create_graph=True`` they have
gradients in turn.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

from extensor.errors import GraphError, ShapeError
from extensor.formats import DType
from extensor.noise import Key
from extensor.ops.mode import Watch, changed, mode

Hook = Callable[[Any], Any]


class Meta(NamedTuple):
    """What a gradient may know of an operand that was not saved."""

    shape: tuple[int, ...]
    dtype: DType
    requires_grad: bool = False

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


class Handle:
    """A hook that is registered, until `remove` or the end of its ``with`` block."""

    __slots__ = ("_hooks", "_number")

    def __init__(self, hooks: dict[int, Hook], hook: Hook) -> None:
        self._hooks, self._number = hooks, max(hooks, default=-1) + 1
        hooks[self._number] = hook

    def remove(self) -> None:
        """Call the hook no more; removing twice does nothing."""
        self._hooks.pop(self._number, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def _hooked(hooks: dict[int, Hook] | None, g: Any) -> Any:
    """What the hooks, in the order of their registration, make of a gradient."""
    for hook in tuple(hooks.values()) if hooks else ():
        new = hook(g)
        if new is None:
            continue
        if not isinstance(new, type(g)) or new.shape != g.shape:
            came = f"a tensor of {new.shape}" if isinstance(new, type(g)) else type(new).__name__
            raise ShapeError(
                f"register_hook: a hook gave {came} for a gradient of shape {g.shape}; allowed: "
                "None, or a tensor of that shape"
            )
        g = new
    return g


class Node:
    """One applied op in the graph.

    kept
        None, or what gives (saved, y, aux) back where a `Keeper` took them.
    hooks, retain
        Of the op's answer: what its gradient goes through, and a weak reference to the tensor that
        wants to keep it.
    place
        Where and when the op was applied, noted by `extensor.detect_anomaly`.
    """

    __slots__ = (
        "attributes", "aux", "edges", "hooks", "kept", "op", "place", "retain", "saved",
        "versions", "y", "y_version",
    )  # fmt: skip

    def __init__(
        self, op: Any, operands: Sequence[Any], attributes: dict[str, Any], y: Any, aux: Any
    ) -> None:
        self.op, self.attributes, self.aux = op, attributes, aux
        self.saved: list[Any] = []
        self.versions: list[int] = []
        self.edges: list[Any] = []
        for i, t in enumerate(operands):
            storage, wanted = t.storage, t.requires_grad
            self.saved.append(t if i in op.saves else Meta(storage.shape, storage.dtype, wanted))
            self.versions.append(storage.version)
            self.edges.append((t.node or t) if wanted else None)
        stored = y.storage
        self.y = stored if "y" in op.saves else Meta(stored.shape, stored.dtype)
        self.y_version = stored.version
        self.hooks: dict[int, Hook] | None = None
        self.retain: Callable[[], Any] | None = None
        self.kept: Any = None
        self.place: Any = None

    def gradients(self, g: Any) -> tuple[Any, ...]:
        """One gradient (or None) per operand."""
        if self.op.grad is None:
            raise GraphError(
                f"backward: {self.op.name} has no gradient; detach its operand, or take another op"
            )
        saved, stored, aux = (
            (self.saved, self.y, self.aux) if self.kept is None else self.kept.restore(self)
        )
        self._check_versions(saved, stored)
        if stored.dtype.is_complex or any(x.dtype.is_complex for x in saved):
            raise GraphError(
                f"backward: {self.op.name} is on complex numbers, through which no gradient goes; "
                "detach() its operands, or write it with real and imaginary parts"
            )
        y = stored if isinstance(stored, Meta) else type(g)(stored, node=self)
        extra = {"aux": aux} if self.op.aux else {}
        result: tuple[Any, ...] = self.op.grad(g, y, *saved, **self.attributes, **extra)
        return result

    def _check_versions(self, saved: Sequence[Any], y: Any) -> None:
        for i, (operand, version) in enumerate(zip(saved, self.versions, strict=True)):
            if not isinstance(operand, Meta) and operand.storage.version != version:
                raise GraphError(
                    f"backward: operand {i} of {self.op.name} was changed in place after it was "
                    "saved; change a copy, or call backward first"
                )
        if not isinstance(y, Meta) and y.version != self.y_version:
            raise GraphError(
                f"backward: the answer of {self.op.name} was changed in place after it was saved; "
                "change a copy, or call backward first"
            )


def _order(roots: Sequence[Node]) -> list[Node]:
    """Nodes reachable from ``roots``, each after everything that uses it."""
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in roots]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((e, False) for e in node.edges if isinstance(e, Node))
    return order[::-1]


Flow = dict[int, tuple[Any, Any]]
"""Leaves (and nodes that were asked for) by id, with their gradients."""


def _add(to: Flow, place: Any, part: Any) -> None:
    _, old = to.get(id(place), (place, None))
    to[id(place)] = (place, part if old is None else old + part)


def _walk(
    roots: Sequence[tuple[Any, Any]], inner: Sequence[Node] = (), watch: Watch | None = None
) -> Flow:
    """Gradients of all leaves below the roots (tensors with their gradients), of these nodes, and
    of those that retain theirs."""
    leaves: Flow = {}
    pending: Flow = {}
    asked = {id(node) for node in inner}
    for y, g in roots:
        if watch is not None:
            watch.backward(g)
        _add(leaves if y.node is None else pending, y if y.node is None else y.node, g)
    for node in _order([y.node for y, _ in roots if y.node is not None]):
        _, flowing = pending.pop(id(node), (None, None))
        if flowing is None:
            continue
        if node.hooks:
            flowing = _hooked(node.hooks, flowing)
        if id(node) in asked or node.retain is not None:
            leaves[id(node)] = (node, flowing)
        parts = node.gradients(flowing) if watch is None else watch.gradients(node, flowing)
        for edge, part in zip(node.edges, parts, strict=True):
            if edge is not None and part is not None:
                _add(pending if isinstance(edge, Node) else leaves, edge, part)
    for at, (leaf, part) in leaves.items():
        if not isinstance(leaf, Node) and leaf.hooks:
            leaves[at] = (leaf, _hooked(leaf.hooks, part))
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

    >>> import extensor as ex
    >>> x = ex.asarray([1.0, 2.0], requires_grad=True)
    >>> backward((x * x).sum())
    >>> x.grad.tolist()
    [2.0, 4.0]
    """
    watch = mode().watch
    with changed(grad=False, keeper=None, watch=None):
        number = 0
        for place, part in _walk([(y, _seed(y, g))], watch=watch).values():
            if isinstance(place, Node):
                tensor = place.retain() if place.retain is not None else None
                if tensor is not None:
                    tensor.store_grad(part, None)
                continue
            place.store_grad(part, key.fold(number) if key is not None else None)
            number += 1


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
    return pull([(y, _seed(y, g))], xs, create_graph)


def pull(roots: Sequence[tuple[Any, Any]], xs: Sequence[Any], create_graph: bool) -> list[Any]:
    """The gradient of every x (or None) for several answers, each with a gradient of its own."""
    places = [x if x.node is None else x.node for x in xs]
    inner, watch = [x.node for x in xs if x.node is not None], mode().watch
    with changed(grad=create_graph, watch=None):
        leaves = _walk(roots, inner, watch)
    return [leaves.get(id(place), (place, None))[1] for place in places]
