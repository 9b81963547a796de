"""The operands of the three GEMMs: quantized as a recipe says, multiplied, and watched on the way.

Each GEMM owns the keys of its two operands: they share the signs of a rotation, and never a draw.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from extensor.backend import library_of
from extensor.formats import Element
from extensor.kernels.front import encode_elements
from extensor.noise import Key
from extensor.ops.convert import arrays_of
from extensor.ops.linear import matmul
from extensor.quantizer import Quantizer
from extensor.recipe import GEMMS, Operand, PerTensor, Recipe
from extensor.storage import Blocked, Coded, Native, Storage


class Place(NamedTuple):
    """Where an operand stands: the layer's name, the GEMM, and x, w or g."""

    layer: str
    gemm: str
    operand: str


Taker = Callable[[Place, Any, Operand, int, Key | None], Storage]
"""What makes an operand of a matrix in place of `operand`: (place, matrix, q, axis, key)."""
_taker: ContextVar[Taker | None] = ContextVar("taker", default=None)
taker = _taker.get
"""Who makes the operands here; None: `operand`."""


@contextmanager
def taken_by(own: Taker) -> Iterator[None]:
    """In the block, and in the backward passes run there, ``own`` makes the operands."""
    token = _taker.set(own)
    try:
        yield
    finally:
        _taker.reset(token)


@dataclass(slots=True, weakref_slot=True)
class Scaled(Coded):
    """Codes that are multiplied by one number: what `PerTensor` stores."""

    scale: float = 1.0


class Gemm(NamedTuple):
    """One GEMM of one call: its two operands' quantizers and their keys."""

    first: Operand
    second: Operand
    keys: tuple[Key | None, Key | None]
    layer: str = ""
    name: str = "fprop"

    @property
    def plain(self) -> bool:
        """Whether neither operand is quantized."""
        return self.first is None and self.second is None

    def take(self, which: int, x: Any, axis: int) -> Storage:
        """An operand (0 or 1) of a matrix, its blocks along ``axis``."""
        q, key, own = (self.first, self.second)[which], self.keys[which], taker()
        if own is None:
            return operand(x, q, axis, key)
        return own(Place(self.layer, self.name, GEMMS[self.name][which]), x, q, axis, key)


def gemm_of(recipe: Recipe, name: str, key: Key | None) -> Gemm:
    """The quantizers of a GEMM with this call's signs, and one key for each operand."""
    first, second = getattr(recipe, name)
    own = None if key is None else key.fold(list(GEMMS).index(name))
    if recipe.sign_side == "after":  # (x H s)(y H s)ᵀ: the signs cancel, code by code
        first, second = (_signed(q, None) for q in (first, second))
    elif own is not None and recipe.fresh(name):
        signs = own.fold(2)
        first, second = (_signed(q, signs) for q in (first, second))
    keys = (None, None) if own is None else (own.fold(0), own.fold(1))
    return Gemm(first, second, keys, recipe.layer, name)


def _signed(q: Operand, signs: Key | None) -> Operand:
    return q.with_signs(signs) if isinstance(q, Quantizer) else q


def operand(x: Any, q: Operand, axis: int, key: Key | None) -> Storage:
    """A matrix as the GEMM takes it: quantized along ``axis``, cast, or as it is."""
    if isinstance(q, Quantizer):
        return q.apply(x, axis=axis, key=key)
    if isinstance(q, PerTensor):
        return _scaled(x, q.element)
    if isinstance(q, Element):
        return Coded(encode_elements(x, q), q)
    return Native(x)


def _scaled(x: Any, element: Element) -> Scaled:
    """The codes of ``x / s``, s = amax / max(element) in float32; 1 where amax is 0.

    The amax is read on the host, so a step with it cannot be captured.
    """
    amax = np.float32(float(library_of(x).abs(x).max())) if x.size else np.float32(0)
    scale = amax / np.float32(element.max)
    scale = scale if scale != 0 else np.float32(1)
    return Scaled(encode_elements(x / scale, element), element, scale=float(scale))


def transposed(x: Storage) -> Storage:
    """The transpose of a matrix; packed rows stay as they are."""
    if isinstance(x, Blocked):
        return Blocked(x.rows, x.shape[::-1], 1 - x.axis, x.transform)
    if isinstance(x, Scaled):
        return Scaled(x.codes.T, x.dtype, scale=x.scale)
    if isinstance(x, Coded):
        return Coded(x.codes.T, x.dtype)
    return Native(x.array.T)


def product(a: Storage, b: Storage, exact: bool) -> Any:
    """``a @ b`` in float32, prescales undone (16/9 for two operands prescaled by 3/4)."""
    undo = 1.0
    for s in (a, b):
        if isinstance(s, Blocked) and s.transform is not None:
            undo *= s.transform.prescale
    scale = 1.0 / undo
    for s in (a, b):
        scale *= s.scale if isinstance(s, Scaled) else 1.0
    a, b = (Native(arrays_of(s)) if isinstance(s, Coded) else s for s in (a, b))
    y = matmul.run((a, b), {"exact": exact}).array
    return y if scale == 1.0 else y * np.float32(scale)
