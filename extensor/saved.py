"""Saved tensors in a narrower format: the graph keeps packed copies and decodes them again.

What that does to gradients: the forward pass is as it was, and each op's gradient is taken at the
rounded values of what it saved. A product ``y = x w`` gives ``dw = round(x)ᵀ g``, as in a recipe
that quantizes x of wgrad; ``relu`` loses the gradient of what rounds to 0. Leaves (parameters)
and views of them are never packed, since they exist anyway. Ops that save operand and answer
compare the two (the maximum of a window): they keep their bits, unless asked otherwise, since of
two that round to the same they might pick the wrong one. No second derivative.
"""

import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager
from fnmatch import fnmatch
from typing import Any

from extensor.autograd import Meta, Node
from extensor.errors import FormatError, GraphError, KeyMissingError
from extensor.formats import Block, DType, dtype
from extensor.noise import Key
from extensor.ops.convert import arrays_of, store
from extensor.ops.mode import changed, grad_enabled
from extensor.quantizer import Quantizer
from extensor.storage import Blocked, Native, Storage
from extensor.tensor import ExTensor


class _Packed:
    """A float storage in a narrower format: its rows of blocks, or codes; or the storage itself,
    once another node holds on to it anyway."""

    __slots__ = ("dtype", "packed", "shape")

    def __init__(self, storage: Storage, packed: Storage) -> None:
        self.dtype, self.shape, self.packed = storage.dtype, storage.shape, packed

    def restore(self, version: int) -> Storage:
        """The rounded values in the format that was packed."""
        packed = self.packed
        if packed.dtype == self.dtype:
            return packed
        if isinstance(packed, Blocked):  # as it is stored: no rotation or prescale to undo
            packed = Blocked(packed.rows, packed.shape, packed.axis)
        array = arrays_of(packed, wide=self.dtype.name == "float64").reshape(self.shape)
        storage = store(array, self.dtype)
        storage.version = version
        return storage


class _Kept:
    """What one node keeps packed: operands by number, ``y`` and ``aux``."""

    __slots__ = ("again", "parts")

    def __init__(self, parts: dict[Any, _Packed], again: bool) -> None:
        self.parts, self.again = parts, again

    @property
    def storages(self) -> tuple[Any, ...]:
        """The packed buffers, for those who count bytes."""
        return tuple(part.packed for part in self.parts.values())

    def restore(self, node: Node) -> tuple[list[Any], Any, Any]:
        """(saved, y, aux), decoded."""
        if grad_enabled():
            raise GraphError(
                f"saved_tensors: {node.op.name} saved rounded values, which have no second "
                "derivative; leave create_graph out, or ex.saved_tensors"
            )
        saved: list[Any] = list(node.saved)
        for i, part in self.parts.items():
            if isinstance(i, int):
                saved[i] = ExTensor(part.restore(node.versions[i]), node.saved[i].requires_grad)
        y, aux = node.y, node.aux
        if self.again:
            y = node.op.run([t.storage for t in saved], node.attributes)
            y.version = node.y_version
        elif "y" in self.parts:
            y = self.parts["y"].restore(node.y_version)
        if "aux" in self.parts:
            aux = self.parts["aux"].restore(0)
        return saved, y, aux


def _is_parameter(t: ExTensor) -> bool:
    """Whether a tensor is a leaf that requires a gradient, or that in another shape."""
    place: Any = t if t.node is None else t.node
    while isinstance(place, Node) and place.op.result == "same" and len(place.edges) == 1:
        place = place.edges[0]
    return isinstance(place, ExTensor) and place.requires_grad


class _Keeper:
    """Packs what new nodes save, each storage once."""

    def __init__(
        self, to: DType | Quantizer, key: Key | None, exact: tuple[str, ...] | None
    ) -> None:
        self.to, self.key, self.exact, self.draws = to, key, exact, 0
        self._known: dict[int, tuple[Any, _Packed | None]] = {}
        """By id: a weak reference to the storage, and its copy; None where it stays as it is."""

    def keep(self, node: Node) -> None:
        """Replace what the node saved by packed copies."""
        if self._keeps_bits(node):
            for t in node.saved:
                if not isinstance(t, Meta):
                    self._release(t.storage)
            return
        parts: dict[Any, _Packed] = {}
        for i, t in enumerate(node.saved):
            if isinstance(t, Meta) or _is_parameter(t):
                continue
            if (packed := self._pack(t.storage)) is not None:
                parts[i] = packed
                node.saved[i] = Meta(t.shape, t.dtype, t.requires_grad)
        again = False
        if not isinstance(node.y, Meta):
            again = not node.op.aux and all(i in node.op.saves for i in range(len(node.saved)))
            packed = None if again else self._pack(node.y)
            if packed is not None:
                parts["y"] = packed
            if again or packed is not None:
                node.y = Meta(node.y.shape, node.y.dtype)
        if isinstance(node.aux, Native) and (packed := self._pack(node.aux)) is not None:
            parts["aux"], node.aux = packed, None
        if parts or again:
            node.kept = _Kept(parts, again)

    def _keeps_bits(self, node: Node) -> bool:
        saves = node.op.saves
        if self.exact is None:
            return len(saves) > 1 and "y" in saves
        return any(fnmatch(node.op.name, pattern) for pattern in self.exact)

    def _release(self, storage: Storage) -> None:
        """A node keeps this storage as it is: packed copies of it would only add bytes."""
        alive, packed = self._known.get(id(storage), (None, None))
        if packed is not None and alive is not None and alive() is storage:
            packed.packed = storage
        self._known[id(storage)] = (weakref.ref(storage), None)

    def _pack(self, storage: Storage) -> _Packed | None:
        """A packed copy, made once; None where it would not be smaller, or is not of floats."""
        if isinstance(storage, Blocked) or not storage.shape or not storage.dtype.is_float:
            return None
        if getattr(storage, "weak", False) or 0 in storage.shape:
            return None
        alive, packed = self._known.get(id(storage), (None, None))
        if alive is None or alive() is not storage:
            made = self._encode(arrays_of(storage))
            packed = _Packed(storage, made) if made.nbytes < storage.nbytes else None
            self._known[id(storage)] = (weakref.ref(storage), packed)
        return packed

    def _encode(self, array: Any) -> Storage:
        """Blocks run along the last axis where it is whole blocks, else over all in one row."""
        if not isinstance(self.to, Quantizer):
            return store(array, self.to)
        key = None if self.key is None else self.key.fold(self.draws)
        self.draws += 1
        whole = array.shape[-1] % self.to.fmt.length == 0
        tile = self.to.fmt.shape[0] > 1
        rows = array.reshape(-1, array.shape[-1]) if whole or tile else array.reshape(1, -1)
        return self.to.apply(rows, axis=1, key=key)


def saved_tensors(
    fmt: object, *, key: Key | None = None, keep: Sequence[str] | None = None, **choices: Any
) -> AbstractContextManager[None]:
    """In the block the graph keeps its saved activations in this format.

    fmt
        A blocked or a narrow float format, or a `Quantizer`; choices are those of `Quantizer`.
    key
        For stochastic rounding, by which products of saved values are right on average.
    keep
        Patterns of op names that save as always; None: those that compare an operand with their
        answer. ``keep=()`` packs these too and computes the answer again from the operand.

    Forward values do not change. Gradients are taken at the rounded values: a relative error of
    about half a step of the format in each product (2**-4 for mxfp8_e4m3, 2**-2 for FP4); a
    ``relu`` passes nothing where its answer rounds to 0. Bits are kept for parameters, integers,
    single numbers and whatever is as small already. A layer under a recipe saves its packed
    operand as it is; a part under `checkpoint` saves nothing to pack. Asking for second
    derivatives raises GraphError.

    >>> import extensor as ex
    >>> x = ex.asarray([[1.0, 2.1, 3.0, -6.0] * 8], requires_grad=True)
    >>> with ex.saved_tensors(ex.mxfp4):
    ...     y = (x * 1.0).exp() * 0.0 + (x * 1.0) * (x * 1.0)
    >>> y.sum().backward()
    >>> x.grad.tolist()[0][:4]                       # 2 round(x): 2.1 became 2
    [2.0, 4.0, 6.0, -12.0]
    """
    to: DType | Quantizer
    if isinstance(fmt, Quantizer):
        if choices:
            raise FormatError(f"saved_tensors: a Quantizer and {sorted(choices)}; give one of them")
        to = fmt
    else:
        found = dtype(fmt)
        if not found.is_float:
            raise FormatError(f"saved_tensors: {found}; allowed: float and blocked formats")
        if choices and not isinstance(found, Block):
            raise FormatError(f"saved_tensors: {sorted(choices)} for {found}, which has no blocks")
        to = Quantizer(found, **choices) if isinstance(found, Block) else found
    if isinstance(to, Quantizer) and to.needs_key and key is None:
        raise KeyMissingError(
            f"saved_tensors: {to} draws random words and key=None; give key=ex.key(seed)"
        )
    exact = None if keep is None else (keep,) if isinstance(keep, str) else tuple(keep)
    return changed(keeper=_Keeper(to, key, exact))
