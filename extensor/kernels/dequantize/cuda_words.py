"""Codes to four words of numbers: the inner step of the fast CUDA dequantizer.

The magnitude of a code, put where the exponent of a float32 ends, is the number times a power of
two (2**-126 for E2M1, 2**-120 for E4M3), a subnormal where the code is one; the product with the
inverse power is exact, and so is that with the scale. E5M2 is the upper half of a float16. A NaN,
of an element or of a scale, becomes the one with bits 0x7FC00000, as on the CPU.

Source: PTX ISA, 9.7.3.6 mul, 9.7.9.22 cvt.
"""

from typing import Any

from numba import njit, types

from extensor.kernels import ptx

E2M1_CODES, E4M3_CODES, E5M2_CODES = 0, 1, 2
"""Kinds of elements."""
_u32, _f32 = types.uint32, types.float32


def _shifted(to: str, source: str, left: int) -> str:
    how = "shl" if left >= 0 else "shr"
    return f"{how}.b32 {to}, {source}, {abs(left)}; "


def _element(kind: int, i: int) -> str:
    """Element i to ``f``, and whether it or its scale is NaN to ``nan``."""
    if kind == E2M1_CODES:
        text = _shifted("u", "$4", 28 - 4 * i) + _shifted("v", "$4", 22 - 4 * i)
        text += "and.b32 v, v, 0x01c00000; lop3.b32 u, u, 0x80000000, v, 0xEA; mov.b32 f, u; "
        return text + "mul.rn.f32 f, f, 0f7E800000; "
    source, byte = f"${4 + i // 4}", i % 4
    if kind == E4M3_CODES:
        text = _shifted("u", source, 24 - 8 * byte) + _shifted("v", source, 20 - 8 * byte)
        text += "and.b32 v, v, 0x07f00000; lop3.b32 u, u, 0x80000000, v, 0xEA; mov.b32 f, u; "
        return text + "setp.eq.or.u32 nan, v, 0x07f00000, bad; mul.rn.f32 f, f, 0f7B800000; "
    text = f"prmt.b32 u, {source}, 0, {4 + (byte << 4):#x}; cvt.u16.u32 h, u; cvt.f32.f16 f, h; "
    return text + "setp.nan.or.f32 nan, f, f, bad; "


def _decode(kind: int, power: bool, scaled: bool, half: bool) -> Any:
    """PTX for (codes, more codes, scale code, tensor scale) to four words."""
    text = "{ .reg .f32 s, f; .reg .b32 u, v; .reg .b16 h, h0, h1; .reg .pred bad, nan; "
    if power:
        text += (
            "setp.eq.u32 bad, $6, 255; shl.b32 u, $6, 23; max.u32 u, u, 0x400000; mov.b32 s, u; "
        )
    else:
        text += (
            "and.b32 u, $6, 0x7f; setp.eq.u32 bad, u, 0x7f; shl.b32 u, u, 20; shl.b32 v, $6, 24; "
        )
        text += "lop3.b32 u, v, 0x80000000, u, 0xEA; mov.b32 s, u; mul.rn.f32 s, s, 0f7B800000; "
    nan = "bad" if kind == E2M1_CODES else "nan"
    for i in range(8 if half else 4):
        text += _element(kind, i) + "mul.rn.f32 f, f, s; "
        text += "mul.rn.f32 f, f, $7; " if scaled else ""
        if half:
            text += f"cvt.rn.bf16.f32 h{i % 2}, f; selp.b16 h{i % 2}, 0x7fc0, h{i % 2}, {nan}; "
            text += f"mov.b32 ${i // 2}, {{h0, h1}}; " if i % 2 else ""
        else:
            text += f"mov.b32 u, f; selp.b32 ${i}, 0x7fc00000, u, {nan}; "
    return ptx.instruction(text + "}", (_u32,) * 4, (_u32, _u32, _u32, _f32))


_mx, _mx_half = _decode(E2M1_CODES, True, False, False), _decode(E2M1_CODES, True, False, True)
_nv, _nv_half = _decode(E2M1_CODES, False, False, False), _decode(E2M1_CODES, False, False, True)
_nvs, _nvs_half = _decode(E2M1_CODES, False, True, False), _decode(E2M1_CODES, False, True, True)
_e4m3, _e4m3_half = _decode(E4M3_CODES, True, False, False), _decode(E4M3_CODES, True, False, True)
_e5m2, _e5m2_half = _decode(E5M2_CODES, True, False, False), _decode(E5M2_CODES, True, False, True)


@njit()
def decoded(
    kind: int, power: int, scaled: int, half: int, codes: Any, more: Any, scale: Any, factor: Any
) -> Any:
    """Four words: four float32 of a block, or eight bfloat16.

    kind
        `E2M1_CODES`, `E4M3_CODES`, `E5M2_CODES`.
    power, scaled, half
        Whether scales are powers of two (else E4M3, for E2M1 alone); whether ``factor``, the
        tensor scale, counts; whether the numbers become bfloat16.
    codes, more
        A word of codes, and a second for eight codes of a byte.
    """
    if kind == E4M3_CODES:
        if half:
            return _e4m3_half(codes, more, scale, factor)
        return _e4m3(codes, more, scale, factor)
    if kind == E5M2_CODES:
        if half:
            return _e5m2_half(codes, more, scale, factor)
        return _e5m2(codes, more, scale, factor)
    if power:
        if half:
            return _mx_half(codes, more, scale, factor)
        return _mx(codes, more, scale, factor)
    if scaled:
        if half:
            return _nvs_half(codes, more, scale, factor)
        return _nvs(codes, more, scale, factor)
    if half:
        return _nv_half(codes, more, scale, factor)
    return _nv(codes, more, scale, factor)
