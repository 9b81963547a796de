"""The inner steps of the fast quantizer in vector IR, made from facts of the format at run time.

With a float32 ``s = |x| * multiplier`` in units of the scale, ``e`` the exponent of its binade but
at least that of the smallest normal, and ``step = 2**(e - mantissa)``:

- nearest: ``s + 2**(23 - mantissa) * 2**e`` rounds s to a multiple of the step, ties to even, in
  the adder itself; the sum's low bits count the steps.
- up, stochastic: ``u = s / step`` is exact, as are its whole part q and its fraction f; up where
  f > 0, or where ``floor(f 2**32) + word >= 2**32``.

The code is the count of steps, plus the binades below. `Steps` holds the constants.
"""

from typing import Any, NamedTuple

from numba import types
from numba.extending import intrinsic

from extensor.formats import Facts
from extensor.kernels.ir import (
    F32,
    I8,
    I16,
    I32,
    I64,
    call,
    const,
    const_each,
    i64,
    join,
    load_at,
    select,
    smax,
    smin,
    splat,
    store_at,
    suffix,
    vector,
)

_intrinsic: Any = intrinsic
UNIT = 32
"""Elements of one step."""
NEAREST, UP, STOCHASTIC = 0, 1, 2
_MAGNITUDE, _EXPONENT = 0x7FFFFFFF, 0x7F800000


class Steps(NamedTuple):
    """The constants of a format, each an int64 that stands for an int32.

    emin
        The bits of the smallest normal, as float32.
    drop
        23 - mantissa.
    limit
        A magnitude above which everything saturates: 4 times the largest binade, float32 bits.
    max_code
        The code of the largest value.
    shift, sign
        Where the sign bit comes from and what it is in a code (0: no sign bit).
    negate
        -1 for two's complement, else 0.
    """

    emin: int
    drop: int
    limit: int
    max_code: int
    shift: int
    sign: int
    negate: int


def steps(facts: Facts, emax: int) -> Steps:
    """The constants of an element or scale format.

    >>> from extensor.formats import E2M1
    >>> steps(E2M1.facts, E2M1.emax).drop
    22
    """
    signed = facts.sign == 1
    return Steps(
        emin=(127 + facts.emin) << 23,
        drop=23 - facts.mantissa,
        limit=(127 + emax + 2) << 23,
        max_code=facts.max_code,
        shift=32 - facts.bits if signed else 0,
        sign=1 << (facts.bits - 1) if signed else 0,
        negate=-1 if facts.sign == 2 else 0,
    )


def _amax(lanes: int) -> Any:
    @_intrinsic
    def amax(typing: Any, x: Any, count: Any) -> Any:
        """The bits of the largest magnitude of ``count * lanes`` float32 at address ``x``."""

        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            t = vector(I32, lanes)
            mask = const(I32, lanes, _MAGNITUDE)
            start = b.block
            head = b.append_basic_block("amax")
            done = b.append_basic_block("amax.done")
            b.branch(head)
            b.position_at_end(head)
            i, top = b.phi(I64), b.phi(t)
            i.add_incoming(i64(0), start)
            top.add_incoming(const(I32, lanes, 0), start)
            v = b.and_(load_at(b, b.add(args[0], b.mul(i, i64(4 * lanes))), t), mask)
            larger, after = smax(b, v, top), b.add(i, i64(1))
            i.add_incoming(after, head)
            top.add_incoming(larger, head)
            b.cbranch(b.icmp_signed("<", after, args[1]), head, done)
            b.position_at_end(done)
            return call(b, f"llvm.vector.reduce.smax.{suffix(t)}", I32, [larger])

        return types.int32(types.int64, types.int64), generate

    return amax


amax16, amax32 = _amax(16), _amax(32)


def _encode(mode: int) -> Any:
    @_intrinsic
    def encode(
        typing: Any,
        x: Any,
        low: Any,
        high: Any,
        words: Any,
        out: Any,
        emin: Any,
        drop: Any,
        limit: Any,
        max_code: Any,
        shift: Any,
        sign: Any,
        negate: Any,
    ) -> Any:
        """The codes, one a byte, of `UNIT` float32.

        x, words, out
            Addresses of the numbers, of their random words (stochastic), of the bytes.
        low, high
            Bits of the multipliers of the first and the second 16 numbers.
        emin .. negate
            The fields of `Steps`.
        """

        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            n = UNIT
            at, m0, m1, word_at, to = args[:5]
            facts = [splat(b, b.trunc(a, I32), n) for a in args[5:]]
            bottom, dropped, most, top, moved, bit, minus = facts
            ints, floats = vector(I32, n), vector(F32, n)
            v = load_at(b, at, ints)
            halves = [b.bitcast(splat(b, b.trunc(m, I32), n // 2), vector(F32, n // 2))
                      for m in (m0, m1)]  # fmt: skip
            magnitude = b.bitcast(b.and_(v, const(I32, n, _MAGNITUDE)), floats)
            s = b.fmul(magnitude, join(b, *halves))
            most = b.bitcast(most, floats)
            s = select(b, b.fcmp_ordered("<", s, most), s, most)
            binade = smax(b, b.and_(b.bitcast(s, ints), const(I32, n, _EXPONENT)), bottom)
            below = b.lshr(b.sub(binade, bottom), dropped)
            if mode == NEAREST:
                magic = b.add(binade, b.shl(dropped, const(I32, n, 23)))
                total = b.bitcast(b.fadd(s, b.bitcast(magic, floats)), ints)
                code = b.add(b.sub(total, magic), below)
            else:
                field = b.sub(const(I32, n, 254 + 23), dropped)
                unit = b.sub(b.shl(field, const(I32, n, 23)), binade)
                u = b.fmul(s, b.bitcast(unit, floats))
                q = b.fptosi(u, ints)
                f = b.fsub(u, b.sitofp(q, floats))
                if mode == UP:
                    grows = b.fcmp_ordered(">", f, const(F32, n, 0.0))
                else:
                    rest = b.fptoui(b.fmul(f, const(F32, n, 2.0**32)), ints)
                    complement = b.xor(load_at(b, word_at, ints), const(I32, n, -1))
                    grows = b.icmp_unsigned(">", rest, complement)
                code = b.add(b.sub(q, b.sext(grows, ints)), below)
            code = smin(b, code, top)
            negative = b.ashr(v, const(I32, n, 31))
            flip = b.and_(negative, minus)
            code = b.sub(b.xor(code, flip), flip)
            code = b.or_(code, b.and_(b.lshr(v, moved), bit))
            store_at(b, to, b.trunc(code, vector(I8, n)))
            return ctx.get_dummy_value()

        return types.void(*[types.int64] * 12), generate

    return encode


encode_nearest, encode_up, encode_stochastic = _encode(NEAREST), _encode(UP), _encode(STOCHASTIC)


def _pack(bits: int, n: int) -> Any:
    @_intrinsic
    def pack(typing: Any, codes: Any, to: Any) -> Any:
        """``n`` codes, one a byte, at the first address, packed to the second."""

        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            half, quarter = n // 2, n // 4
            v = b.bitcast(load_at(b, args[0], vector(I8, n)), vector(I16, half))
            if bits == 4:
                v = b.or_(v, b.lshr(v, const(I16, half, 4)))
                store_at(b, args[1], b.trunc(v, vector(I8, half)))
                return ctx.get_dummy_value()
            odd = b.and_(b.lshr(v, const(I16, half, 2)), const(I16, half, 0xFC0))
            v = b.or_(b.and_(v, const(I16, half, 0x3F)), odd)
            fours = b.bitcast(v, vector(I32, quarter))
            second = b.and_(b.lshr(fours, const(I32, quarter, 4)), const(I32, quarter, 0xFFF000))
            fours = b.or_(b.and_(fours, const(I32, quarter, 0xFFF)), second)
            each = b.bitcast(fours, vector(I8, n))
            order = [4 * (i // 3) + i % 3 for i in range(3 * n // 4)]
            store_at(b, args[1], b.shuffle_vector(each, each, const_each(I32, order)))
            return ctx.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    return pack


pack4_16, pack4_32, pack6_16, pack6_32 = _pack(4, 16), _pack(4, 32), _pack(6, 16), _pack(6, 32)
