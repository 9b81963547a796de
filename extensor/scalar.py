"""Scalar numerics: one value in, one code out. The only place where rounding is written.

Every function compiles for the CPU and for CUDA from this source, so the two cannot disagree.
To keep that true: integers, comparisons and powers of two only; no float ``a*b + c`` (CUDA fuses
it, the CPU does not).

A finite value is handled as a 53-bit integer and an exponent, ``|x| = sig * 2**(e - 52)``, the
step of the format at ``x`` is ``2**(max(e, emin) - mantissa)``, and so the code is ``sig`` shifted
right by ``drop`` bits, plus the binades below. What was shifted out decides the rounding; it is
rounded once, from the input's own precision (float64 holds every float32, float16 and bfloat16).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, njit, types

from extensor.formats import Facts

_intrinsic: Callable[[Any], Any] = extending.intrinsic


_EVEN, _AWAY, _ZERO, _TRUNCATE, _UP, _DOWN = (np.int64(r) for r in range(6))
_BIG = np.int64(62)
_HIDDEN = np.int64(1 << 52)
_FRACTION = np.int64((1 << 52) - 1)


def _bitcast(to: Any, given: Any, width: ir.Type) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], width)

    return to(given), codegen


@_intrinsic
def bits_of(typing: Any, x: Any) -> Any:
    """The bits of a float64 as an int64."""
    return _bitcast(types.int64, types.float64, ir.IntType(64))


@_intrinsic
def float_of(typing: Any, b: Any) -> Any:
    """The float64 with these bits, an int64."""
    return _bitcast(types.float64, types.int64, ir.DoubleType())


@njit()
def power_of_two(exponent: np.int64) -> np.float64:
    """``2.0**exponent`` for -1022 <= exponent <= 1023, built from its bits."""
    value: np.float64 = float_of((np.int64(exponent) + np.int64(1023)) << np.int64(52))
    return value


@njit()
def rounds_up(
    rounding: np.int64,
    negative: bool,
    odd: bool,
    rest: np.int64,
    drop: np.int64,
    word: np.int64,
    sr_bits: np.int64,
) -> bool:
    """Whether the magnitude grows to the next code.

    rest, drop
        The bits that were cut off and how many: the fraction is ``rest / 2**drop``.
    odd
        Whether the code below is odd (ties go to the even code).
    word, sr_bits
        A 32-bit random word of which the top ``sr_bits`` count. It is added below the last kept
        bit; up when it carries: ``floor(fraction * 2**r) + word >= 2**r``. With fewer than 16
        bits it is centred, ``fraction * 2**r + word + 1/2 >= 2**r``, else it would be biased.
    """
    if rest == np.int64(0):
        return False
    if rounding <= _ZERO:
        if drop > _BIG:
            return False
        half = np.int64(1) << (drop - np.int64(1))
        if rest != half:
            return bool(rest > half)
        return bool(rounding == _AWAY or (rounding == _EVEN and odd))
    if rounding == _TRUNCATE:
        return False
    if rounding == _UP:
        return not negative
    if rounding == _DOWN:
        return negative
    draw = np.int64(word) >> (np.int64(32) - sr_bits)
    scale = sr_bits
    if sr_bits < np.int64(16):
        draw = draw * np.int64(2) + np.int64(1)
        scale = sr_bits + np.int64(1)
    shift = drop - scale
    if shift <= np.int64(0):
        fraction = rest << (-shift)
    elif shift > _BIG:
        fraction = np.int64(0)
    else:
        fraction = rest >> shift
    return bool(fraction + draw >= (np.int64(1) << scale))


@njit()
def encode(
    x: np.float64,
    exponent: np.int64,
    rounding: np.int64,
    word: np.int64,
    sr_bits: np.int64,
    saturate: bool,
    facts: Facts,
) -> np.int64:
    """The code of ``x * 2**exponent``, or -1 where the format cannot say NaN.

    x
        A float64, or anything that it holds exactly.
    exponent
        Added to the exponent of ``x``: a power-of-two scale costs no rounding at all.
    saturate
        Whether a magnitude above the largest finite one becomes it; else the format's own
        overflow, where it has one (Inf, or NaN in E4M3).
    facts
        The format, see `extensor.formats.Facts`.
    """
    b = bits_of(np.float64(x))
    negative = b < np.int64(0)
    e = ((b >> np.int64(52)) & np.int64(0x7FF)) - np.int64(1023)
    sig = b & _FRACTION
    if e == np.int64(1024):
        if sig != np.int64(0):
            return np.int64(facts.nan_code)
        code = np.int64(facts.max_code) + np.int64(1)
        rounding = _EVEN  # Inf is exact: no rounding brings it back
    elif e == np.int64(-1023) and sig == np.int64(0):
        code = np.int64(0)
    else:
        if e == np.int64(-1023):
            e = np.int64(-1022)
            while sig < _HIDDEN:
                sig = sig << np.int64(1)
                e -= np.int64(1)
        else:
            sig = sig | _HIDDEN
        e += np.int64(exponent)
        binade = max(e, np.int64(facts.emin))
        drop = np.int64(52) - np.int64(facts.mantissa) + (binade - e)
        kept = np.int64(0)
        rest = sig
        if drop <= _BIG:
            kept = sig >> drop
            rest = sig - (kept << drop)
        code = ((binade - np.int64(facts.emin)) << np.int64(facts.mantissa)) + kept
        code -= np.int64(facts.origin)
        code = min(code, np.int64(facts.max_code) + np.int64(1))
        odd = bool((code & np.int64(1)) == np.int64(1))
        if rounds_up(rounding, negative, odd, rest, drop, word, sr_bits):
            code += np.int64(1)
        code = max(code, np.int64(0))
    return _signed(_overflow(code, rounding, negative, saturate, facts), negative, facts)


@njit()
def _overflow(
    code: np.int64, rounding: np.int64, negative: bool, saturate: bool, facts: Facts
) -> np.int64:
    """A magnitude code, with everything above the largest finite one decided."""
    if code <= np.int64(facts.max_code):
        return code
    inward = (
        rounding == _TRUNCATE
        or (rounding == _UP and negative)
        or (rounding == _DOWN and not negative)
    )
    if saturate or inward:
        return np.int64(facts.max_code)
    if facts.inf_code >= 0:
        return np.int64(facts.inf_code)
    if facts.nan_code >= 0:
        return np.int64(facts.nan_code)
    return np.int64(facts.max_code)


@njit()
def _signed(code: np.int64, negative: bool, facts: Facts) -> np.int64:
    """A magnitude code with its sign; the sign of zero is kept where the format has one."""
    if not negative or facts.sign == 0:
        return code
    if facts.sign == 1:
        return code | (np.int64(1) << np.int64(facts.bits - 1))
    return (-code) & ((np.int64(1) << np.int64(facts.bits)) - np.int64(1))


@njit()
def decode(code: np.int64, facts: Facts) -> np.float64:
    """The value of a code, exact, for formats of at most 32 bits."""
    top = np.int64(1) << np.int64(facts.bits - 1)
    code = np.int64(code)
    negative = facts.sign != 0 and code >= top
    if negative:
        code = code - top if facts.sign == 1 else np.int64(2) * top - code
    if code > np.int64(facts.max_code) and facts.sign != 2:
        value = np.inf if code == np.int64(facts.inf_code) else np.nan
    else:
        mantissa = np.int64(facts.mantissa)
        f = (code + np.int64(facts.origin)) >> mantissa
        q = code + np.int64(facts.origin) - (f << mantissa)
        e = np.int64(facts.emin) - mantissa
        if f > np.int64(0):
            q += np.int64(1) << mantissa
            e += f - np.int64(1)
        value = np.float64(q) * power_of_two(e)
    return np.float64(-value if negative else value)


@njit()
def scale_exponent(amax: np.float64, cap: np.float64, strict: bool) -> np.int64:
    """The smallest k with ``amax <= cap * 2**k`` (``<`` where strict); numerics.md section 3.

    An integer compare of the two significands decides it: no logarithm, no division. For
    ``amax`` = 0 the answer is far below every scale.
    """
    a, c = bits_of(np.float64(amax)), bits_of(np.float64(cap))
    k: np.int64 = (a >> np.int64(52)) - (c >> np.int64(52))
    a, c = a & _FRACTION, c & _FRACTION
    if a > c or (strict and a == c):
        k += np.int64(1)
    return k
