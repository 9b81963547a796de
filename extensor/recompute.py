"""Activation checkpointing: what a part of the model saves is computed again in the backward pass.

The graph of the part is made as always, but each of its nodes gives away what it saved. The first
node that needs its own back runs the part once more, and the nodes of that second run hand over
theirs, in order. So hooks, second derivatives and parameters of the surroundings are as without.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from extensor.autograd import Meta, Node
from extensor.errors import GraphError
from extensor.ops.mode import changed

R = TypeVar("R")


class _Segment:
    """One call of ``f``: its operands, and the nodes of its second run that are not yet used."""

    def __init__(self, f: Callable[..., Any], xs: Sequence[Any]) -> None:
        self.f, self.xs, self.count = f, xs, 0
        self.again: dict[int, Node] = {}

    def keep(self, node: Node) -> None:
        """Forget what a node of the first run saved."""
        node.kept = _Part(self, self.count)
        self.count += 1
        node.saved = [
            t if isinstance(t, Meta) else Meta(t.shape, t.dtype, t.requires_grad)
            for t in node.saved
        ]
        if not isinstance(node.y, Meta):
            node.y = Meta(node.y.shape, node.y.dtype)
        node.aux = None

    def run_again(self) -> None:
        """Fill ``again``; GraphError where f applied another number of ops."""
        second = _Second()
        with changed(grad=True, keeper=second, watch=None):
            self.f(*self.xs)
        if len(second.nodes) != self.count:
            raise GraphError(
                f"checkpoint: f applied {self.count} ops at first and {len(second.nodes)} when it "
                "was run again; it must depend on its operands and on unchanged values alone"
            )
        self.again = dict(enumerate(second.nodes))


class _Second:
    """Collects the nodes of a second run."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def keep(self, node: Node) -> None:
        """Note a node; it keeps what it saved."""
        self.nodes.append(node)


class _Part:
    """The place of one node in its segment."""

    __slots__ = ("number", "segment")

    def __init__(self, segment: _Segment, number: int) -> None:
        self.segment, self.number = segment, number

    @property
    def storages(self) -> tuple[Any, ...]:
        """The buffers of the segment's operands, for those who count bytes."""
        return tuple(x.storage for x in self.segment.xs if hasattr(x, "storage"))

    def restore(self, node: Node) -> tuple[list[Any], Any, Any]:
        """(saved, y, aux) of the second run's node; GraphError where it is another op."""
        if self.number not in self.segment.again:
            self.segment.run_again()
        twin = self.segment.again.pop(self.number)
        if twin.op is not node.op:
            raise GraphError(
                f"checkpoint: f applied {node.op.name} at first and {twin.op.name} when it was run "
                "again; it must depend on its operands and on unchanged values alone"
            )
        if twin.versions != node.versions:
            raise GraphError(
                f"checkpoint: an operand of {node.op.name} was changed in place since f ran; call "
                "backward before the optimizer's step"
            )
        return twin.saved, twin.y, twin.aux


def checkpoint(f: Callable[..., R], *xs: Any) -> R:
    """``f(*xs)``, of which the graph keeps the operands alone; backward runs ``f`` again.

    f
        A function of tensors, a layer for example. It must do the same when it is run again:
        give keys as values (``lambda x: layer(x, key=k)``), then stochastic rounding and dropout
        repeat bit for bit. State that f changes is changed twice.

    Values and gradients have the bits of ``f(*xs)`` without checkpointing. It costs one more
    forward pass of ``f`` for each backward pass. Chen et al., "Training deep nets with sublinear
    memory cost", 2016. GraphError in backward where f did other ops, or a parameter was changed.

    >>> import extensor as ex
    >>> x = ex.asarray([0.5], requires_grad=True)
    >>> ex.checkpoint(lambda x: x.exp().exp(), x).backward()
    >>> round(x.grad.item(), 4)
    8.5739
    """
    with changed(keeper=_Segment(f, xs)):
        return f(*xs)
