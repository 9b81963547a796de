"""A parameter as an optimizer sees it: a name, the tensor, and flat views of its memory.

>>> from types import SimpleNamespace as Box
>>> w = Box(storage=Box(array=np.zeros((2, 3), np.float32)), grad=None)
>>> Slot("SGD", "w", w).flat.shape
(6,)
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from extensor.errors import DTypeError, FormatError, ShapeError


class Parameter(Protocol):
    """What an optimizer needs of a tensor; an ExTensor with native float32 storage has it."""

    storage: Any
    grad: Any

    def bump(self) -> object:
        """Say that the values changed in place."""
        ...


Parameters = Iterable[Any] | Mapping[str, Any]
"""Tensors, or tensors by name."""


class Slot:
    """A parameter's array, and a buffer for its update that lies in memory in the same order.

    ``flat`` and ``update`` are 1-D views (of the parameter, of the buffer), whatever order of
    axes the array has in memory; `shaped` gives any such flat array the parameter's shape.
    Raises DTypeError unless the tensor is native float32, ShapeError unless it is dense in memory.
    """

    def __init__(self, op: str, name: str, tensor: Parameter) -> None:
        array = getattr(tensor.storage, "array", None)
        if array is None or array.dtype != np.float32:
            came = getattr(tensor, "dtype", None) or getattr(array, "dtype", None)
            raise DTypeError(
                f"{op}: parameter {name!r} is {came or type(tensor).__name__}; optimizers update "
                f"native float32 tensors (master weights): use .to(ex.float32) and let the recipe "
                f"quantize"
            )
        axes = tuple(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))
        dense = array.transpose(axes)
        if not dense.flags.c_contiguous or not getattr(array.flags, "writeable", True):
            raise ShapeError(
                f"{op}: parameter {name!r} of shape {array.shape} is a strided or read-only view; "
                f"a parameter must own all of its memory: make a copy of it"
            )
        self.op, self.name, self.tensor, self.array = op, name, tensor, array
        self._dense_shape, self._inverse = dense.shape, tuple(np.argsort(axes).tolist())
        self.flat: NDArray[np.float32] = dense.reshape(-1)
        self.update = np.zeros_like(self.flat)
        self._gather = self.shaped(self.update)

    def shaped(self, flat: NDArray[Any]) -> NDArray[Any]:
        """A flat array in this parameter's memory order, seen in the parameter's shape."""
        return flat.reshape(self._dense_shape).transpose(self._inverse)

    def take_gradient(self) -> bool:
        """Copy the gradient (dequantized, if packed) into ``update``; False if there is none."""
        grad = self.tensor.grad
        if grad is None:
            return False
        values = grad.array()
        if values.shape != self.array.shape:
            raise ShapeError(
                f"{self.op}.step: the gradient of {self.name!r} has shape {values.shape}, the "
                f"parameter {self.array.shape}; was it replaced after backward()?"
            )
        np.copyto(self._gather, values, casting="same_kind")
        return True


def slots(op: str, params: Parameters) -> list[Slot]:
    """The parameters with names (their keys, or "0", "1", ... in a list), each checked.

    Raises FormatError for no parameters or one tensor twice, DTypeError and ShapeError for a
    tensor that cannot be updated in place.
    """
    if hasattr(params, "storage"):
        raise FormatError(f"{op}: params must be a list or a dict of tensors; got one tensor")
    named = params if isinstance(params, Mapping) else {str(i): p for i, p in enumerate(params)}
    if not named:
        raise FormatError(f"{op}: params is empty; pass model.parameters()")
    seen: dict[int, str] = {}
    for name, tensor in named.items():
        if not hasattr(tensor, "storage"):
            raise DTypeError(
                f"{op}: parameter {name!r} must be a tensor; got {type(tensor).__name__}"
            )
        if (first := seen.setdefault(id(tensor), name)) != name:
            raise FormatError(
                f"{op}: {first!r} and {name!r} are one tensor, which would be updated twice; "
                f"pass it once"
            )
    return [Slot(op, name, tensor) for name, tensor in named.items()]
