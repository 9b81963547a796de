"""The inner steps of the fast quantizer in vector IR, made from facts of the format at run time.

With a float32 ``s = min(|x| * multiplier, largest)`` in units of the scale, ``e`` the exponent of
its binade but at least that of the smallest normal, and ``step = 2**(e - mantissa)``:

- nearest: ``s + 2**(23 - mantissa) * 2**e`` rounds s to a multiple of the step, ties to even, in
  the adder itself; the sum's low bits count the steps.
- up: ``u = s / step`` is exact, as is its fraction f; up where f > 0.
- stochastic: up where ``floor(f 2**32) + word >= 2**32``. In fixed point with ``30 - mantissa``
  bits of fraction, ``floor(u 2**bits) + (word >> (2 + mantissa))`` carries by itself. What is cut
  off can matter only where the fraction of that sum is all ones: `encode_stochastic` reports
  that (once in millions), and `encode_exact` does such a unit anew with all 32 bits.

The code is the count of steps, plus the binades below. `Steps` holds the constants.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types

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
    i32,
    i64,
    intrinsic,
    join,
    load_at,
    select,
    smax,
    splat,
    store_at,
    suffix,
    vector,
)

UNIT = 32
"""Elements of one step."""
NEAREST, UP, STOCHASTIC, EXACT = 0, 1, 2, 3
_MAGNITUDE, _EXPONENT = 0x7FFFFFFF, 0x7F800000


class Steps(NamedTuple):
    """The constants of a format, each an int64 that stands for an int32.

    emin
        The bits of the smallest normal, as float32.
    drop
        23 - mantissa.
    limit
        The largest value, as float32.
    floor
        What the exponent field of the smallest normal counts as, in codes.
    shift, sign
        Where the sign bit comes from and what it is in a code (0: no sign).
    """

    emin: int
    drop: int
    limit: int
    floor: int
    shift: int
    sign: int


def steps(facts: Facts, largest: float) -> Steps:
    """The constants of an element or scale format.

    Two's complement is encoded as sign and magnitude; see `Facts.sign`.

    >>> from extensor.formats import E2M1
    >>> steps(E2M1.facts, E2M1.max).drop
    22
    """
    return Steps(
        emin=(127 + facts.emin) << 23,
        drop=23 - facts.mantissa,
        limit=int(np.float32(largest).view(np.int32)),
        floor=(127 + facts.emin) << facts.mantissa,
        shift=32 - facts.bits if facts.sign else 0,
        sign=1 << (facts.bits - 1) if facts.sign else 0,
    )


def _amax(lanes: int) -> Any:
    @intrinsic
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


def _count(b: Any, mode: int, s: Any, binade: Any, dropped: Any, words: Any) -> tuple[Any, Any]:
    """How many steps ``s`` is, rounded, and (stochastic) whether the words decided too close."""
    n = UNIT
    ints, floats = vector(I32, n), vector(F32, n)
    if mode == NEAREST:
        magic = b.add(binade, b.shl(dropped, const(I32, n, 23)))
        total = b.bitcast(b.fadd(s, b.bitcast(magic, floats)), ints)
        return b.sub(total, magic), None
    if mode == STOCHASTIC:
        # 2 + mantissa = 25 - dropped bits of the word are cut off
        cut = b.sub(const(I32, n, 25), dropped)
        unit = b.sub(const(I32, n, (254 + 30) << 23), binade)
        fixed = b.fptosi(b.fmul(s, b.bitcast(unit, floats)), ints)
        total = b.add(fixed, b.lshr(words, cut))
        return b.lshr(total, b.sub(const(I32, n, 32), cut)), b.shl(total, cut)
    field = b.sub(const(I32, n, 254 + 23), dropped)
    unit = b.sub(b.shl(field, const(I32, n, 23)), binade)
    u = b.fmul(s, b.bitcast(unit, floats))
    q = b.fptosi(u, ints)
    f = b.fsub(u, b.sitofp(q, floats))
    if mode == UP:
        grows = b.fcmp_ordered(">", f, const(F32, n, 0.0))
    else:
        rest = b.fptoui(b.fmul(f, const(F32, n, 2.0**32)), ints)
        grows = b.icmp_unsigned(">", rest, b.xor(words, const(I32, n, -1)))
    return b.sub(q, b.sext(grows, ints)), None


def _encode(mode: int) -> Any:
    @intrinsic
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
        floor: Any,
        shift: Any,
        sign: Any,
    ) -> Any:
        """The codes, one a byte, of `UNIT` float32. Whether that must be done by `encode_exact`.

        x, words, out
            Addresses of the numbers, of their random words (stochastic), of the bytes.
        low, high
            Bits of the multipliers of the first and the second 16 numbers.
        emin .. sign
            The fields of `Steps`.
        """

        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            n = UNIT
            at, m0, m1, word_at, to = args[:5]
            facts = [splat(b, b.trunc(a, I32), n) for a in args[5:]]
            bottom, dropped, most, under, moved, bit = facts
            ints, floats = vector(I32, n), vector(F32, n)
            v = load_at(b, at, ints)
            halves = [b.bitcast(splat(b, b.trunc(m, I32), n // 2), vector(F32, n // 2))
                      for m in (m0, m1)]  # fmt: skip
            magnitude = b.bitcast(b.and_(v, const(I32, n, _MAGNITUDE)), floats)
            s = b.fmul(magnitude, join(b, *halves))
            most = b.bitcast(most, floats)
            s = select(b, b.fcmp_ordered("<", s, most), s, most)
            binade = smax(b, b.and_(b.bitcast(s, ints), const(I32, n, _EXPONENT)), bottom)
            words = load_at(b, word_at, ints) if mode in (STOCHASTIC, EXACT) else None
            code, close = _count(b, mode, s, binade, dropped, words)
            code = b.sub(b.add(code, b.lshr(binade, dropped)), under)
            code = b.or_(code, b.and_(b.lshr(v, moved), bit))
            store_at(b, to, b.trunc(code, vector(I8, n)))
            if close is None:
                return ir.Constant(ir.IntType(1), 0)
            most_close = call(b, f"llvm.vector.reduce.umax.{suffix(ints)}", I32, [close])
            cut = b.sub(i32(25), b.trunc(args[6], I32))
            return b.icmp_unsigned("==", most_close, b.shl(i32(-1), cut))

        return types.boolean(*[types.int64] * 11), generate

    return encode


encode_nearest, encode_up = _encode(NEAREST), _encode(UP)
encode_stochastic, encode_exact = _encode(STOCHASTIC), _encode(EXACT)


def _pack(bits: int, n: int) -> Any:
    @intrinsic
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
