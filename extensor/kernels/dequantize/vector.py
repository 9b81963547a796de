"""The inner steps of the fast dequantizer in vector IR, made from facts of the format at run time.

A magnitude code c of a normal number is, shifted up by ``23 - mantissa``, the fields of a float32
whose exponent only needs another bias; below ``2**mantissa`` it counts steps of the smallest size.
Codes above the largest finite one get the exponent of Inf and NaN.
"""

from typing import Any, NamedTuple

from numba import types

from extensor.formats import Facts
from extensor.kernels.ir import (
    F32,
    I8,
    I16,
    I32,
    const,
    const_each,
    intrinsic,
    join,
    load_at,
    select,
    splat,
    store_at,
    vector,
)

UNIT = 32
"""Elements of one step."""


class Fields(NamedTuple):
    """The constants of an element format, each an int64 that stands for an int32.

    magnitude, sign, up
        Masks of a code's magnitude and sign bit; how far the sign goes up.
    drop, bias, normal, step
        23 - mantissa; what the exponent field lacks; the first code of a normal number; float32
        bits of the smallest step.
    max_code
        Magnitudes above are Inf or NaN.
    extend
        32 - bits for two's complement, else 0.
    """

    magnitude: int
    sign: int
    up: int
    drop: int
    bias: int
    normal: int
    step: int
    max_code: int
    extend: int


def fields(facts: Facts) -> Fields:
    """The constants of an element format without an origin.

    >>> from extensor.formats import E4M3
    >>> fields(E4M3.facts).normal, fields(E4M3.facts).max_code
    (8, 126)
    """
    signed = facts.sign == 1
    return Fields(
        magnitude=(1 << (facts.bits - signed)) - 1,
        sign=1 << (facts.bits - 1) if signed else 0,
        up=32 - facts.bits if signed else 0,
        drop=23 - facts.mantissa,
        bias=(127 + facts.emin - 1) << 23,
        normal=1 << facts.mantissa,
        step=(127 + facts.emin - facts.mantissa) << 23,
        max_code=facts.max_code,
        extend=32 - facts.bits if facts.sign == 2 else 0,
    )


def _decode(fixed: bool) -> Any:
    @intrinsic
    def decode(
        typing: Any,
        codes: Any,
        low: Any,
        high: Any,
        factor: Any,
        out: Any,
        magnitude: Any,
        sign: Any,
        up: Any,
        drop: Any,
        bias: Any,
        normal: Any,
        step: Any,
        max_code: Any,
        extend: Any,
    ) -> Any:
        """`UNIT` numbers from as many codes, one a byte.

        codes, out
            Addresses of the codes and of the float32.
        low, high
            Float32 bits of the scales of the first and the second 16.
        factor
            Float32 bits of the tensor scale; it multiplies last.
        magnitude .. extend
            The fields of `Fields`.
        """

        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            n = UNIT
            ints, floats = vector(I32, n), vector(F32, n)
            s0, s1, ts = (b.bitcast(b.trunc(a, I32), F32) for a in args[1:4])
            facts = [splat(b, b.trunc(a, I32), n) for a in args[5:]]
            mask, bit, moved, dropped, lacking, first, unit, most, extended = facts
            c = b.zext(load_at(b, args[0], vector(I8, n)), ints)
            unit = b.bitcast(unit, floats)
            if fixed:
                value = b.fmul(b.sitofp(b.ashr(b.shl(c, extended), extended), floats), unit)
            else:
                mag = b.and_(c, mask)
                above = b.add(b.shl(mag, dropped), lacking)
                below = b.bitcast(b.fmul(b.sitofp(mag, floats), unit), ints)
                bits = select(b, b.icmp_signed("<", mag, first), below, above)
                special = b.sext(b.icmp_signed(">", mag, most), ints)
                bits = b.or_(bits, b.and_(special, const(I32, n, 0x7F800000)))
                bits = b.or_(bits, b.shl(b.and_(c, bit), moved))
                value = b.bitcast(bits, floats)
            value = b.fmul(value, join(b, splat(b, s0, n // 2), splat(b, s1, n // 2)))
            store_at(b, args[4], b.fmul(value, splat(b, ts, n)))
            return ctx.get_dummy_value()

        return types.void(*[types.int64] * 14), generate

    return decode


decode_float, decode_fixed = _decode(False), _decode(True)


@intrinsic
def unpack4(typing: Any, packed: Any, to: Any) -> Any:
    """16 bytes at one address become `UNIT` codes, one a byte, at the other."""

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        half = UNIT // 2
        pairs = b.zext(load_at(b, args[0], vector(I8, half)), vector(I16, half))
        pairs = b.or_(pairs, b.shl(pairs, const(I16, half, 4)))
        pairs = b.and_(pairs, const(I16, half, 0x0F0F))
        store_at(b, args[1], b.bitcast(pairs, vector(I8, UNIT)))
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def unpack6(typing: Any, packed: Any, to: Any) -> Any:
    """24 bytes at one address become `UNIT` codes, one a byte, at the other."""

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        n = UNIT // 4
        three = load_at(b, args[0], vector(I8, 3 * n))
        zero = const(I8, 3 * n, 0)
        order = [3 * (i // 4) + i % 4 if i % 4 < 3 else 3 * n for i in range(4 * n)]
        spread = b.shuffle_vector(three, zero, const_each(I32, order))
        fours = b.bitcast(spread, vector(I32, n))
        parts = [
            b.and_(b.shl(fours, const(I32, n, 2 * i)), const(I32, n, 0x3F << (8 * i)))
            for i in range(4)
        ]
        codes = b.or_(b.or_(parts[0], parts[1]), b.or_(parts[2], parts[3]))
        store_at(b, args[1], b.bitcast(codes, vector(I8, UNIT)))
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64), generate
