"""Philox4x32-10 on CUDA: the words of four neighbours, as `extensor.philox.philox` gives them.

Unrolled, with 32-bit operands: a round is two wide multiplies and two three-way exclusive ors. The
high word of the counter is the same for a whole launch, so the round keys, and the first two of
the 20 multiplies that do not depend on the low word, are uniform over the grid.
"""

from numba import types

from extensor.kernels.ptx import instruction
from extensor.philox import MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1

_u32, _u64 = types.uint32, types.uint64


def _philox() -> str:
    text = "{ .reg .b32 a, b, c, d, e, f, k, l, p, q; .reg .b64 w; "
    text += "mov.b32 a, $4; mov.b32 b, $5; mov.b64 {c, d}, $6; mov.b64 {k, l}, $7; "
    for i in range(ROUNDS):
        text += f"mul.wide.u32 w, a, {MULTIPLIER_0:#x}; mov.b64 {{p, q}}, w; "
        text += f"mul.wide.u32 w, c, {MULTIPLIER_1:#x}; mov.b64 {{e, f}}, w; "
        text += "lop3.b32 a, f, b, k, 0x96; lop3.b32 c, q, d, l, 0x96; mov.b32 b, e; mov.b32 d, p; "
        if i < ROUNDS - 1:
            text += f"add.u32 k, k, {WEYL_0:#x}; add.u32 l, l, {WEYL_1:#x}; "
    return text + "mov.b32 $0, a; mov.b32 $1, b; mov.b32 $2, c; mov.b32 $3, d; }"


philox4 = instruction(_philox(), (_u32,) * 4, (_u32, _u32, _u64, _u64))
"""Four words for (low and high word of the counter, stream, seed)."""
