"""Storage: the buffers behind a tensor, in three kinds.

========== ======================================================== ==========================
kind       what is stored                                           formats
========== ======================================================== ==========================
``native`` the numbers, as NumPy holds them                         float64/32/16, integers, bool
``coded``  one code each, in a byte or two                          bfloat16, FP8, FP6, FP4
``blocked`` packed codes and the scales of blocks                    MXFP4, NVFP4, ...
========== ======================================================== ==========================

Many formats, three kinds: kernels are written for kinds.
"""

from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from extensor.backend import Array, contiguous, device_of, to_device
from extensor.errors import DispatchError, FormatError, ShapeError
from extensor.formats import Block, DType, Element, from_numpy
from extensor.kernels.front import pack, unpack
from extensor.kernels.packed import Packed


@dataclass(slots=True, weakref_slot=True)
class Native:
    """Numbers as the array library holds them, in any memory order.

    weak
        A Python number: it takes the format of its partners and never widens them.
    base
        The storage of which this one is a view: what changes one changes both.
    changes
        How often the numbers were changed in place, views not counted: see `version`.
    """

    array: Array
    changes: int = 0
    weak: bool = False
    base: "Native | None" = None
    kind: Literal["native"] = field(default="native", init=False)

    @property
    def version(self) -> int:
        """How often the numbers were changed in place, through this storage or a view of it."""
        return self.changes if self.base is None else self.base.changes

    @version.setter
    def version(self, count: int) -> None:
        (self.base or self).changes = count

    @property
    def dtype(self) -> DType:
        """The number format."""
        return from_numpy(self.array.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The logical shape."""
        return tuple(self.array.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers."""
        return int(self.array.nbytes)

    @property
    def device(self) -> str:
        """Where the buffer lives."""
        return device_of(self.array)

    def to(self, device: str) -> "Native":
        """The same numbers on a device."""
        return Native(to_device(self.array, device), weak=self.weak)


@dataclass(slots=True, weakref_slot=True)
class Coded:
    """One code an entry: uint8, or uint16 for bfloat16."""

    codes: Array
    dtype: Element
    changes: int = 0
    base: "Coded | None" = None
    kind: Literal["coded"] = field(default="coded", init=False)

    @property
    def version(self) -> int:
        """How often the codes were changed in place, through this storage or a view of it."""
        return self.changes if self.base is None else self.base.changes

    @version.setter
    def version(self, count: int) -> None:
        (self.base or self).changes = count

    @property
    def shape(self) -> tuple[int, ...]:
        """The logical shape."""
        return tuple(self.codes.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the codes."""
        return int(self.codes.nbytes)

    @property
    def device(self) -> str:
        """Where the buffer lives."""
        return device_of(self.codes)

    def to(self, device: str) -> "Coded":
        """The same codes on a device."""
        return Coded(to_device(self.codes, device), self.dtype)


@dataclass(frozen=True)
class Transform:
    """What was done to the values before they were quantized, and which products must undo.

    hadamard
        The size n of the rotation ``x diag(s) H_n / sqrt(n)`` along the blocked axis; 0: none.
    signs
        The ±1 of ``s``; empty: all +1.
    prescale
        What the values were multiplied by.
    """

    hadamard: int = 0
    signs: tuple[int, ...] = ()
    prescale: float = 1.0


@dataclass(slots=True, weakref_slot=True)
class Blocked:
    """Packed rows of a tensor, its shape and the axis along which blocks run.

    rows
        The axis ``axis`` innermost; the other axes, in order, are the rows.
    """

    rows: Packed
    shape: tuple[int, ...]
    axis: int
    transform: Transform | None = None
    version: int = 0
    kind: Literal["blocked"] = field(default="blocked", init=False)

    @property
    def dtype(self) -> Block:
        """The block format."""
        return self.rows.fmt

    @property
    def nbytes(self) -> int:
        """Bytes of packed codes, scales and the tensor scale: what is really stored."""
        scale = self.rows.tensor_scale
        second = 0 if scale is None else 4 * int(getattr(scale, "size", 1))
        return int(self.rows.codes.nbytes + self.rows.scales.nbytes) + second

    @property
    def device(self) -> str:
        """Where the buffers live."""
        return device_of(self.rows.codes)

    def to(self, device: str) -> "Blocked":
        """The same bytes on a device; the tensor scale is a float on the host, an array of one
        number on a GPU."""
        if self.device == device:
            return self
        rows = self.rows
        scale: Any = rows.tensor_scale
        if isinstance(scale, np.ndarray):
            raise DispatchError(
                f"to {device}: {self.dtype} of shape {self.shape} has a tensor scale a row, which "
                "no CUDA kernel reads; quantize with tensor_scale='auto', or dequantize first"
            )
        if scale is not None:
            if device == "cpu":
                scale = float(to_device(scale, device)[0])
            else:
                scale = to_device(np.full(1, scale, np.float32), device)
        moved = rows._replace(
            codes=to_device(rows.codes, device),
            scales=to_device(rows.scales, device),
            tensor_scale=scale,
        )
        return Blocked(moved, self.shape, self.axis, self.transform)

    @property
    def lead(self) -> tuple[int, ...]:
        """The shape without the blocked axis."""
        return self.shape[: self.axis] + self.shape[self.axis + 1 :]

    def spread(self, rows: Array) -> Array:
        """``(rows, n)`` as the logical shape, the blocked axis having n entries; a view."""
        return np.moveaxis(rows.reshape(*self.lead, rows.shape[-1]), -1, self.axis)

    @property
    def codes(self) -> NDArray[np.uint8]:
        """One element code an entry, in the logical shape."""
        length = self.rows.fmt.blocks(self.rows.length) * self.rows.fmt.length
        codes = unpack(self.rows.codes, self.rows.fmt.packed_bits, length)
        return contiguous(self.spread(codes[:, : self.rows.length]))  # type: ignore[no-any-return]

    @property
    def scales(self) -> Array:
        """Scale codes, the logical shape with the blocked axes divided (rounded up)."""
        rows, tile = self.rows, self.rows.fmt.shape[0]
        if tile == 1:
            return contiguous(self.spread(rows.scales))
        lead = (*self.lead[:-1], -(-self.lead[-1] // tile)) if self.lead else ()
        scales = rows.scales.reshape(*lead, rows.scales.shape[-1])
        return contiguous(np.moveaxis(scales, -1, self.axis))


Storage = Native | Coded | Blocked


def note_view(view: Storage, of: Storage) -> None:
    """Say that a storage may share the memory of another one: both count the same changes.

    >>> x = Native(np.zeros(3))
    >>> y = Native(x.array[1:])
    >>> note_view(y, x)
    >>> y.version += 1
    >>> x.version
    1
    """
    if isinstance(view, Native) and isinstance(of, Native):
        if _shares(view.array, of.array):
            view.base = of.base or of
    elif isinstance(view, Coded) and isinstance(of, Coded) and _shares(view.codes, of.codes):
        view.base = of.base or of


def _shares(view: Array, of: Array) -> bool:
    """Whether one array is a view of another's memory. A reshaped copy has a base of its own, and
    must not keep what it was copied from alive."""
    return view.base is not None and (view.base is of or view.base is of.base)


def check_codes(codes: Array, fmt: Element) -> None:
    """Codes outside of the format raise, before anything is made of them."""
    if codes.size and (int(codes.min()) < 0 or int(codes.max()) >= 2**fmt.bits):
        bad = int(codes.min()) if int(codes.min()) < 0 else int(codes.max())
        raise FormatError(
            f"from_codes: code {bad} is outside of {fmt.name}; allowed: 0 .. {2**fmt.bits - 1}"
        )


def pack_storage(
    codes: Array, scales: Array, fmt: Block, axis: int, tensor_scale: float | None
) -> Blocked:
    """The blocked storage of element codes and scale codes in their logical shapes."""
    if codes.ndim == 0 or not -codes.ndim <= axis < codes.ndim:
        raise ShapeError(f"from_codes: axis {axis} for shape {codes.shape}")
    axis %= codes.ndim
    tile = fmt.shape[0]
    if tile > 1 and axis < codes.ndim - 2:
        raise ShapeError(
            f"from_codes: tiles {fmt.shape} span the last two axes of {codes.shape}, not {axis}"
        )
    check_codes(codes, fmt.element)
    if tensor_scale is not None and not fmt.tensor_scale:
        raise FormatError(f"from_codes: {fmt} has no tensor scale; give tensor_scale=None")
    lead = codes.shape[:axis] + codes.shape[axis + 1 :]
    want = list(codes.shape)
    want[axis] = fmt.blocks(codes.shape[axis])
    if tile > 1 and codes.ndim > 1:
        other = codes.ndim - 1 if axis == codes.ndim - 2 else codes.ndim - 2
        want[other] = -(-codes.shape[other] // tile)
    scales = np.asarray(scales)
    if fmt.scale_storage.kind != "f":
        if scales.dtype.kind not in "iu":
            raise FormatError(
                f"from_codes: scales of {scales.dtype}; allowed: codes of {fmt.scale}"
            )
        check_codes(scales, fmt.scale)
    if tuple(scales.shape) != tuple(want):
        raise ShapeError(
            f"from_codes: scales of shape {scales.shape} for codes of shape {codes.shape} in {fmt} "
            f"along axis {axis}; allowed: {tuple(want)}"
        )
    length = codes.shape[axis]
    rows = np.moveaxis(codes, axis, -1).reshape(prod(lead), length).astype(np.uint8)
    full = np.zeros((len(rows), fmt.blocks(length) * fmt.length), np.uint8)
    full[:, :length] = rows
    scale_rows = prod(want[:axis] + want[axis + 1 :])
    flat = np.moveaxis(scales, axis, -1).reshape(scale_rows, fmt.blocks(length))
    packed = pack(full, fmt.packed_bits)
    group = lead[-1] if tile > 1 and lead else len(rows)
    out = Packed(packed, flat.astype(fmt.scale_storage), tensor_scale, fmt, length, group)
    return Blocked(out, tuple(codes.shape), axis)
