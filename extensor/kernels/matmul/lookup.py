"""Table look-ups in IR: packed bytes to float32 without Numba's checks for negative indices.

One entry a byte: a float for 8-bit codes, two for 4-bit codes, copied as one 8-byte word. This is
bound by the stores, for any format, and faster here than decoding by arithmetic.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

from extensor.kernels.ir import F32, I8, I32, I64, i64, vector, vload, vstore

intrinsic: Callable[[Any], Any] = extending.intrinsic

UNROLL = 4
"""Bytes that are read at once."""


def _look_up(values: int, strided: bool) -> Any:
    """``out[o + (i * values + j) * stride] = table[values * bytes[at + i] + j]``, i < n."""
    entry = vector(F32, 2) if values == 2 else F32

    def look_up(
        typing: Any, codes: Any, at: Any, n: Any, table: Any, out: Any, o: Any, stride: Any
    ) -> Any:
        i = types.intp

        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            ty = signature.args
            codes, at, n, table, out, o, stride = args

            def one(byte: Any, index: Any) -> None:
                v = b.mul(b.zext(byte, I64), i64(values))
                item = vload(ctx, b, ty[3], table, v, entry, 4)
                first = b.mul(index, i64(values))
                if not strided:
                    vstore(ctx, b, ty[4], out, b.add(o, first), item, 4)
                    return
                for j in range(values):
                    to = b.add(o, b.mul(b.add(first, i64(j)), stride))
                    lane = b.extract_element(item, ir.Constant(I32, j)) if values > 1 else item
                    vstore(ctx, b, ty[4], out, to, lane, 4)

            whole = b.and_(n, i64(-UNROLL))
            with cgutils.for_range_slice(b, i64(0), whole, i64(UNROLL)) as (k, _):
                word = vload(ctx, b, ty[0], codes, b.add(at, k), I32)
                for u in range(UNROLL):
                    byte = b.trunc(b.lshr(word, ir.Constant(I32, 8 * u)), I8)
                    one(byte, b.add(k, i64(u)))
            with cgutils.for_range_slice(b, whole, n, i64(1)) as (k, _):
                one(vload(ctx, b, ty[0], codes, b.add(at, k), I8), k)
            return ctx.get_dummy_value()

        return types.void(codes, i, i, table, out, i, i), generate

    return intrinsic(look_up)


@intrinsic
def copy_floats(typing: Any, source: Any, at: Any, n: Any, out: Any, o: Any) -> Any:
    """``out[o + i] = source[at + i]``, i < n, into a C-contiguous array of any rank."""
    i = types.intp

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        source, at, n, out, o = args
        ty = signature.args
        for lanes in (8, 1):
            t = vector(F32, lanes) if lanes > 1 else F32
            whole = b.and_(n, i64(-lanes))
            start = i64(0) if lanes > 1 else b.and_(n, i64(-8))
            with cgutils.for_range_slice(b, start, whole, i64(lanes)) as (k, _):
                item = vload(ctx, b, ty[0], source, b.add(at, k), t, 4)
                vstore(ctx, b, ty[3], out, b.add(o, k), item, 4)
        return ctx.get_dummy_value()

    return types.void(source, i, i, out, i), generate


look_up, look_up_pairs = _look_up(1, False), _look_up(2, False)
spread, spread_pairs = _look_up(1, True), _look_up(2, True)
