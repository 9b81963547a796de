"""Block formats: elements that share a scale. Four facts, all about decoding.

``value = (element * block scale) * tensor scale``. How a tensor came to be stored this way (scale
rule, rounding) is not a fact of the format: see `extensor.quantizer`. Two tensors with the same
bytes are equal, however they were made.

>>> MXFP4.bits_per_value, NVFP4.bits_per_value, MXFP6_E3M2.row_bytes(32)
(4.25, 4.5, 24)
"""

from dataclasses import dataclass, field
from math import prod

import numpy as np

from extensor.errors import DTypeError
from extensor.formats.base import DType, Kind
from extensor.formats.element import (
    BF16,
    E2M1,
    E2M3,
    E3M2,
    E4M3,
    E5M2,
    E8M0,
    FP32,
    INT8,
    Element,
    Fixed,
    Float,
)


@dataclass(frozen=True, repr=False)
class Block(DType):
    """A block format.

    element
        What one code means: a `Float` or `Fixed` of at most 8 bits.
    shape
        ``(1, n)``: n neighbours along one axis share a scale. ``(m, n)``: a tile of two axes.
    scale
        The format of a block's scale: E8M0, E4M3, UE5M3, BF16, FP32, or another `Float`.
    tensor_scale
        Whether one float32 more multiplies the whole tensor.
    label
        A name to print; equal facts are equal whatever they are called.

    >>> Block(E2M1, (1, 16), E8M0)
    Block(E2M1, (1, 16), E8M0)
    >>> Block(E2M1, (1, 32), E8M0) == MXFP4
    True
    """

    element: Float | Fixed
    shape: tuple[int, int] = (1, 32)
    scale: Float = E8M0
    tensor_scale: bool = False
    label: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.element, Element) or self.element.bits > 8:
            raise DTypeError(f"Block: element {self.element}; allowed: a format of at most 8 bits")
        if not isinstance(self.scale, Float) or self.scale.bits > 32:
            raise DTypeError(f"Block: scale {self.scale}; allowed: a Float of at most 32 bits")
        shape = tuple(self.shape)
        if len(shape) != 2 or min(shape) < 1 or prod(shape) < 2 or prod(shape) > 65536:
            raise DTypeError(
                f"Block: shape {self.shape}; allowed: (1, n) for blocks along an axis, (m, n) for "
                "tiles, 2 to 65536 elements"
            )

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        return "blocked"

    @property
    def name(self) -> str:  # type: ignore[override]
        """The label, or the facts."""
        if self.label:
            return self.label
        second = ", tensor_scale=True" if self.tensor_scale else ""
        scale = {BF16: "BF16", FP32: "FP32"}.get(self.scale, self.scale.short)
        return f"Block({self.element.short}, {self.shape}, {scale}{second})"

    @property
    def size(self) -> int:
        """Elements in a block."""
        return prod(self.shape)

    @property
    def length(self) -> int:
        """Elements of a block along its axis: 32 for MXFP4."""
        return self.shape[1]

    @property
    def bits_per_value(self) -> float:
        """Stored bits a value, without the tensor scale and without padding."""
        return self.packed_bits + self.scale.bits / self.size

    @property
    def packed_bits(self) -> int:
        """Stored bits of one code: 4 and 6 are packed, everything else takes a byte."""
        return self.element.bits if self.element.bits in (4, 6) else 8

    def blocks(self, n: int) -> int:
        """Blocks along an axis of ``n`` elements; a tail is a shorter block."""
        return -(-n // self.length)

    def row_bytes(self, n: int) -> int:
        """Bytes of the packed codes of ``n`` elements along the axis, padded to whole blocks."""
        return -(-self.blocks(n) * self.length * self.packed_bits // 8)

    @property
    def storage(self) -> np.dtype[np.generic]:
        return np.dtype(np.uint8)

    @property
    def scale_storage(self) -> np.dtype[np.generic]:
        """The NumPy type of stored scales: codes, or float32 itself."""
        return self.scale.storage


# OCP MX v1.0, section 5; NVFP4: arXiv 2509.25149, section 2.
MXFP8_E4M3 = Block(E4M3, (1, 32), E8M0, label="mxfp8_e4m3")
MXFP8_E5M2 = Block(E5M2, (1, 32), E8M0, label="mxfp8_e5m2")
MXFP6_E3M2 = Block(E3M2, (1, 32), E8M0, label="mxfp6_e3m2")
MXFP6_E2M3 = Block(E2M3, (1, 32), E8M0, label="mxfp6_e2m3")
MXFP4 = Block(E2M1, (1, 32), E8M0, label="mxfp4")
MXINT8 = Block(INT8, (1, 32), E8M0, label="mxint8")
NVFP4 = Block(E2M1, (1, 16), E4M3, tensor_scale=True, label="nvfp4")
NVFP4_2D = Block(E2M1, (16, 16), E4M3, tensor_scale=True, label="nvfp4_2d")
