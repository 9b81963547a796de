"""The scale of a block on CUDA, from the bits of its amax: code and multiplier.

Power of two (`extensor.scalar.scale_exponent` on float32): with the cap ``C = c * 2**e`` and T the
mantissas of float32 that do not exceed c, ``code = ((amax + (2**23 - 1 - T)) >> 23) - e``: the
addition carries into the exponent where the mantissa exceeds T. For C >= 2 a subnormal amax gives
a code of at most 0 either way, and no code exceeds 254.

Scale with a mantissa: `extensor.kernels.quantize.scale` operation for operation. E4M3 is rounded
as in `cuda_words`, by an addition whose last place is the step; the sum minus what was added is
the value of the code.
"""

from typing import Any

import numpy as np
from numba import types

from extensor.kernels.ptx import instruction

_u32, _f32 = types.uint32, types.float32
_LARGEST = "0f7F7FFFFF"

power_scale = instruction(
    "{ .reg .b32 s; add.u32 s, $2, $3; shr.u32 s, s, 23; sub.s32 s, s, $4; max.s32 s, s, 0; "
    "mov.b32 $0, s; sub.s32 s, 254, s; shl.b32 s, s, 23; max.s32 $1, s, 0x400000; }",
    (_u32, _u32),
    (_u32, _u32, _u32),
)
"""(code, multiplier as bits) for (amax bits, what to add, exponent of the cap); amax finite."""


def cap_numbers(cap: float, strict: bool) -> tuple[int, int] | None:
    """What `power_scale` adds, and the exponent of the cap; None for a cap below 2.

    >>> cap_numbers(6.0, False), cap_numbers(8.0, True)
    ((4194303, 2), (8388608, 3))
    """
    if not 2.0 <= cap < 2.0**100:
        return None
    bits = int(np.float64(cap).view(np.int64))
    exponent, fraction, low = (bits >> 52) - 1023, bits & ((1 << 52) - 1), 1 << 29
    most = -(-fraction // low) - 1 if strict else fraction // low
    return (1 << 23) - 1 - most, exponent


def _mantissa_scale(raw: str, rounding: str) -> Any:
    text = f"{{ .reg .f32 a, b, t, v; .reg .b32 u, w; mov.b32 a, $2; {raw} "
    text += "min.f32 a, a, 0f43E00000; "  # 448
    text += "mov.b32 u, a; and.b32 u, u, 0x7f800000; mov.b32 b, u; max.f32 b, b, 0f3C800000; "
    text += f"fma.{rounding}.f32 t, b, 0f49800000, a; "  # b 2**20 has steps of b / 8
    text += "mul.rn.f32 v, b, 0f49800000; sub.rn.f32 v, t, v; "
    text += "mov.b32 u, t; mov.b32 w, b; and.b32 u, u, 0x7fffff; shr.u32 w, w, 20; "
    text += "add.u32 u, u, w; sub.u32 $0, u, 968; "  # 121 << 3: the smallest normal is code 8
    text += "mul.rn.f32 v, v, $4; rcp.rn.f32 v, v; "
    text += f"min.f32 v, v, {_LARGEST}; mov.b32 $1, v; }}"
    return instruction(text, (_u32, _u32), (_u32, _f32, _f32))


_TIMES, _ALONE = "mul.rn.f32 a, a, $3;", "div.rn.f32 a, a, 0f40C00000;"
scale_nearest, scale_up = _mantissa_scale(_TIMES, "rn"), _mantissa_scale(_TIMES, "rp")
"""(code, multiplier as bits) for (amax bits, s_enc / 6, 1 / s_enc); amax finite."""
alone_nearest, alone_up = _mantissa_scale(_ALONE, "rn"), _mantissa_scale(_ALONE, "rp")
"""The same without a tensor scale: amax / 6; the second argument is not read, the third is 1."""
