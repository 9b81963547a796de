"""The inner tiles of a product, in vector IR: ``ROWS`` rows x ``lanes`` lanes of the result.

A vector holds one k of ``lanes`` rows of the lane operand, and each element of the row operand is
spread over a vector: no value is ever summed across lanes, so every lane sees the one order of
numerics.md section 6, on every CPU and with any register width.

``block_tile``: per segment ``dot`` in registers, then ``acc += dot * (scale * scale)``. Products
of two elements are exact in float32, so ``llvm.fmuladd`` (fused where the CPU can) gives the bits
of multiply and add. The scaling is never fused: LLVM joins a multiply and an add only when told.

``plain_tile``: ``acc += x * w``, k ascending; two roundings a step (exact) or fused (fast).
"""

from collections.abc import Callable
from typing import Any

from numba import extending, types
from numba.core import cgutils

from extensor.kernels.ir import F32, I64, const, i64, splat, suffix, vector, vload, vstore
from extensor.kernels.ir import call as call_llvm

ROWS = 6
"""Rows of a tile: 6 x 16 sums, two vectors and one scalar fill AVX2's sixteen registers."""

intrinsic: Callable[[Any], Any] = extending.intrinsic


def fmuladd(b: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, fused or not as the CPU likes: only where the product is exact."""
    return call_llvm(b, f"llvm.fmuladd.{suffix(z.type)}", z.type, [x, y, z])


def _sums(b: Any, n: int) -> list[Any]:
    alloca: Any = cgutils.alloca_once
    return [alloca(b, vector(F32, n)) for _ in range(ROWS)]


def _block_tile(n: int) -> Any:
    t = vector(F32, n)

    def tile(
        typing: Any, panel: Any, p: Any, ldp: Any, lane_panel: Any, q: Any, row_scales: Any, r: Any,
        ldr: Any, lane_scales: Any, u: Any, acc: Any, a: Any, lda: Any, starts: Any, s0: Any,
        s1: Any,
    ) -> Any:  # fmt: skip
        i = types.intp

        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            ty = signature.args
            (panel, p, ldp, lane_panel, q, row_scales, r, ldr, lane_scales, u, acc, a, lda,
             starts, s0, s1) = args  # fmt: skip
            dots = _sums(b, n)
            base = vload(ctx, b, ty[13], starts, s0, I64, 8)
            with cgutils.for_range_slice(b, s0, s1, i64(1)) as (s, _):
                for dot in dots:
                    b.store(const(F32, n, 0.0), dot)
                k0 = b.sub(vload(ctx, b, ty[13], starts, s, I64, 8), base)
                k1 = vload(ctx, b, ty[13], starts, b.add(s, i64(1)), I64, 8)
                with cgutils.for_range_slice(b, k0, b.sub(k1, base), i64(1)) as (k, _):
                    at = b.add(q, b.mul(k, i64(n)))
                    w = vload(ctx, b, ty[3], lane_panel, at, t, 4)
                    for m, dot in enumerate(dots):
                        at = b.add(b.add(p, b.mul(ldp, i64(m))), k)
                        x = vload(ctx, b, ty[0], panel, at, F32, 4)
                        b.store(fmuladd(b, splat(b, x, n), w, b.load(dot)), dot)
                step = b.sub(s, s0)
                at = b.add(u, b.mul(step, i64(n)))
                w = vload(ctx, b, ty[8], lane_scales, at, t, 4)
                for m, dot in enumerate(dots):
                    at = b.add(b.add(r, b.mul(ldr, i64(m))), step)
                    x = vload(ctx, b, ty[5], row_scales, at, F32, 4)
                    scaled = b.fmul(b.load(dot), b.fmul(splat(b, x, n), w))
                    at = b.add(a, b.mul(lda, i64(m)))
                    total = b.fadd(vload(ctx, b, ty[10], acc, at, t, 4), scaled)
                    vstore(ctx, b, ty[10], acc, at, total, 4)
            return ctx.get_dummy_value()

        signature = types.void(
            panel, i, i, lane_panel, i, row_scales, i, i, lane_scales, i, acc, i, i, starts, i, i
        )
        return signature, generate

    return intrinsic(tile)


def _plain_tile(n: int, fused: bool) -> Any:
    t = vector(F32, n)

    def tile(
        typing: Any, panel: Any, p: Any, ldp: Any, lane_panel: Any, q: Any, acc: Any, a: Any,
        lda: Any, length: Any,
    ) -> Any:  # fmt: skip
        i = types.intp

        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            ty = signature.args
            panel, p, ldp, lane_panel, q, acc, a, lda, length = args
            sums = _sums(b, n)
            for m, total in enumerate(sums):
                at = b.add(a, b.mul(lda, i64(m)))
                b.store(vload(ctx, b, ty[5], acc, at, t, 4), total)
            with cgutils.for_range_slice(b, i64(0), length, i64(1)) as (k, _):
                w = vload(ctx, b, ty[3], lane_panel, b.add(q, b.mul(k, i64(n))), t, 4)
                for m, total in enumerate(sums):
                    at = b.add(b.add(p, b.mul(ldp, i64(m))), k)
                    x = splat(b, vload(ctx, b, ty[0], panel, at, F32, 4), n)
                    if fused:
                        b.store(fmuladd(b, x, w, b.load(total)), total)
                    else:
                        b.store(b.fadd(b.load(total), b.fmul(x, w)), total)
            for m, total in enumerate(sums):
                at = b.add(a, b.mul(lda, i64(m)))
                vstore(ctx, b, ty[5], acc, at, b.load(total), 4)
            return ctx.get_dummy_value()

        return types.void(panel, i, i, lane_panel, i, acc, i, i, i), generate

    return intrinsic(tile)


block_tile_8, block_tile_16 = _block_tile(8), _block_tile(16)
plain_tile_8, plain_tile_16 = _plain_tile(8, False), _plain_tile(16, False)
fused_tile_8, fused_tile_16 = _plain_tile(8, True), _plain_tile(16, True)
