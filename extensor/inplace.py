"""Changes in place: ``x[index] = v``, ``x += v`` and its like. Hung on to `ExTensor` here.

A tensor outside of a graph is changed in its memory, so views of it (slices, reshapes, the NumPy
array it was made of) change with it. A tensor with a graph takes the answer of the op as its new
storage, and the graph goes through the op: gradients stay right, views made before keep the old
numbers. Both count as a change: a graph that saved the old numbers raises GraphError in backward
instead of reading new ones. A leaf that requires a gradient is changed under `no_grad` only.
"""

from typing import Any

from extensor import ops
from extensor.errors import DTypeError, GraphError, IndexShapeError, ShapeError
from extensor.formats import DType, dtype, lift, promote
from extensor.ops.mode import grad_enabled
from extensor.ops.shape import beside, check_index
from extensor.storage import Blocked, Native, Storage
from extensor.tensor import ExTensor, asarray, index_of
from extensor.tensor import apply as _apply

_ROWS = {
    "add": "iadd", "sub": "isub", "mul": "imul", "div": "itruediv", "pow": "ipow",
    "floor_divide": "ifloordiv", "remainder": "imod", "matmul": "imatmul",
    "bitwise_and": "iand", "bitwise_or": "ior", "bitwise_xor": "ixor",
    "bitwise_left_shift": "ilshift", "bitwise_right_shift": "irshift",
}  # fmt: skip


def _buffer(storage: Storage) -> Any:
    """The array that holds the numbers or codes."""
    assert not isinstance(storage, Blocked)
    return storage.array if isinstance(storage, Native) else storage.codes


def _tracked(name: str, x: ExTensor, other: Any) -> bool:
    """Whether the change is part of a graph; GraphError for a leaf that requires a gradient."""
    if not grad_enabled():
        return False
    if x.requires_grad and x.node is None:
        raise GraphError(
            f"{name}: a leaf that requires a gradient is changed in place; do it under ex.no_grad()"
        )
    return x.requires_grad or (isinstance(other, ExTensor) and other.requires_grad)


def _replace(x: ExTensor, new: ExTensor) -> None:
    """Give ``x`` the storage of an answer, and its place in the graph; counts as a change."""
    version = x.storage.version + 1
    x.storage = new.storage
    x.storage.version = version
    x.node, x.requires_grad = new.node, new.requires_grad


def _alias(x: ExTensor) -> ExTensor:
    """The tensor as it is now, under another name."""
    return ExTensor(x.storage, node=x.node)


def _operator(row: str, mark: str) -> Any:
    def changed(self: ExTensor, other: Any) -> ExTensor:
        tracked = _tracked(row, self, other)
        new = _apply(ops.OPS[row], (_alias(self) if tracked else self, other), {})
        if new.shape != self.shape:
            raise ShapeError(
                f"{row}: in place, shape {self.shape} cannot hold the answer's {new.shape}; "
                "allowed: operands that broadcast to it"
            )
        if new.dtype != self.dtype:
            raise DTypeError(
                f"{row}: in place, {self.dtype} cannot hold the answer's {new.dtype}; write "
                f"x = (x op y).to(ex.{self.dtype}), or convert the other operand"
            )
        if tracked or not _writeable(self.storage):
            _replace(self, new)
        else:
            _buffer(self.storage)[...] = _buffer(new.storage)
            self.bump()
        return self

    changed.__name__ = f"__{mark}__"
    return changed


def _writeable(storage: Storage) -> bool:
    flags = getattr(_buffer(storage), "flags", None)
    return bool(getattr(flags, "writeable", True))


def _fits(value: Any, to: DType) -> None:
    """Whether a value may be written into a format without losing its kind or range."""
    if isinstance(value, bool | int | float | complex):
        kind = dtype(type(value))
        common = lift(to, dtype("float64") if kind.is_float else kind)
        came = type(value).__name__
    else:
        common, came = promote(to, value.dtype), str(value.dtype)
        common = to if value.dtype == to else common
    if common != to:
        raise DTypeError(
            f"setitem: {came} into a tensor of {to}; allowed: what promotes to it; convert the "
            f"value: v.to(ex.{to})"
        )


def setitem(self: ExTensor, index: Any, value: Any) -> None:
    """``x[index] = value``: the numbers at the index become the value, which broadcasts.

    index
        Integers, slices, None, ..., boolean masks, and integer tensors; of places named twice the
        last one stays.
    value
        A number or a tensor whose format promotes to that of x (DTypeError else). Blocked tensors
        share scales between entries and are not changed one by one: DTypeError.

    >>> import extensor as ex
    >>> x = ex.zeros((2, 2))
    >>> x[0] = 1.0
    >>> x[x == 0] = ex.asarray([2.0, 3.0])
    >>> x.tolist()
    [[1.0, 1.0], [2.0, 3.0]]
    """
    parts = index if isinstance(index, tuple) else (index,)
    plain = check_index(tuple(index_of(p) if isinstance(p, ExTensor) else p for p in parts))
    if isinstance(self.storage, Blocked):
        raise DTypeError(
            f"setitem: {self.dtype} shares scales between entries; dequantize, set, quantize again"
        )
    if not isinstance(value, ExTensor | bool | int | float | complex):
        value = asarray(value)
    _fits(value, self.dtype)
    tracked = _tracked("setitem", self, value)
    if not isinstance(value, ExTensor) or value.dtype != self.dtype:
        value = asarray(value, self.dtype, device=self.device)
    if tracked or not _writeable(self.storage):
        _replace(self, ops.setitem(_alias(self), value, index=plain))
        return
    buffer = _buffer(self.storage)
    try:
        buffer[beside(buffer, plain)] = _buffer(value.storage)
    except (ValueError, IndexError) as error:
        kind = IndexShapeError if isinstance(error, IndexError) else ShapeError
        raise kind(
            f"setitem: value of shape {value.shape} at {index!r} of {self.shape}: {error}"
        ) from None
    self.bump()


for _row, _mark in _ROWS.items():
    setattr(ExTensor, f"__{_mark}__", _operator(_row, _mark))
ExTensor.__setitem__ = setitem  # type: ignore[method-assign]
