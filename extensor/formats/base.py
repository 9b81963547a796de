"""``DType``: the class of all number formats, and the book in which they are found by name."""

from difflib import get_close_matches
from typing import ClassVar, Literal

import numpy as np

from extensor.errors import DTypeError

Kind = Literal["native", "coded", "blocked"]
"""How a tensor of a format is stored: NumPy's own numbers, codes, or codes and scales."""


class _Book(type):
    """Makes every registered format an attribute of ``DType``: ``DType.fp4_e2m1``."""

    def __getattr__(cls, name: str) -> "DType":
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return find(name)
        except DTypeError as error:
            raise AttributeError(str(error)) from None


class DType(metaclass=_Book):
    """A number format: what the bits of a tensor mean. It is a value: compare, print, save it.

    >>> DType.float32, DType.fp4_e2m1, DType.mxfp4
    (float32, float4_e2m1fn, mxfp4)
    """

    name: str
    kind: Kind

    @property
    def storage(self) -> np.dtype[np.generic]:
        """The NumPy type of what is stored: the numbers themselves, or their codes."""
        raise NotImplementedError

    @property
    def is_float(self) -> bool:
        """Whether the values are real numbers (not integers, truth values or complex numbers)."""
        return True

    @property
    def is_complex(self) -> bool:
        """Whether the values are complex numbers."""
        return False

    def __repr__(self) -> str:
        return self.name


class Book:
    """All known formats in order, and the names that other libraries and languages call them."""

    formats: ClassVar[dict[str, DType]] = {}
    aliases: ClassVar[dict[str, str]] = {}


def register(dtype: DType, *aliases: str) -> None:
    """Make ``dtype`` known under its name and these aliases (any case)."""
    Book.formats[dtype.name] = dtype
    for alias in aliases:
        Book.aliases[alias.lower()] = dtype.name


def find(name: str) -> DType:
    """The format of this name or alias.

    >>> find("MXFP4"), find("fp8_e4m3")
    (mxfp4, float8_e4m3fn)
    >>> find("mxpf4")
    Traceback (most recent call last):
        ...
    extensor.errors.DTypeError: dtype: unknown name 'mxpf4'; did you mean 'mxfp4'?
    """
    lower = name.lower()
    lower = Book.aliases.get(lower, lower)
    if lower in Book.formats:
        return Book.formats[lower]
    near = get_close_matches(lower, [*Book.formats, *Book.aliases], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(Book.formats)}"
    raise DTypeError(f"dtype: unknown name {name!r}{hint}")
