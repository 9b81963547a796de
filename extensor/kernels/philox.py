"""Philox4x32-10 for many counters at once, in vector IR: the words of `extensor.noise`.

Each 32-bit word lives in the low half of a 64-bit lane: the multiplier of vectors takes exactly
that and gives 64 bits; what stands in the high half does not matter until the end.
"""

from typing import Any

import numpy as np
from llvmlite import ir as llvm
from numba import types
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.address import address_of
from extensor.kernels.ir import (
    I32,
    I64,
    const,
    const_each,
    intrinsic,
    load_at,
    splat,
    store_at,
    vector,
)
from extensor.philox import MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1

LANES = 8
"""Counters of one step; it writes ``4 * LANES`` words."""


def _scalar(b: Any, key: Any, grow: int) -> Any:
    """A key word (i32) of one round, in every lane."""
    return splat(b, b.zext(b.add(key, llvm.Constant(I32, grow & 0xFFFFFFFF)), I64), LANES)


@intrinsic
def philox_step(typing: Any, counters: Any, stream: Any, seed: Any, out: Any) -> Any:
    """The words of `LANES` counters.

    counters
        Address of `LANES` 64-bit counters (element index // 4).
    out
        Address of ``4 * LANES`` 32-bit words, those of one counter side by side.
    """

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        n = LANES
        low, half = const(I64, n, 0xFFFFFFFF), const(I64, n, 32)
        m0, m1 = const(I64, n, MULTIPLIER_0), const(I64, n, MULTIPLIER_1)
        c0 = load_at(b, args[0], vector(I64, n))
        c1 = b.lshr(c0, half)
        c2 = splat(b, args[1], n)
        c3 = splat(b, b.lshr(args[1], llvm.Constant(I64, 32)), n)
        k0 = b.trunc(args[2], I32)
        k1 = b.trunc(b.lshr(args[2], llvm.Constant(I64, 32)), I32)
        for i in range(ROUNDS):
            p0 = b.mul(b.and_(c0, low), m0)
            p1 = b.mul(b.and_(c2, low), m1)
            c0 = b.xor(b.xor(b.lshr(p1, half), c1), _scalar(b, k0, i * WEYL_0))
            c2 = b.xor(b.xor(b.lshr(p0, half), c3), _scalar(b, k1, i * WEYL_1))
            c1, c3 = p1, p0
        first = b.or_(b.and_(c0, low), b.shl(c1, half))
        second = b.or_(b.and_(c2, low), b.shl(c3, half))
        order = [i // 2 + n * (i % 2) for i in range(2 * n)]
        store_at(b, args[3], b.shuffle_vector(first, second, const_each(I32, order)))
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), generate


@kernel()
def philox_words(
    counters: NDArray[np.int64], count: int, stream: int, seed: int, out: NDArray[np.int32]
) -> None:
    """The words of ``count`` counters, four each.

    counters
        As many as ``count`` rounded up to a multiple of `LANES` may be read.
    stream, seed
        The key, as 64-bit patterns.
    out
        ``4 * count`` words, rounded up likewise.
    """
    start, to = address_of(counters), address_of(out)
    for i in range(0, count, LANES):
        philox_step(start + 8 * i, stream, seed, to + 16 * i)
