"""The formats that are NumPy's own and no floats: integers, truth values and complex numbers."""

from dataclasses import dataclass

import numpy as np

from extensor.formats.base import DType, Kind
from extensor.formats.element import Float


@dataclass(frozen=True, repr=False)
class Integer(DType):
    """An integer or truth-value type of NumPy.

    >>> Integer("int64"), Integer("bool").is_float
    (int64, False)
    """

    name: str

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        return "native"

    @property
    def storage(self) -> np.dtype[np.generic]:
        return np.dtype(self.name)

    @property
    def bits(self) -> int:
        """The width of a number."""
        return 8 * self.storage.itemsize

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest number.

        >>> Integer("int8").limits, Integer("bool").limits
        ((-128, 127), (0, 1))
        """
        if self.name == "bool":
            return 0, 1
        low = 0 if self.name.startswith("u") else -(2 ** (self.bits - 1))
        return low, low + 2**self.bits - 1

    @property
    def is_float(self) -> bool:
        return False


@dataclass(frozen=True, repr=False)
class Complex(DType):
    """A pair of floats, real and imaginary part, as NumPy holds it.

    part
        The format of each of the two.

    >>> from extensor.formats.element import FP32
    >>> Complex("complex64", FP32).bits
    64
    """

    name: str
    part: Float

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        return "native"

    @property
    def storage(self) -> np.dtype[np.generic]:
        return np.dtype(self.name)

    @property
    def bits(self) -> int:
        """The width of a number: both parts."""
        return 2 * self.part.bits

    @property
    def is_float(self) -> bool:
        return False

    @property
    def is_complex(self) -> bool:
        return True
