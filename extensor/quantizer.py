"""``Quantizer``: a format, and how the bits are chosen. A frozen value: print it, compare it.

The format says what bits mean; the quantizer adds the scale rule, the rounding, the rotation, the
prescale and what happens to values that are not finite (design: numerics, sections 3 to 5).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from extensor.backend import as_array, library_of
from extensor.errors import DispatchError, DTypeError, FormatError, KeyMissingError, ShapeError
from extensor.formats import Block, DType, dtype
from extensor.formats.rounding import DRAWING
from extensor.kernels.choice import Choice
from extensor.kernels.front import dequantize, pack
from extensor.kernels.front import hadamard as rotate_rows
from extensor.kernels.front import quantize as quantize_rows
from extensor.noise import Key, words
from extensor.storage import Blocked, Transform

Signs = None | tuple[int, ...] | Key


def draw_signs(signs: Any, n: int) -> tuple[int, ...]:
    """The ±1 of ``diag(s)``: none (all +1), given, or drawn from a key.

    >>> from extensor.noise import key
    >>> draw_signs(None, 16), sorted(set(draw_signs(key(0), 64)))
    ((), [-1, 1])
    """
    if signs is None:
        return ()
    if isinstance(signs, Key):
        top = words(signs, 0, n) >> np.uint32(31)
        return tuple(1 - 2 * int(b) for b in top)
    given = tuple(int(s) for s in np.asarray(signs).reshape(-1))
    if len(given) != n or set(given) - {1, -1}:
        raise FormatError(f"hadamard: signs must be {n} numbers +1 or -1, got {len(given)}")
    return given


def rows_view(x: Any, axis: int, tile: bool) -> tuple[Any, tuple[int, int, int]]:
    """``x`` as (A, R, K) with K the blocked axis, and the logical strides of those three.

    For tiles R is the axis beside K; for blocks along an axis that is last, everything else is R.
    """
    shape = x.shape
    inner = prod(shape[axis + 1 :])
    outer = prod(shape[:axis])
    k = shape[axis]
    if tile and axis == x.ndim - 1 and x.ndim > 1:
        r = shape[-2]
        return x.reshape(outer // r if r else 0, r, k), (r * k, k, 1)
    if inner == 1:
        return x.reshape(1, outer, k), (outer * k, k, 1)
    moved = np.moveaxis(x.reshape(outer, k, inner), 1, 2)
    return moved, (k * inner, 1, inner)


def largest(blocked: Blocked) -> Any:
    """The largest value that each entry could store: its scale times the largest element.

    >>> from extensor.formats import MXFP4
    >>> largest(Quantizer(MXFP4).apply([1.0, -3.2])).tolist()
    [6.0, 6.0]
    """
    rows, fmt = blocked.rows, blocked.dtype
    shape = (len(rows.codes), fmt.blocks(rows.length) * fmt.length)
    codes = library_of(rows.codes).full(shape, fmt.element.max_code, np.uint8)
    packed = pack(codes, fmt.packed_bits)
    return blocked.spread(dequantize(rows._replace(codes=packed.reshape(rows.codes.shape))))


@dataclass(frozen=True)
class Quantizer:
    """A format and how its bits are chosen.

    fmt
        A block format.
    scale_rule
        None: the format's own. ``"rceil" "floor" "even" "ceil"`` or ``("cap", c)``: the smallest
        power of two with ``amax <= C * scale``. ``"quest" "mse" "four_over_six" "eden"`` look at
        all numbers of a block.
    rounding
        Of elements: ``nearest_even nearest_away nearest_zero toward_zero up down stochastic``, or
        ``stochastic_hardware``, an instruction that few GPUs have (see
        `extensor.kernels.choice.Choice`).
    sr_bits
        Random bits a stochastic rounding uses: 8, 16, 24 or 32.
    hadamard, signs
        Rotate by blocks of n along the axis first: ``x diag(s) H_n / sqrt(n)``.
    prescale
        Multiply values (not the amax) before rounding, 3/4 in arXiv 2502.20586.
    saturate, scale_rounding, nonfinite, tensor_scale, headroom, scale_max, scale_min, arithmetic
        See `extensor.kernels.choice.Choice`.
    ste
        The gradient through rounding: ``"pass"`` is the identity, ``"clip"`` is 0 where a value
        lies beyond the largest one that its block can store, ``"trust"`` also at that value
        (QuEST, arXiv 2502.05003); for rotated tensors both see the rotated values.

    >>> from extensor.formats import MXFP4
    >>> Quantizer(MXFP4, rounding="stochastic")
    Quantizer(mxfp4, rounding='stochastic')
    """

    fmt: Block
    scale_rule: str | tuple[str, float | str] | None = field(default=None, kw_only=True)
    rounding: str = field(default="nearest_even", kw_only=True)
    sr_bits: int = field(default=32, kw_only=True)
    hadamard: int | None = field(default=None, kw_only=True)
    signs: Signs = field(default=None, kw_only=True)
    prescale: float = field(default=1.0, kw_only=True)
    saturate: bool = field(default=True, kw_only=True)
    scale_rounding: str = field(default="nearest", kw_only=True)
    nonfinite: str = field(default="propagate", kw_only=True)
    tensor_scale: str | float | None = field(default="auto", kw_only=True)
    headroom: float | None = field(default=None, kw_only=True)
    scale_max: float | None = field(default=None, kw_only=True)
    scale_min: float = field(default=0.0, kw_only=True)
    arithmetic: str = field(default="multiply", kw_only=True)
    ste: str = field(default="pass", kw_only=True)

    def __post_init__(self) -> None:
        fmt: DType = dtype(self.fmt)
        if not isinstance(fmt, Block):
            raise DTypeError(
                f"Quantizer: {fmt} has no blocks; allowed: a Block such as ex.mxfp4 "
                "(for a bare cast use x.to)"
            )
        object.__setattr__(self, "fmt", fmt)
        if self.hadamard is not None and self.hadamard not in (16, 32, 64, 128):
            raise FormatError(f"Quantizer: hadamard={self.hadamard}; allowed: 16, 32, 64, 128")
        if self.ste not in ("pass", "clip", "trust"):
            raise FormatError(f"Quantizer: ste={self.ste!r}; allowed: 'pass', 'clip', 'trust'")
        if self.signs is not None and not isinstance(self.signs, Key):
            object.__setattr__(self, "signs", draw_signs(self.signs, self.hadamard or 0))
        choice = self.choice
        choice.check(self.fmt)
        object.__setattr__(self, "scale_rule", choice.scale_rule)
        object.__setattr__(self, "prescale", float(self.prescale))
        if not (self.tensor_scale is None or isinstance(self.tensor_scale, str)):
            object.__setattr__(self, "tensor_scale", float(self.tensor_scale))

    @cached_property
    def choice(self) -> Choice:
        """What the kernels need to know."""
        return Choice(
            scale_rule=self.scale_rule,
            rounding=self.rounding,
            sr_bits=self.sr_bits,
            prescale=self.prescale,
            saturate=self.saturate,
            scale_rounding=self.scale_rounding,
            nonfinite=self.nonfinite,
            tensor_scale=self.tensor_scale,
            headroom=self.headroom,
            scale_max=self.scale_max,
            scale_min=self.scale_min,
            arithmetic=self.arithmetic,
        )

    @property
    def needs_key(self) -> bool:
        """Whether random words are drawn."""
        drawn = self.rounding in DRAWING or self.scale_rounding == "stochastic"
        return drawn or self.scale_rule == "eden"

    def with_signs(self, signs: Signs) -> "Quantizer":
        """The same with these signs: the two operands of a product share them."""
        return replace(self, signs=signs) if self.hadamard else self

    def check_key(self, key: Key | None) -> None:
        """Stochastic rounding without a key raises."""
        if self.needs_key and key is None:
            raise KeyMissingError(
                f"quantize: {self} draws random words and key=None; give key=ex.key(seed)"
            )

    def __call__(self, x: Any, *, axis: int = -1, key: Key | None = None, offset: int = 0) -> Any:
        """``x`` as a tensor in this format: `extensor.quantize` with these choices.

        >>> import extensor as ex
        >>> Quantizer(ex.mxfp4)([1.0, -3.2]).tolist()
        [1.0, -3.0]
        """
        return _on_tensors[0](x, self, axis=axis, key=key, offset=offset)

    def transform(self, signs: tuple[int, ...]) -> Transform | None:
        """What products must undo, for these signs; None where there is nothing."""
        if not self.hadamard and self.prescale == 1.0:
            return None
        return Transform(self.hadamard or 0, signs, self.prescale)

    def apply(
        self,
        x: Any,
        *,
        axis: int = -1,
        key: Key | None = None,
        offset: int = 0,
        bfloat16: bool = False,
    ) -> Blocked:
        """Quantize an array; blocks run along ``axis``.

        bfloat16
            ``x`` holds bfloat16 codes (uint16) on a GPU, where they are read as they are.

        Raises before anything is written: `ShapeError` for an axis that ``x`` does not have,
        `KeyMissingError` for stochastic rounding without a key.
        """
        x = as_array(x)
        if not bfloat16 and x.dtype not in (np.float32, np.float64):
            x = x.astype(
                np.float64 if x.dtype.kind in "iu" and x.dtype.itemsize > 2 else np.float32
            )
        if x.ndim == 0 or not -x.ndim <= axis < x.ndim:
            raise ShapeError(
                f"quantize: axis {axis} for shape {x.shape}; allowed: "
                + (f"{-x.ndim} .. {x.ndim - 1}" if x.ndim else "at least one axis")
            )
        self.check_key(key)
        axis %= x.ndim
        tile = self.fmt.shape[0] > 1
        if tile and axis < x.ndim - 2:
            raise ShapeError(f"quantize: tiles {self.fmt.shape} span the last two axes, not {axis}")
        view, strides = rows_view(x, axis, tile)
        signs = draw_signs(self.signs, self.hadamard) if self.hadamard else ()
        rows = quantize_rows(
            view, self.fmt, self.choice, key, strides, offset, self.hadamard or 0, signs
        )
        return Blocked(rows, tuple(x.shape), axis, self.transform(signs))

    def mask(self, x: Any, *, axis: int = -1, key: Key | None = None) -> Any:
        """Where a value is not clipped, and its gradient passes: True or False, shape of ``x``.

        ``|x_h| prescale <= max(element) scale``, for ``ste="trust"`` ``<``, where ``x_h`` is x,
        rotated if this quantizer rotates: QuEST's backward is ``(g_h * mask) Hᵀ``.

        >>> import numpy as np
        >>> from extensor.formats import MXFP4
        >>> x = np.array([6.0, 1.0, 7.0], np.float32)
        >>> Quantizer(MXFP4, scale_rule="floor").mask(x).tolist()
        [True, True, False]
        >>> Quantizer(MXFP4, scale_rule="floor", ste="trust").mask(x).tolist()
        [False, True, False]
        """
        x = as_array(x)
        blocked = self.apply(x, axis=axis, key=key or Key(0))
        if self.hadamard:
            moved = np.moveaxis(x.astype(np.float32, copy=False), axis, -1)
            rows = moved.reshape(1, -1, moved.shape[-1])
            turned = rotate_rows(rows, self.hadamard, draw_signs(self.signs, self.hadamard))
            x = np.moveaxis(turned.reshape(moved.shape), -1, axis)
        size, most = np.abs(x) * self.prescale, largest(blocked)
        return size < most if self.ste == "trust" else size <= most

    def __repr__(self) -> str:
        changed = [
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if f.name != "fmt" and getattr(self, f.name) != f.default
        ]
        return f"Quantizer({', '.join([str(self.fmt), *changed])})"


def _unbound(*operands: Any, **attributes: Any) -> Any:
    raise DispatchError("Quantizer: import extensor before one is called on a tensor")


_on_tensors: list[Callable[..., Any]] = [_unbound]


def bind(quantize: Callable[..., Any]) -> None:
    """Say how tensors are quantized (called once, by `extensor.tensor`)."""
    _on_tensors[0] = quantize
