"""CUDA kernels that quantize a stream of E2M1 blocks in one pass, made by a factory.

Each block costs one read and one write: a thread quantizes units of eight neighbours
(`cuda_load`), the lanes of a block exchange their amax, and the block's first lane stores the
scale. `mx_rows` has power-of-two scales, `nv_rows` E4M3 scales below a tensor scale in memory.

Random words: ``counter`` and ``high`` are the low and the high word of the Philox counter of the
first unit; the host sees to it that no unit carries into the high word.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.kernels import ptx
from extensor.kernels.cuda import CudaKernel, cuda_kernel
from extensor.kernels.keys_cuda import key_words
from extensor.kernels.quantize.cuda_load import (
    BFLOAT16,
    WARP,
    first_unit,
    load8,
    load_pairs,
    over_lanes,
    signs_of,
    turned,
)
from extensor.kernels.quantize.cuda_noise import philox4
from extensor.kernels.quantize.cuda_scales import (
    alone_nearest,
    alone_up,
    power_scale,
    scale_nearest,
    scale_up,
)
from extensor.kernels.quantize.cuda_words import (
    amax8,
    amax_pairs,
    nearest8,
    nearest8_clip,
    nearest_pairs,
    nearest_pairs_clip,
    stochastic8,
    stochastic8_clip,
    times8,
)

_u32, _u64, _f32 = types.uint32, types.uint64, types.float32
_INF, _SIXTH = np.uint32(0x7F800000), np.float32(1 / 6)
_4 = np.uint64(4)


@njit()
def codes8(
    v: Any, multiplier: Any, draws: int, clip: int, counter: Any, high: Any, stream: Any, seed: Any
) -> Any:
    """The word of codes of eight float32 (bits); the first's random word is that of ``counter``."""
    m = ptx.float32_of(multiplier)
    if draws:
        a = philox4(counter, high, stream, seed)
        b = philox4(np.uint32(counter + np.uint32(1)), high, stream, seed)
        if clip:
            return stochastic8_clip(
                v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m,
                a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3],
            )  # fmt: skip
        return stochastic8(
            v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m,
            a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3],
        )  # fmt: skip
    if clip:
        return nearest8_clip(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m)
    return nearest8(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m)


@njit()
def amax_of(v: Any) -> Any:
    """The amax of a unit, bits; a NaN wins."""
    return amax8(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7])


@njit()
def put(
    codes: Any, scales: Any, unit: Any, units: Any, lanes: int, amax: Any,
    word: Any, code: Any, nan_code: int,
) -> None:  # fmt: skip
    """Store a unit's codes, and the scale where it is the first of its block."""
    if amax >= _INF:
        word, code = np.uint32(0), np.uint32(nan_code)
    if unit < units:
        ptx.store32(codes + _4 * np.uint64(unit), word)
        if unit & np.uint32(lanes - 1) == np.uint32(0):
            ptx.store8(scales + np.uint64(np.uint32(unit // np.uint32(lanes))), code)


@njit()
def prescaled(pre: int, v: Any, prescale: Any) -> Any:
    """A unit times the prescale, rounded to float32; pre = 0 leaves it as it is."""
    if pre:
        return times8(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], prescale)
    return v


@njit()
def counter_of(counter: Any, unit: Any) -> Any:
    """The low word of a unit's first Philox counter; a unit has two."""
    return np.uint32(counter + np.uint32(unit + unit))


@njit()
def _pairs(p: Any, lanes: int, clip: int, add: Any, shift: Any) -> Any:
    """(amax, scale code, word of codes) of four pairs of bfloat16, rounded to nearest."""
    a = over_lanes(lanes, amax_pairs(p[0], p[1], p[2], p[3]))
    code, m = power_scale(a, add, shift)
    m = np.uint32(m | np.uint32(m >> np.uint32(16)))
    if clip:
        return a, code, nearest_pairs_clip(p[0], p[1], p[2], p[3], m)
    return a, code, nearest_pairs(p[0], p[1], p[2], p[3], m)


@cache
def mx_rows(source: int, lanes: int, draws: int, clip: int, pre: int, n: int) -> CudaKernel:
    """Power-of-two scales.

    source
        `cuda_load.FLOAT32`, `BFLOAT16` (codes), `FLOAT16`.
    lanes
        Units of a block: 2 or 4.
    draws, clip
        Whether rounding is stochastic; whether an element may pass 6 scales.
    pre
        Whether elements are multiplied by ``prescale``.
    n
        Size of the Hadamard transform before; 0 for none.
    """
    in_pairs = int(source == BFLOAT16 and not (draws or pre or n))

    @cuda_kernel(
        _u64, _u64, _u64, _u32, _u32, _u32, _f32, _u32, _u32, _u64, _u64, _u64, _u64, _u64,
        needs=(8, 0), constants=(source, lanes, draws, clip, pre, n),
    )  # fmt: skip
    def mx(
        x: Any, codes: Any, scales: Any, units: Any, add: Any, shift: Any, prescale: Any,
        counter: Any, high: Any, key: Any, stream: Any, seed: Any, signs_0: Any, signs_1: Any,
    ) -> None:  # fmt: skip
        if draws:
            stream, seed = key_words(key, stream, seed)
        i = first_unit(cuda.blockIdx.x)
        j = np.uint32(i + WARP)
        last = np.uint32(units - np.uint32(1))
        if in_pairs:
            p, q = load_pairs(x, min(i, last)), load_pairs(x, min(j, last))
            a, code, word = _pairs(p, lanes, clip, add, shift)
            put(codes, scales, i, units, lanes, a, word, code, 255)
            a, code, word = _pairs(q, lanes, clip, add, shift)
            put(codes, scales, j, units, lanes, a, word, code, 255)
        else:
            v, w = load8(source, x, min(i, last)), load8(source, x, min(j, last))
            if n:
                signs = signs_of(n, signs_0, signs_1, i)
                v, w = turned(n, v, signs), turned(n, w, signs)
            a, b = over_lanes(lanes, amax_of(v)), over_lanes(lanes, amax_of(w))
            v, w = prescaled(pre, v, prescale), prescaled(pre, w, prescale)
            code, m = power_scale(a, add, shift)
            word = codes8(v, m, draws, clip, counter_of(counter, i), high, stream, seed)
            put(codes, scales, i, units, lanes, a, word, code, 255)
            code, m = power_scale(b, add, shift)
            word = codes8(w, m, draws, clip, counter_of(counter, j), high, stream, seed)
            put(codes, scales, j, units, lanes, b, word, code, 255)

    return mx


@njit()
def nv_scale(amax: Any, up: int, alone: int, factor: Any, decoding: Any) -> Any:
    """(code, multiplier as bits) of a block with an E4M3 scale; see `nv_rows`."""
    if alone:
        if up:
            return alone_up(amax, factor, decoding)
        return alone_nearest(amax, factor, decoding)
    if up:
        return scale_up(amax, factor, decoding)
    return scale_nearest(amax, factor, decoding)


@njit()
def nv_levels(alone: int, levels: Any) -> Any:
    """s_enc / 6 and 1 / s_enc, from memory; 1 and 1 where there is no tensor scale."""
    factor, decoding = np.float32(1), np.float32(1)
    if not alone:
        factor = ptx.mul(ptx.float32_of(ptx.load32(levels)), _SIXTH)
        decoding = ptx.float32_of(ptx.load32(levels + _4))
    return factor, decoding


@cache
def nv_rows(
    source: int, lanes: int, draws: int, up: int, alone: int, pre: int, n: int
) -> CudaKernel:
    """E4M3 scales.

    up
        Whether scales are rounded up instead of to nearest.
    alone
        Whether there is no tensor scale; else ``levels`` holds s_enc and 1 / s_enc, float32.
    """

    @cuda_kernel(
        _u64, _u64, _u64, _u32, _u64, _f32, _u32, _u32, _u64, _u64, _u64, _u64, _u64,
        needs=(8, 0), constants=(source, lanes, draws, up, alone, pre, n),
    )  # fmt: skip
    def nv(
        x: Any, codes: Any, scales: Any, units: Any, levels: Any, prescale: Any,
        counter: Any, high: Any, key: Any, stream: Any, seed: Any, signs_0: Any, signs_1: Any,
    ) -> None:  # fmt: skip
        if draws:
            stream, seed = key_words(key, stream, seed)
        i = first_unit(cuda.blockIdx.x)
        j = np.uint32(i + WARP)
        last = np.uint32(units - np.uint32(1))
        v, w = load8(source, x, min(i, last)), load8(source, x, min(j, last))
        factor, decoding = nv_levels(alone, levels)
        if n:
            signs = signs_of(n, signs_0, signs_1, i)
            v, w = turned(n, v, signs), turned(n, w, signs)
        a, b = over_lanes(lanes, amax_of(v)), over_lanes(lanes, amax_of(w))
        v, w = prescaled(pre, v, prescale), prescaled(pre, w, prescale)
        code, m = nv_scale(a, up, alone, factor, decoding)
        word = codes8(v, m, draws, 1, counter_of(counter, i), high, stream, seed)
        put(codes, scales, i, units, lanes, a, word, code, 127)
        code, m = nv_scale(b, up, alone, factor, decoding)
        word = codes8(w, m, draws, 1, counter_of(counter, j), high, stream, seed)
        put(codes, scales, j, units, lanes, b, word, code, 127)

    return nv


for _one in ((0, 4, 0, 0, 0, 0), (1, 2, 0, 1, 0, 0), (2, 4, 1, 0, 1, 0), (1, 4, 1, 1, 0, 128)):
    mx_rows(*_one)  # listed, so that tests compile them
for _two in ((0, 2, 0, 0, 0, 0, 0), (1, 2, 1, 1, 0, 1, 16), (2, 2, 0, 0, 1, 0, 0)):
    nv_rows(*_two)
