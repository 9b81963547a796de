"""The two register tiles of the direct convolution, as vector IR.

Both work on a *block*: 16 images side by side in the 16 lanes of a vector, so an image of C
channels is the float32 array (C, H, W, 16), padding included. A *tap* is one (c, u, v) of the
kernel; ``offsets[t]`` is the distance in the block from a window's corner to its tap t.

Tiles are made by factories over plain numbers and stand in module globals, which keeps the
kernels that use them in Numba's disk cache. Bits depend on no tile size and on no CPU: an output
of ``correlate`` adds its taps in the order (u, v, c) by fused multiply-add, and a lane of
``weights`` adds pixels in ascending order; then the 16 lanes are added by halves.
"""

from typing import Any

from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from extensor.kernels.ir import (
    F32,
    I64,
    const,
    fma,
    i64,
    reduce_add,
    smin,
    splat,
    vector,
    vload,
    vstore,
)

LANES = 16
WIDE = bool(get_host_cpu_features().get("avx512f"))
"""Whether one register holds all 16 lanes; with AVX2 it takes two."""
COLUMNS = 2 if WIDE else 1
"""Neighbouring pixels in a ``correlate`` tile: 12 accumulators of 16 (or 32) registers."""
ROWS, TAPS = 2, 5
"""Channels and taps in a ``weights`` tile: 10 accumulators."""


def accumulators(b: Any, n: int, lanes: int) -> list[Any]:
    """``n`` vectors of zeros on the stack, which LLVM turns into registers."""
    alloca: Any = cgutils.alloca_once
    slots = [alloca(b, vector(F32, lanes)) for _ in range(n)]
    for slot in slots:
        b.store(const(F32, lanes, 0.0), slot)
    return slots


def correlate_tile(channels: int, columns: int) -> Any:
    """``y[o, j] = bias[o] + sum over t of w[t, o] x[offsets[t] + j step]`` for one tile.

    Taps are ordered (u, v, c). The sum runs over kernel rows ``top .. bottom`` and, within a row
    of ``line`` taps, over taps ``left .. right``: the caller leaves out the padding. w is packed
    (taps, channels) from ``w0``; y's channels lie ``far`` and its columns ``near`` elements apart
    from ``y0``; only ``valid`` columns are written.
    """
    v16 = vector(F32, LANES)

    @intrinsic
    def tile(
        typing: Any,
        x: Any,
        x0: Any,
        step: Any,
        offsets: Any,
        line: Any,
        top: Any,
        bottom: Any,
        left: Any,
        right: Any,
        w: Any,
        w0: Any,
        bias: Any,
        b0: Any,
        y: Any,
        y0: Any,
        far: Any,
        near: Any,
        valid: Any,
    ) -> Any:
        def generate(ctx: Any, b: Any, sig: Any, args: Any) -> Any:
            ty = dict(zip("xowby", (sig.args[i] for i in (0, 3, 9, 11, 13))))
            xv, x0, step, off, line, top, bottom, left, right = args[:9]
            wv, w0, bias, b0, yv, y0, far, near, valid = args[9:]
            acc = accumulators(b, channels * columns, LANES)
            for o in range(channels):
                start = vload(ctx, b, ty["b"], bias, b.add(b0, i64(o)), F32, 4)
                for j in range(columns):
                    b.store(splat(b, start, LANES), acc[o * columns + j])
            with cgutils.for_range(b, bottom, top) as rows:
                first = b.mul(rows.index, line)
                with cgutils.for_range(b, b.add(first, right), b.add(first, left)) as loop:
                    base = b.add(x0, vload(ctx, b, ty["o"], off, loop.index, I64, 8))
                    xs = [
                        vload(ctx, b, ty["x"], xv, b.add(base, b.mul(step, i64(j))), v16, 4)
                        for j in range(columns)
                    ]
                    row = b.add(w0, b.mul(loop.index, i64(channels)))
                    for o in range(channels):
                        weight = vload(ctx, b, ty["w"], wv, b.add(row, i64(o)), F32, 4)
                        weight = splat(b, weight, LANES)
                        for j in range(columns):
                            slot = acc[o * columns + j]
                            b.store(fma(b, weight, xs[j], b.load(slot)), slot)
            for j in range(columns):
                with b.if_then(b.icmp_signed("<", i64(j), valid)):
                    for o in range(channels):
                        at = b.add(y0, b.add(b.mul(far, i64(o)), b.mul(near, i64(j))))
                        vstore(ctx, b, ty["y"], yv, at, b.load(acc[o * columns + j]), 4)
            return ctx.get_dummy_value()

        n = types.intp
        ranges = [n] * 5
        return types.void(x, n, n, offsets, *ranges, w, n, bias, n, y, n, n, n, n), generate

    return tile


def weights_tile(rows: int, taps: int, lanes: int) -> Any:
    """``dw[o, t] += sum over i, j, lane of g[o, i, j] x[offsets[t] + i down + j right]``.

    g is (O, Ho, Wo, 16); dw is (O, ``total`` taps) from ``w0``; the tile begins at channel ``o0``
    and tap ``t0``. At the edges it repeats the last channel or tap, and writes the same sum twice.
    """

    @intrinsic
    def tile(
        typing: Any,
        x: Any,
        offsets: Any,
        total: Any,
        down: Any,
        right: Any,
        g: Any,
        dw: Any,
        w0: Any,
        o0: Any,
        t0: Any,
        channels: Any,
        height: Any,
        width: Any,
    ) -> Any:
        def generate(ctx: Any, b: Any, sig: Any, args: Any) -> Any:
            xt, ot, gt, wt = (sig.args[i] for i in (0, 1, 5, 6))
            xv, off, total, down, right, gv, dwv, w0, o0, t0, channels, height, width = args
            plane = b.mul(b.mul(height, width), i64(LANES))
            last_o, last_t = b.sub(channels, i64(1)), b.sub(total, i64(1))
            os = [smin(b, b.add(o0, i64(o)), last_o) for o in range(rows)]
            ts = [smin(b, b.add(t0, i64(t)), last_t) for t in range(taps)]
            starts = [vload(ctx, b, ot, off, t, I64, 8) for t in ts]
            v = vector(F32, lanes)
            passes = []
            for first in range(0, LANES, lanes):
                acc = accumulators(b, rows * taps, lanes)
                with cgutils.for_range(b, height) as outer, cgutils.for_range(b, width) as inner:
                    pixel = b.add(b.mul(outer.index, width), inner.index)
                    pixel = b.add(b.mul(pixel, i64(LANES)), i64(first))
                    corner = b.add(b.mul(outer.index, down), b.mul(inner.index, right))
                    corner = b.add(corner, i64(first))
                    xs = [vload(ctx, b, xt, xv, b.add(corner, s), v, 4) for s in starts]
                    for o in range(rows):
                        gs = vload(ctx, b, gt, gv, b.add(b.mul(os[o], plane), pixel), v, 4)
                        for t in range(taps):
                            slot = acc[o * taps + t]
                            b.store(fma(b, gs, xs[t], b.load(slot)), slot)
                passes.append([b.load(slot) for slot in acc])
            while len(passes) > 1:
                half = len(passes) // 2
                passes = [
                    [b.fadd(low, high) for low, high in zip(passes[i], passes[i + half])]
                    for i in range(half)
                ]
            places = [b.add(w0, b.add(b.mul(o, total), t)) for o in os for t in ts]
            old = [vload(ctx, b, wt, dwv, place, F32, 4) for place in places]
            for place, before, sums in zip(places, old, passes[0]):
                vstore(ctx, b, wt, dwv, place, b.fadd(before, reduce_add(b, sums)), 4)
            return ctx.get_dummy_value()

        n = types.intp
        return types.void(x, offsets, n, n, n, g, dw, n, n, n, n, n, n), generate

    return tile


correlate6 = correlate_tile(6, COLUMNS)
correlate4 = correlate_tile(4, COLUMNS)
correlate2 = correlate_tile(2, COLUMNS)
correlate1 = correlate_tile(1, COLUMNS)
weights = weights_tile(ROWS, TAPS, LANES if WIDE else LANES // 2)


@intrinsic
def _copy16(typing: Any, source: Any, i: Any, target: Any, j: Any) -> Any:
    """``target[j : j + 16] = source[i : i + 16]`` of two flat float32 arrays."""

    def generate(ctx: Any, b: Any, sig: Any, args: Any) -> Any:
        value = vload(ctx, b, sig.args[0], args[0], args[1], vector(F32, LANES), 4)
        vstore(ctx, b, sig.args[2], args[2], args[3], value, 4)
        return ctx.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), generate


copy16: Any = _copy16
