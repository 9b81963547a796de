"""The tensor level of NVFP4 on CUDA: the amax of all finite blocks, and the two scales from it.

The amax stays on the device: float32 bits order like integers, so each warp ends with one atomic
maximum. One thread then computes what `extensor.kernels.quantize.levels.tensor_scales` does.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, types

from extensor.kernels import ptx
from extensor.kernels.cuda import CudaKernel, cuda_kernel
from extensor.kernels.quantize.cuda_load import (
    BFLOAT16,
    UNITS,
    WARP,
    first_unit,
    load8,
    load_pairs,
    over_lanes,
    signs_of,
    turned,
)
from extensor.kernels.quantize.cuda_rows import amax_of
from extensor.kernels.quantize.cuda_words import amax_pairs

_u32, _u64, _f32 = types.uint32, types.uint64, types.float32
_INF = np.uint32(0x7F800000)
BLOCKS = 132 * 8 * 4
"""Thread blocks of the amax kernel at most: a few waves on a large GPU."""

keep_largest = ptx.instruction(
    "{ .reg .b32 m; .reg .pred p; redux.sync.max.u32 m, $1, 0xffffffff; "
    "setp.eq.u32 p, $2, 0; @p red.global.max.u32 [$0], m; }",
    (),
    (_u64, _u32, _u32),
    volatile=True,
)


@cache
def tensor_amax(source: int, lanes: int, n: int) -> CudaKernel:
    """The largest amax of the finite blocks, into a uint32 that was 0; see `cuda_rows`.

    Each thread block does ``rounds`` pieces of `UNITS`, a grid apart.
    """
    pairs = int(source == BFLOAT16 and not n)

    @cuda_kernel(
        _u64, _u32, types.int32, _u64, _u64, _u64, needs=(8, 0), constants=(source, lanes, n)
    )
    def amax(x: Any, units: Any, rounds: Any, low: Any, high: Any, out: Any) -> None:
        last, top = np.uint32(units - np.uint32(1)), np.uint32(0)
        signs = signs_of(n, low, high, np.uint32(cuda.threadIdx.x)) if n else np.uint32(0)
        i = first_unit(cuda.blockIdx.x)
        step = np.uint32(np.uint32(cuda.gridDim.x) * np.uint32(UNITS))
        for _ in range(rounds):
            j = np.uint32(i + WARP)
            if pairs:
                p, q = load_pairs(x, min(i, last)), load_pairs(x, min(j, last))
                a = amax_pairs(p[0], p[1], p[2], p[3])
                b = amax_pairs(q[0], q[1], q[2], q[3])
            else:
                v, w = load8(source, x, min(i, last)), load8(source, x, min(j, last))
                if n:
                    v, w = turned(n, v, signs), turned(n, w, signs)
                a, b = amax_of(v), amax_of(w)
            a, b = over_lanes(lanes, a), over_lanes(lanes, b)
            top = max(top, a if a < _INF else np.uint32(0))
            top = max(top, b if b < _INF else np.uint32(0))
            i = np.uint32(i + step)
        keep_largest(out, top, np.uint32(np.uint32(cuda.threadIdx.x) & np.uint32(31)))

    return amax


for _one in ((0, 2, 0), (1, 2, 0), (2, 2, 64)):
    tensor_amax(*_one)  # listed, so that tests compile them


_levels = ptx.instruction(
    "{ .reg .f32 a, e, d; .reg .pred p; mov.b32 a, $2; "
    "div.rn.f32 e, 0f45280000, a; min.f32 e, e, 0f7F7FFFFF; rcp.rn.f32 d, e; "  # 2688 = 448 * 6
    "setp.eq.f32 p, a, 0f00000000; selp.f32 d, 0f00000000, d, p; "
    "setp.gt.f32 p, $3, 0f00000000; rcp.rn.f32 a, $3; min.f32 a, a, 0f7F7FFFFF; "
    "selp.f32 $0, a, e, p; selp.f32 $1, $3, d, p; }",
    (_f32, _f32),
    (_u32, _f32),
)


@cuda_kernel(_u64, _f32, _u64)
def tensor_levels(amax: Any, given: Any, out: Any) -> None:
    """s_enc and 1 / s_enc to ``out``, from the amax or from a decode scale that is given (> 0)."""
    s = _levels(ptx.load32(amax), given)
    ptx.store32(out, ptx.bits32(s[0]))
    ptx.store32(out + np.uint64(4), ptx.bits32(s[1]))
