"""``RawTensor``: a named array as a file holds it, bytes and the name of their type.

The types are those of the safetensors format. Types that NumPy lacks are carried as the codes:
BF16 in uint16, every 8-bit float in uint8, and the types below a byte as the packed bytes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import FormatError

Array = NDArray[Any]


@dataclass(frozen=True)
class RawType:
    """One type of the file format: its bits a value and the NumPy type that carries it."""

    name: str
    bits: int
    carrier: "np.dtype[Any]"
    native: bool
    """Whether NumPy computes with the carrier; if not, it holds codes."""


def _type(name: str, bits: int, carrier: str, native: bool = False) -> RawType:
    return RawType(name, bits, np.dtype(carrier), native)


TYPES: dict[str, RawType] = {
    t.name: t
    for t in (
        _type("BOOL", 8, "?", True),
        *(_type(f"U{8 * n}", 8 * n, f"<u{n}", True) for n in (1, 2, 4, 8)),
        *(_type(f"I{8 * n}", 8 * n, f"<i{n}", True) for n in (1, 2, 4, 8)),
        *(_type(f"F{8 * n}", 8 * n, f"<f{n}", True) for n in (2, 4, 8)),
        _type("C64", 64, "<c8", True),
        _type("BF16", 16, "<u2"),
        *(_type(f"F8_{k}", 8, "u1") for k in ("E4M3", "E5M2", "E8M0", "E4M3FNUZ", "E5M2FNUZ")),
        *(_type(f"F6_{k}", 6, "u1") for k in ("E2M3", "E3M2")),
        _type("F4", 4, "u1"),
    )
}
"""The types by name."""
_NATIVE = {t.carrier: t.name for t in TYPES.values() if t.native}


@dataclass(frozen=True, eq=False)
class RawTensor:
    """A tensor as a file holds it.

    dtype
        A name of ``TYPES``.
    shape
        The logical shape.
    array
        Shape ``shape`` and the carrier's type; for types below a byte the flat packed bytes.

    >>> RawTensor.of(np.zeros((2, 3), np.float32)).dtype
    'F32'
    >>> RawTensor("F4", (2, 3), np.zeros(3, np.uint8)).nbytes
    3
    """

    dtype: str
    shape: tuple[int, ...]
    array: Array

    def __post_init__(self) -> None:
        kind = TYPES.get(self.dtype)
        if kind is None:
            raise FormatError(f"RawTensor: unknown type {self.dtype!r}; known: {', '.join(TYPES)}")
        expected = (self.nbytes,) if kind.bits < 8 else self.shape
        if self.array.shape != expected or self.array.dtype != kind.carrier:
            raise FormatError(
                f"RawTensor: {self.dtype} of shape {self.shape} wants a {kind.carrier} array of "
                f"shape {expected}, got {self.array.dtype} of shape {self.array.shape}"
            )

    @classmethod
    def of(cls, array: Array, dtype: str | None = None) -> "RawTensor":
        """A NumPy array; ``dtype`` names the type where the array holds codes."""
        array = np.asarray(array)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        name = dtype or _NATIVE.get(array.dtype)
        if name is None:
            raise FormatError(
                f"RawTensor.of: no type for NumPy's {array.dtype}; known: {', '.join(TYPES)}"
            )
        return cls(name, array.shape, array)

    @property
    def nbytes(self) -> int:
        """The bytes in the file."""
        return byte_count(self.dtype, self.shape)

    def tobytes(self) -> memoryview:
        """The bytes in the file: row-major, little-endian; no copy where they lie so already."""
        return np.ascontiguousarray(self.array).reshape(-1).view(np.uint8).data


def byte_count(dtype: str, shape: tuple[int, ...]) -> int:
    """The bytes of ``shape`` values of a type, in Python's integers, so nothing wraps.

    >>> byte_count("F6_E2M3", (4, 4))
    12
    """
    bits = TYPES[dtype].bits
    for size in shape:
        bits *= size
    if bits % 8:
        raise FormatError(f"{dtype} of shape {shape} takes {bits} bits: not a whole byte")
    return bits // 8
