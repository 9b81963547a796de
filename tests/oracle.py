"""The exact oracle: numbers as fractions, written from the specification alone.

Nothing of `extensor.scalar` or `extensor.formats` is used: the facts are typed in from the table of
the specification, a value is a `Fraction`, and rounding is a comparison with the boundary between
two neighbours, not a shift of bits. Boundaries are integers, counted in units so small that every
one of them is whole. Slow and complete.

>>> E2M1.values()[:8] == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
True
>>> encode(E2M1, 2.5), encode(E2M1, -0.25), encode(E2M1, 7.0, "up")
(4, 8, 7)
"""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from math import copysign, inf, isinf, isnan, nan

import numpy as np
from numpy.typing import NDArray

Number = float | Fraction
FINEST = 34
"""A unit is the format's smallest step / 2**34: a draw of 32 bits and its half are whole units."""


def two(exponent: int) -> Fraction:
    """``2**exponent``.

    >>> two(-2)
    Fraction(1, 4)
    """
    return Fraction(2**exponent) if exponent >= 0 else Fraction(1, 2**-exponent)


@dataclass(frozen=True)
class Spec:
    """Facts of an element format; ``fixed`` is the fraction width of a two's complement one."""

    exponent: int
    mantissa: int
    bias: int
    specials: str = "none"
    signed: bool = True
    zero: bool = True
    fixed: int | None = None

    @property
    def bits(self) -> int:
        """The width of a code."""
        return self.signed + self.exponent + self.mantissa

    @cached_property
    def magnitudes(self) -> list[Fraction]:
        """The finite values >= 0 by code, and one more: what would follow the largest."""
        if self.fixed is not None:
            return [Fraction(k, 2**self.fixed) for k in range(2 ** (self.bits - 1) + 1)]
        count = {
            "none": 2 ** (self.exponent + self.mantissa),
            "nan": 2 ** (self.exponent + self.mantissa) - 1,
            "ieee": (2**self.exponent - 1) * 2**self.mantissa,
        }[self.specials]
        return [self._magnitude(code) for code in range(count + 1)]

    def _magnitude(self, code: int) -> Fraction:
        field, rest = divmod(code, 2**self.mantissa)
        if field == 0 and self.zero:
            return Fraction(rest, 2**self.mantissa) * two(1 - self.bias)
        return (1 + Fraction(rest, 2**self.mantissa)) * two(field - self.bias)

    @cached_property
    def unit(self) -> Fraction:
        """What boundaries are counted in."""
        return (self.magnitudes[1] - self.magnitudes[0]) * two(-FINEST)

    @cached_property
    def units(self) -> list[int]:
        """The magnitudes in units."""
        return [int(m / self.unit) for m in self.magnitudes]

    @cached_property
    def max_code(self) -> int:
        """The code of the largest finite value."""
        return len(self.magnitudes) - 2

    @property
    def max(self) -> Fraction:
        """The largest finite value."""
        return self.magnitudes[self.max_code]

    @property
    def inf_code(self) -> int | None:
        """The code of +Inf."""
        return self.max_code + 1 if self.specials == "ieee" else None

    @property
    def nan_code(self) -> int | None:
        """The canonical NaN: all ones, or Inf with the top mantissa bit."""
        if self.specials == "nan":
            return self.max_code + 1
        return self.max_code + 1 + 2 ** (self.mantissa - 1) if self.specials == "ieee" else None

    def signed_code(self, code: int, negative: bool) -> int:
        """A magnitude code with its sign; the sign of zero is kept where there is one."""
        if not negative or not self.signed:
            return code
        return (2**self.bits - code) % 2**self.bits if self.fixed is not None else code | self.top

    @property
    def top(self) -> int:
        """The sign bit."""
        return 1 << (self.bits - 1)

    def values(self) -> list[float]:
        """What every code decodes to, as float64 (exact)."""
        return [decode(self, code) for code in range(2**self.bits)]


E2M1 = Spec(2, 1, 1)
E2M3 = Spec(2, 3, 1)
E3M2 = Spec(3, 2, 3)
E4M3 = Spec(4, 3, 7, "nan")
E5M2 = Spec(5, 2, 15, "ieee")
E8M0 = Spec(8, 0, 127, "nan", signed=False, zero=False)
UE5M3 = Spec(5, 3, 15, "ieee", signed=False)
INT8 = Spec(0, 7, 0, fixed=6)
BF16 = Spec(8, 7, 127, "ieee")
FP16 = Spec(5, 10, 15, "ieee")


def decode(spec: Spec, code: int) -> float:
    """The value of a code."""
    negative = bool(spec.signed and code & spec.top)
    if negative:
        code = 2**spec.bits - code if spec.fixed is not None else code - spec.top
    if code == spec.inf_code:
        return -inf if negative else inf
    if code > spec.max_code and spec.fixed is None:
        return nan
    value = float(spec.magnitudes[code])
    return -value if negative else value


def boundary(
    spec: Spec, code: int, rounding: str, negative: bool = False, word: int = 0, sr_bits: int = 32
) -> tuple[int, bool]:
    """Where magnitude ``code`` begins, in units: (point, whether the point belongs to it)."""
    low, high = spec.units[code - 1], spec.units[code]
    if rounding.startswith("nearest"):
        return (low + high) // 2, {"even": code % 2 == 0, "away": True, "zero": False}[rounding[8:]]
    if rounding == "stochastic":
        return high - (high - low) * _draw(word, sr_bits) // 2 ** (sr_bits + 1), True
    outward = rounding == ("down" if negative else "up")
    return (low, False) if outward else (high, True)


def _draw(word: int, sr_bits: int) -> int:
    """Twice the draw, its half included where it is centred: up from fraction 1 - draw/2**bits."""
    return 2 * (word >> (32 - sr_bits)) + (sr_bits < 16)


def encode(
    spec: Spec,
    x: Number,
    rounding: str = "nearest_even",
    word: int = 0,
    sr_bits: int = 32,
    saturate: bool = True,
) -> int | None:
    """The code of ``x``; None for NaN where the format has no code for it."""
    if isnan(x):
        return spec.nan_code
    negative = copysign(1.0, x) < 0 if isinstance(x, float) else x < 0
    overflow = next((c for c in (spec.inf_code, spec.nan_code) if c is not None), spec.max_code)
    if isinf(x):
        return spec.signed_code(spec.max_code if saturate else overflow, negative)
    size = abs(Fraction(x)) / spec.unit
    code = bisect_right(spec.units, size) - 1
    if code <= spec.max_code:
        point, included = boundary(spec, code + 1, rounding, negative, word, sr_bits)
        code += size > point or (included and size == point)
    if code > spec.max_code:
        inward = rounding in ("toward_zero", "down" if not negative else "up")
        code = spec.max_code if saturate or inward else overflow
    return spec.signed_code(max(code, 0), negative)


def thresholds(
    spec: Spec, rounding: str, negative: bool = False, word: int = 0, sr_bits: int = 32
) -> NDArray[np.float64]:
    """``t[k]``: the least float64 whose magnitude code is at least k + 1; k = 0 .. max_code.

    So the code of any float64 ``a`` >= 0 is ``searchsorted(t, a, side="right")``, and
    ``max_code + 1`` stands for overflow.
    """
    found = [
        boundary(spec, code, rounding, negative, word, sr_bits)
        for code in range(1, len(spec.units))
    ]
    exact = np.array([float(point) for point, _ in found])
    assert all(int(e) == point for e, (point, _) in zip(exact.tolist(), found, strict=True))
    exact *= float(spec.unit)  # a power of two, far from underflow
    return np.where([included for _, included in found], exact, np.nextafter(exact, inf))


@lru_cache(maxsize=64)
def _thresholds(
    spec: Spec, rounding: str, negative: bool, word: int, sr_bits: int
) -> NDArray[np.float64]:
    return thresholds(spec, rounding, negative, word, sr_bits)


def encode_all(
    spec: Spec,
    x: NDArray[np.float64],
    rounding: str = "nearest_even",
    word: int = 0,
    sr_bits: int = 32,
    saturate: bool = True,
) -> NDArray[np.int64]:
    """`encode` of many float64 at once through the thresholds; -1 stands for None."""
    negative, size = np.signbit(x), np.abs(x)
    up = _thresholds(spec, rounding, False, word, sr_bits)
    code = np.searchsorted(up, size, side="right")
    if rounding in ("up", "down"):
        down = _thresholds(spec, rounding, True, word, sr_bits)
        code = np.where(negative, np.searchsorted(down, size, side="right"), code)
    overflow = next((c for c in (spec.inf_code, spec.nan_code) if c is not None), spec.max_code)
    inward = np.where(negative, rounding == "up", rounding == "down") | (rounding == "toward_zero")
    inward &= np.isfinite(x)
    full = np.where(saturate | inward, spec.max_code, overflow)
    code = np.where(code > spec.max_code, full, code)
    if spec.fixed is not None:
        code = np.where(negative, (2**spec.bits - code) % 2**spec.bits, code)
    elif spec.signed:
        code = np.where(negative, code | spec.top, code)
    return np.where(np.isnan(x), -1 if spec.nan_code is None else spec.nan_code, code)
