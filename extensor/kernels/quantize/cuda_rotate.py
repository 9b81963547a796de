"""The Hadamard rotation of numbers in registers: eight a thread, neighbours in neighbouring lanes.

Strides 1, 2 and 4 are within a thread, 8 to 64 are exchanges with a lane 1 to 8 away, so the order
and the rounding are those of `extensor.kernels.hadamard`: signs, strides ascending, one product
with float32(1 / sqrt(n)). A factor of 1 or -1 is exact, so fused operations with one round as the
plain addition does.
"""

from typing import Any

import numpy as np
from numba import types

from extensor.kernels.ptx import instruction

_u32 = types.uint32
_EIGHT = range(8)


def _rotate(n: int) -> Any:
    text = "{ .reg .f32 f, g, a, b, c, x0, x1, x2, x3, x4, x5, x6, x7; .reg .b32 u; .reg .pred p; "
    for i in _EIGHT:
        text += f"shl.b32 u, $16, {31 - i}; lop3.b32 u, u, 0x80000000, ${i + 8}, 0x6A; "
        text += f"mov.b32 x{i}, u; "
    for h in (1, 2, 4):
        for i in _EIGHT:
            if not i & h:
                text += f"sub.rn.f32 a, x{i}, x{i + h}; add.rn.f32 x{i}, x{i}, x{i + h}; "
                text += f"mov.f32 x{i + h}, a; "
    lanes = 1
    while 8 * lanes < n:
        text += f"and.b32 u, $17, {lanes}; setp.ne.u32 p, u, 0; "
        text += "selp.f32 f, 0fBF800000, 0f3F800000, p; "
        for i in _EIGHT:
            text += f"shfl.sync.bfly.b32 g, x{i}, {lanes}, 31, 0xffffffff; "
            text += f"fma.rn.f32 x{i}, x{i}, f, g; "
        lanes *= 2
    scale = int(np.float32(1 / np.sqrt(n)).view(np.uint32))
    text += "".join(f"mul.rn.f32 x{i}, x{i}, 0f{scale:08X}; mov.b32 ${i}, x{i}; " for i in _EIGHT)
    return instruction(text + "}", (_u32,) * 8, (_u32,) * 10, volatile=True)


rotate16, rotate32, rotate64, rotate128 = _rotate(16), _rotate(32), _rotate(64), _rotate(128)
"""Eight float32 (as bits), then the thread's eight signs (bit i: minus) and its lane, rotated."""
