"""Element formats: what one code means.

A float format is a few facts: exponent bits, mantissa bits, bias, which top codes are special,
whether it has a sign and a zero. Everything else (value table, largest finite, smallest step)
is computed from them, never typed in.

>>> E2M1.values[:8].tolist()          # OCP MX v1.0, section 5.3.3
[0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
>>> E4M3.max, E5M2.max, E5M2.min_subnormal == 2.0**-16     # arXiv 2209.05433, table 1
(448.0, 57344.0, True)
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extensor.errors import DTypeError
from extensor.formats.base import DType, Kind

Specials = Literal["none", "nan", "ieee"]
"""Which codes are not numbers: none; all ones is NaN; the top exponent is Inf and NaN."""


class Facts(NamedTuple):
    """What the scalars of `extensor.scalar` need to encode and decode; all plain integers.

    The value of magnitude code ``c`` with field ``f = c >> mantissa`` is ``q * 2**(e - mantissa)``:
    ``e = emin, q = c`` for ``f = 0`` (zero and subnormals), else ``e = emin + f - 1`` and
    ``q = 2**mantissa + (c mod 2**mantissa)``. ``origin`` is 0, or ``2**mantissa`` for a format
    without a zero, whose codes start one binade later.
    """

    mantissa: int
    emin: int
    origin: int
    max_code: int
    inf_code: int
    nan_code: int
    sign: int
    bits: int


UNSIGNED, SIGN_BIT, TWOS_COMPLEMENT = 0, 1, 2
"""The values of `Facts.sign`."""


class Element(DType):
    """A format of single numbers: `Float` or `Fixed`."""

    bits: int

    @property
    def facts(self) -> Facts:
        """The integers from which encode and decode work."""
        raise NotImplementedError

    @property
    def storage(self) -> np.dtype[np.generic]:
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The value of every code, indexed by the code; for formats of at most 16 bits."""
        if self.bits > 16:
            raise DTypeError(f"{self.name}.values: a table of 2**{self.bits} values; use decode")
        return np.array([self._value(code) for code in range(2**self.bits)], np.float64)

    def _value(self, code: int) -> float:
        facts, top = self.facts, 2 ** (self.bits - 1)
        sign = 1.0
        if facts.sign == SIGN_BIT and code >= top:
            sign, code = -1.0, code - top
        elif facts.sign == TWOS_COMPLEMENT and code >= top:
            sign, code = -1.0, 2 * top - code
        if code == facts.inf_code:
            return sign * float("inf")
        if code > facts.max_code and facts.sign != TWOS_COMPLEMENT:
            return float("nan")
        f, rest = divmod(code + facts.origin, 2**facts.mantissa)
        q = rest if f == 0 else 2**facts.mantissa + rest
        return float(np.ldexp(sign * q, facts.emin + max(f, 1) - 1 - facts.mantissa))

    @property
    def max_code(self) -> int:
        """The code of the largest finite value."""
        return self.facts.max_code

    @property
    def max(self) -> float:
        """The largest finite value."""
        f, rest = divmod(self.facts.max_code + self.facts.origin, 2**self.facts.mantissa)
        q = rest if f == 0 else 2**self.facts.mantissa + rest
        return float(q * 2.0 ** (self.facts.emin + max(f, 1) - 1 - self.facts.mantissa))

    @property
    def emax(self) -> int:
        """The exponent of the largest finite value: ``2**emax <= max < 2**(emax + 1)``."""
        return int(np.frexp(self.max)[1]) - 1

    @property
    def min_normal(self) -> float:
        """The smallest value with all mantissa bits."""
        return float(2.0**self.facts.emin)

    @property
    def min_subnormal(self) -> float:
        """The smallest positive value."""
        if self.facts.origin:
            return self.min_normal
        return float(np.ldexp(1.0, self.facts.emin - self.facts.mantissa))

    @property
    def has_nan(self) -> bool:
        """Whether a code means not-a-number."""
        return self.facts.nan_code >= 0

    @property
    def has_inf(self) -> bool:
        """Whether a code means infinity."""
        return self.facts.inf_code >= 0


@dataclass(frozen=True, repr=False)
class Float(Element):
    """A floating-point format.

    name
        What it is called; two formats with the same facts are equal whatever they are called.
    exponent, mantissa
        Field widths in bits.
    bias
        The exponent field ``bias`` means ``2**0``.
    specials
        ``"none"``: every code is finite. ``"nan"``: all ones is NaN (both signs).
        ``"ieee"``: the top exponent holds Inf (mantissa 0) and NaN.
    signed
        Whether the top bit is a sign.
    zero
        Whether exponent field 0 holds zero and the subnormals (E8M0 has neither).

    >>> Float("e3m0", exponent=3, mantissa=0, bias=3).values[:8].tolist()
    [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
    """

    name: str = field(compare=False)
    exponent: int = 0
    mantissa: int = 0
    bias: int = 0
    specials: Specials = "none"
    signed: bool = True
    zero: bool = True

    def __post_init__(self) -> None:
        if self.specials not in ("none", "nan", "ieee"):
            raise DTypeError(f"Float: specials={self.specials!r}; allowed: none, nan, ieee")
        if not (0 < self.exponent <= 11 and 0 <= self.mantissa <= 52):
            raise DTypeError(
                f"Float: exponent={self.exponent}, mantissa={self.mantissa}; allowed: exponent 1 "
                "to 11 bits, mantissa 0 to 52 bits (for fixed point see Fixed)"
            )
        if self.specials == "ieee" and self.mantissa == 0:
            raise DTypeError("Float: specials='ieee' needs a mantissa bit to tell Inf from NaN")

    @property
    def bits(self) -> int:  # type: ignore[override]
        """The width of a code."""
        return int(self.signed) + self.exponent + self.mantissa

    @cached_property
    def facts(self) -> Facts:
        magnitudes = 2 ** (self.exponent + self.mantissa)
        inf = magnitudes - 2**self.mantissa
        special = {
            "none": (magnitudes - 1, -1, -1),
            "nan": (magnitudes - 2, -1, magnitudes - 1),
            "ieee": (inf - 1, inf, inf + max(1, 2 ** (self.mantissa - 1)) if self.mantissa else -1),
        }
        max_code, inf_code, nan_code = special[self.specials]
        return Facts(
            mantissa=self.mantissa,
            emin=1 - self.bias if self.zero else -self.bias,
            origin=0 if self.zero else 2**self.mantissa,
            max_code=max_code,
            inf_code=inf_code,
            nan_code=int(nan_code),
            sign=SIGN_BIT if self.signed else UNSIGNED,
            bits=self.bits,
        )

    @cached_property
    def kind(self) -> Kind:  # type: ignore[override]
        return "native" if self in _NATIVE else "coded"

    @property
    def storage(self) -> np.dtype[np.generic]:
        return _NATIVE.get(self) or Element.storage.fget(self)  # type: ignore[attr-defined]

    @property
    def short(self) -> str:
        """The format's letters: sign, exponent and mantissa widths.

        >>> E4M3.short, UE5M3.short
        ('E4M3', 'UE5M3')
        """
        unsigned = "" if self.signed or self.mantissa == 0 else "U"
        return f"{unsigned}E{self.exponent}M{self.mantissa}"

    @property
    def is_power_of_two(self) -> bool:
        """Whether every value is a power of two: a scale that never rounds."""
        return self.mantissa == 0 and not self.zero and not self.signed


@dataclass(frozen=True, repr=False)
class Fixed(Element):
    """Two's complement fixed point: ``value = code / 2**fraction``.

    The most negative code is decoded but never produced (OCP MX v1.0, section 5.3.4, allows it).

    >>> INT8.max, INT8.min_subnormal
    (1.984375, 0.015625)
    """

    name: str = field(compare=False)
    bits: int = 8
    fraction: int = 6

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise DTypeError(f"Fixed: bits={self.bits}; allowed: 2 to 16")

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        return "coded"

    @cached_property
    def facts(self) -> Facts:
        return Facts(
            mantissa=self.bits - 2,
            emin=self.bits - 2 - self.fraction,
            origin=0,
            max_code=2 ** (self.bits - 1) - 1,
            inf_code=-1,
            nan_code=-1,
            sign=TWOS_COMPLEMENT,
            bits=self.bits,
        )

    @property
    def short(self) -> str:
        """The format's letters."""
        return f"INT{self.bits}"


FP64 = Float("float64", exponent=11, mantissa=52, bias=1023, specials="ieee")
FP32 = Float("float32", exponent=8, mantissa=23, bias=127, specials="ieee")
FP16 = Float("float16", exponent=5, mantissa=10, bias=15, specials="ieee")
BF16 = Float("bfloat16", exponent=8, mantissa=7, bias=127, specials="ieee")
_NATIVE: dict[Float, np.dtype[np.generic]] = {
    FP64: np.dtype(np.float64),
    FP32: np.dtype(np.float32),
    FP16: np.dtype(np.float16),
}

# OCP Microscaling Formats (MX) v1.0, section 5.3; FP8 as in arXiv 2209.05433.
E5M2 = Float("float8_e5m2", exponent=5, mantissa=2, bias=15, specials="ieee")
E4M3 = Float("float8_e4m3fn", exponent=4, mantissa=3, bias=7, specials="nan")
E3M2 = Float("float6_e3m2fn", exponent=3, mantissa=2, bias=3)
E2M3 = Float("float6_e2m3fn", exponent=2, mantissa=3, bias=1)
E2M1 = Float("float4_e2m1fn", exponent=2, mantissa=1, bias=1)
INT8 = Fixed("mx_int8", bits=8, fraction=6)
# Scales: OCP MX v1.0, section 5.4.1; UE5M3 has the published maximum 61440 = 2**15 * 1.875,
# so its top exponent is special.
E8M0 = Float(
    "float8_e8m0fnu",
    exponent=8,
    mantissa=0,
    bias=127,
    specials="nan",
    signed=False,
    zero=False,
)
UE5M3 = Float("float8_ue5m3", exponent=5, mantissa=3, bias=15, specials="ieee", signed=False)
