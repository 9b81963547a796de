"""The CUDA kernel of MXFP8: eight bits an element, rounded to nearest by the chip's conversion.

``cvt.rn.satfinite`` rounds a float32 to E4M3 or E5M2 once, ties to even, the largest finite value
for what is beyond; the product with a power of two before it is exact wherever the code is not
zero. Each thread writes eight neighbouring bytes.

Source: PTX ISA, 9.7.9.22 cvt.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.kernels import ptx
from extensor.kernels.cuda import CudaKernel, cuda_kernel
from extensor.kernels.quantize.cuda_load import (
    WARP,
    first_unit,
    load8,
    over_lanes,
    signs_of,
    turned,
)
from extensor.kernels.quantize.cuda_rows import amax_of, prescaled
from extensor.kernels.quantize.cuda_scales import power_scale

_u32, _u64, _f32 = types.uint32, types.uint64, types.float32
_INF, _8 = np.uint32(0x7F800000), np.uint64(8)


def _round8(kind: str) -> Any:
    text = "{ .reg .f32 x, y; .reg .b16 p, q; "
    for i in range(0, 8, 4):
        for pair, j in (("p", i), ("q", i + 2)):
            text += f"mov.b32 x, ${j + 2}; mov.b32 y, ${j + 3}; mul.rn.f32 x, x, $10; "
            text += f"mul.rn.f32 y, y, $10; cvt.rn.satfinite.{kind}x2.f32 {pair}, y, x; "
        text += f"mov.b32 ${i // 4}, {{p, q}}; "
    return ptx.instruction(text + "}", (_u32, _u32), (_u32,) * 8 + (_f32,))


_e4m3, _e5m2 = _round8("e4m3"), _round8("e5m2")


@njit()
def _finish(
    wide: int, v: Any, amax: Any, add: Any, shift: Any,
    codes: Any, scales: Any, unit: Any, units: Any, lanes: int,
) -> None:  # fmt: skip
    """Quantize a unit and store it."""
    code, multiplier = power_scale(amax, add, shift)
    m = ptx.float32_of(multiplier)
    if wide:
        w = _e5m2(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m)
    else:
        w = _e4m3(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m)
    a, b = w[0], w[1]
    if amax >= _INF:
        a, b, code = np.uint32(0), np.uint32(0), np.uint32(255)
    if unit < units:
        ptx.store64(codes + _8 * np.uint64(unit), a, b)
        if unit & np.uint32(lanes - 1) == np.uint32(0):
            ptx.store8(scales + np.uint64(np.uint32(unit // np.uint32(lanes))), code)


@cache
def fp8_rows(source: int, lanes: int, wide: int, pre: int, n: int) -> CudaKernel:
    """Power-of-two scales; ``wide``: E5M2 instead of E4M3; the rest as `cuda_rows.mx_rows`."""

    @cuda_kernel(
        _u64, _u64, _u64, _u32, _u32, _u32, _f32, _u64, _u64,
        needs=(9, 0), constants=(source, lanes, wide, pre, n),
    )  # fmt: skip
    def fp8(
        x: Any, codes: Any, scales: Any, units: Any, add: Any, shift: Any, prescale: Any,
        signs_0: Any, signs_1: Any,
    ) -> None:  # fmt: skip
        i = first_unit(cuda.blockIdx.x)
        j = np.uint32(i + WARP)
        last = np.uint32(units - np.uint32(1))
        v, w = load8(source, x, min(i, last)), load8(source, x, min(j, last))
        if n:
            signs = signs_of(n, signs_0, signs_1, i)
            v, w = turned(n, v, signs), turned(n, w, signs)
        a, b = over_lanes(lanes, amax_of(v)), over_lanes(lanes, amax_of(w))
        v, w = prescaled(pre, v, prescale), prescaled(pre, w, prescale)
        _finish(wide, v, a, add, shift, codes, scales, i, units, lanes)
        _finish(wide, w, b, add, shift, codes, scales, j, units, lanes)

    return fp8


for _one in ((0, 4, 0, 0, 0), (1, 2, 1, 1, 32)):
    fp8_rows(*_one)  # listed, so that tests compile them
