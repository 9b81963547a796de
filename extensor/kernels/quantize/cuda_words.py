"""Eight numbers to one word of eight E2M1 codes: the inner step of the fast CUDA quantizers.

With ``s = |x| * multiplier`` (exact for power-of-two scales) and B the power of two below s, at
least 1, the step of E2M1 at s is B / 2.

- nearest: ``t = s + B (2**22 + log2 B)`` in one fused operation. The sum has a unit in the last
  place of B / 2, so the adder itself rounds s to nearest, ties to even, and the low bits of ``t``
  are the code: n steps, and 2 for each binade below. B is s with its mantissa cut off, and the
  bits of the other factor are ``(bits(B) >> 22) + const``.
- stochastic: with ``h = s`` for s >= 1 and ``s + 1`` rounded toward zero below, the bits of h from
  22 on are the code below (after 2 is taken off where 1 was added), the 22 bits under them are the
  top of the fraction, and the 10 bits that the addition lost are fetched from ``s - (h - 1)``: a
  product that lands among the subnormals is an integer, floored. The word is added to those 32
  bits and carries into the code: ``floor(fraction * 2**32) + word >= 2**32``, numerics.md
  section 4.

The sign of number i is bit 3 of nibble i: a funnel shift by 4 collects all eight.

bfloat16 has 8 significant bits, so there the nearest rounding runs on two numbers at a time, with
the same formula and ``2**6`` in place of ``2**22``.

Source: PTX ISA, 9.7.3 (float), 9.7.4 (half), 9.7.8 (shf, prmt); all rounding is written out.
"""

from typing import Any

from numba import types

from extensor.kernels.ptx import instruction

_u32, _f32 = types.uint32, types.float32
_EIGHT = range(8)
_LARGEST = "0f40C00000"  # 6
_UNDER = 252 * 0x11111111 & 0xFFFFFFFF
"""What the eight stochastic codes are too large by, together."""


def _scaled(i: int, clip: bool) -> str:
    """Number i to ``s`` in units of its scale."""
    text = f"mov.b32 s, ${i + 1}; abs.f32 s, s; mul.rn.f32 s, s, $9; "
    return text + (f"min.f32 s, s, {_LARGEST}; " if clip else "")


def _signs(numbers: list[str], codes: str) -> str:
    """``$0``: the codes, with the sign bits of the numbers."""
    text = f"shr.b32 g, {numbers[7]}, 28; "
    text += "".join(f"shf.l.wrap.b32 g, {numbers[i]}, g, 4; " for i in reversed(_EIGHT[:7]))
    return text + f"lop3.b32 $0, g, 0x88888888, {codes}, 0xEA; "


_NUMBERS = [f"${i + 1}" for i in _EIGHT]


def _nearest(clip: bool) -> Any:
    text = "{ .reg .f32 s, b, c, t; .reg .b32 u, g, p, q, t0, t1, t2, t3, t4, t5, t6, t7; "
    for i in _EIGHT:
        text += _scaled(i, clip)
        text += "mov.b32 u, s; and.b32 u, u, 0x7f800000; mov.b32 b, u; max.f32 b, b, 0f3F800000; "
        text += "mov.b32 u, b; shr.u32 u, u, 22; add.u32 u, u, 0x4A7FFF02; mov.b32 c, u; "
        text += f"fma.rn.f32 t, b, c, s; mov.b32 t{i}, t; "
    for i in (0, 4):
        half = "pq"[i // 4]
        text += (
            f"mad.lo.u32 t{i}, t{i + 1}, 16, t{i}; mad.lo.u32 t{i + 2}, t{i + 3}, 16, t{i + 2}; "
        )
        text += f"mad.lo.u32 {half}, t{i + 2}, 256, t{i}; "
    text += "prmt.b32 p, p, q, 0x5410; " + _signs(_NUMBERS, "p") + "}"
    return instruction(text, (_u32,), (_u32,) * 8 + (_f32,))


def _stochastic(clip: bool) -> Any:
    text = "{ .reg .f32 s, a, h, d, k; .reg .b32 x, u, v, g, p; "
    for i in reversed(_EIGHT):
        text += _scaled(i, clip)
        text += "set.lt.f32.f32 a, s, 0f3F800000; add.rz.f32 h, s, a; sub.rn.f32 d, h, a; "
        text += "sub.rn.f32 k, s, d; mul.rz.f32 k, k, 0f05800000; "  # 2**33 units of 2**-149
        text += "mov.b32 u, h; mov.b32 x, a; mad.lo.u32 u, x, 129, u; "  # -2 codes where a = 1
        text += f"mov.b32 x, k; mad.lo.u32 v, u, 1024, x; add.cc.u32 v, v, ${i + 10}; "
        text += "shr.u32 u, u, 22; addc.u32 u, u, 0; "
        text += "mov.b32 p, u; " if i == 7 else "mad.lo.u32 p, p, 16, u; "
    text += f"sub.u32 p, p, {_UNDER:#x}; " + _signs(_NUMBERS, "p") + "}"
    return instruction(text, (_u32,), (_u32,) * 8 + (_f32,) + (_u32,) * 8)


def _nearest_pairs(clip: bool) -> Any:
    text = "{ .reg .b32 s, b, c, g, p, q, t0, t1, t2, t3, zero, one, six; "
    text += "mov.b32 zero, 0x80008000; mov.b32 one, 0x3F803F80; mov.b32 six, 0x40C040C0; "
    for i in range(4):
        text += f"and.b32 s, ${i + 1}, 0x7fff7fff; fma.rn.bf16x2 s, s, $5, zero; "
        text += "min.bf16x2 s, s, six; " if clip else ""
        text += "and.b32 b, s, 0x7f807f80; max.bf16x2 b, b, one; shr.u32 c, b, 6; "
        text += f"add.u32 c, c, 0x41824182; fma.rn.bf16x2 t{i}, b, c, s; "
        text += f"shr.u32 g, ${i + 1}, 12; and.b32 t{i}, t{i}, 0x00070007; "
        text += f"lop3.b32 t{i}, g, 0x00080008, t{i}, 0xEA; "
    text += "prmt.b32 p, t0, t1, 0x6240; prmt.b32 q, t2, t3, 0x6240; "
    text += "prmt.b32 s, p, q, 0x5410; prmt.b32 b, p, q, 0x7632; mad.lo.u32 $0, b, 16, s; }"
    return instruction(text, (_u32,), (_u32,) * 5)


nearest8, nearest8_clip = _nearest(False), _nearest(True)
"""Eight float32 (as bits) and their multiplier to a word of codes; ``clip`` where s may pass 6."""
stochastic8, stochastic8_clip = _stochastic(False), _stochastic(True)
"""The same, and eight random words behind the multiplier."""
nearest_pairs, nearest_pairs_clip = _nearest_pairs(False), _nearest_pairs(True)
"""Four pairs of bfloat16 and the multiplier, a pair of equal bfloat16, to a word of codes."""


def _amax() -> Any:
    text = "{ .reg .f32 a, b, c, d; "
    for r, (i, j) in zip("abcd", ((1, 2), (3, 4), (5, 6), (7, 8)), strict=True):
        text += f"{{ .reg .f32 x, y; mov.b32 x, ${i}; mov.b32 y, ${j}; abs.f32 x, x; "
        text += f"abs.f32 y, y; max.NaN.f32 {r}, x, y; }} "
    text += "max.NaN.f32 a, a, b; max.NaN.f32 c, c, d; max.NaN.f32 a, a, c; mov.b32 $0, a; }"
    return instruction(text, (_u32,), (_u32,) * 8)


def _amax_pairs() -> Any:
    text = "{ .reg .b32 a, b, c, d; .reg .f32 x, y; "
    text += "".join(f"and.b32 {r}, ${i + 1}, 0x7fff7fff; " for i, r in enumerate("abcd"))
    text += "max.NaN.bf16x2 a, a, b; max.NaN.bf16x2 c, c, d; max.NaN.bf16x2 a, a, c; "
    text += "shl.b32 b, a, 16; and.b32 a, a, 0xffff0000; mov.b32 x, a; mov.b32 y, b; "
    return instruction(text + "max.NaN.f32 x, x, y; mov.b32 $0, x; }", (_u32,), (_u32,) * 4)


amax8 = _amax()
"""The bits of the largest magnitude of eight float32; a NaN wins."""
amax_pairs = _amax_pairs()
"""The same of four pairs of bfloat16, as float32."""


def _over_lanes(lanes: int) -> Any:
    text = "{ .reg .f32 x, y; mov.b32 x, $1; "
    for d in (1, 2):
        if d < lanes:
            text += f"shfl.sync.bfly.b32 y, x, {d}, 31, 0xffffffff; max.NaN.f32 x, x, y; "
    return instruction(text + "mov.b32 $0, x; }", (_u32,), (_u32,), volatile=True)


over_2_lanes, over_4_lanes = _over_lanes(2), _over_lanes(4)
"""The largest of float32 >= 0 (bits) of neighbouring lanes; a NaN wins."""
times8 = instruction(
    "{ .reg .f32 x; "
    + "".join(f"mov.b32 x, ${i + 8}; mul.rn.f32 x, x, $16; mov.b32 ${i}, x; " for i in _EIGHT)
    + "}",
    (_u32,) * 8,
    (_u32,) * 8 + (_f32,),
)
"""Eight float32 (bits) times a ninth."""
widen_bf16 = instruction(
    "{ shl.b32 $0, $2, 16; and.b32 $1, $2, 0xffff0000; }", (_u32,) * 2, (_u32,)
)
"""A pair of bfloat16 to two float32, as bits."""
widen_f16 = instruction(
    "{ .reg .b16 x, y; .reg .f32 f, g; mov.b32 {x, y}, $2; cvt.f32.f16 f, x; cvt.f32.f16 g, y; "
    "mov.b32 $0, f; mov.b32 $1, g; }",
    (_u32,) * 2,
    (_u32,),
)
"""A pair of float16 to two float32, as bits."""
