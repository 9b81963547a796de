"""CUDA kernels that quantize rows of E2M1 blocks with the conversions of Blackwell GPUs.

The twins of `cuda_rows`: the same arguments, the same scales, another inner step.

- Nearest (compute capability 10.0a and 12.0a): ``cvt.rn.satfinite.e2m1x2.f32`` rounds a pair of
  float32 to nearest, ties to even, and what lies beyond 6 to 6. The product before it is the same
  float32 as in `cuda_words`, and -0 keeps its sign there too, so these are the same bits.
- Stochastic (10.0a): ``cvt.rs.satfinite.e2m1x4.f32`` takes one random word for four numbers. What
  it does with the word is the chip's own, so this is the rounding ``stochastic_hardware``: the
  words are those of the key (the first two of each unit's counter), the bits nobody else's.

Compiled and assembled by the tests, and not yet run: no such GPU was at hand.

Source: PTX ISA 9.0, 9.7.9.22 cvt: of ``{a, b, e, f}`` the first operand is the highest nibble.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.kernels import ptx
from extensor.kernels.cuda import Capability, CudaKernel, cuda_kernel
from extensor.kernels.keys_cuda import key_words
from extensor.kernels.quantize.cuda_load import (
    WARP,
    first_unit,
    load8,
    over_lanes,
    signs_of,
    turned,
)
from extensor.kernels.quantize.cuda_noise import philox4
from extensor.kernels.quantize.cuda_rows import (
    amax_of,
    counter_of,
    nv_levels,
    nv_scale,
    prescaled,
    put,
)
from extensor.kernels.quantize.cuda_scales import power_scale

NEAREST: tuple[Capability, ...] = ((10, 0, "a"), (12, 0, "a"))
STOCHASTIC: Capability = (10, 0, "a")
"""What the kernels are compiled for here; `cuda_fast` says where they are chosen."""

_u32, _u64, _f32 = types.uint32, types.uint64, types.float32


def _products(first: int, multiplier: str) -> str:
    """Four numbers times the multiplier: ``x0`` to ``x3``."""
    return "".join(
        f"mov.b32 x{i}, ${first + i}; mul.rn.f32 x{i}, x{i}, {multiplier}; " for i in range(4)
    )


def _nearest() -> Any:
    text = "{ .reg .f32 x0, x1, x2, x3; .reg .b8 b0, b1, b2, b3; "
    for half in (0, 1):
        text += _products(1 + 4 * half, "$9")
        for pair in (0, 1):
            low, high = f"x{2 * pair}", f"x{2 * pair + 1}"
            text += f"cvt.rn.satfinite.e2m1x2.f32 b{2 * half + pair}, {high}, {low}; "
    return ptx.instruction(text + "mov.b32 $0, {b0, b1, b2, b3}; }", (_u32,), (_u32,) * 8 + (_f32,))


def _stochastic() -> Any:
    text = "{ .reg .f32 x0, x1, x2, x3; .reg .b16 h0, h1; "
    for half in (0, 1):
        text += _products(1 + 4 * half, "$9")
        text += f"cvt.rs.satfinite.e2m1x4.f32 h{half}, {{x3, x2, x1, x0}}, ${10 + half}; "
    takes = (_u32,) * 8 + (_f32, _u32, _u32)
    return ptx.instruction(text + "mov.b32 $0, {h0, h1}; }", (_u32,), takes)


_nearest8, _stochastic8 = _nearest(), _stochastic()


@njit()
def _nearest_word(v: Any, multiplier: Any) -> Any:
    m = ptx.float32_of(multiplier)
    return _nearest8(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m)


@njit()
def _stochastic_word(
    v: Any, multiplier: Any, counter: Any, high: Any, stream: Any, seed: Any
) -> Any:
    m, w = ptx.float32_of(multiplier), philox4(counter, high, stream, seed)
    return _stochastic8(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], m, w[0], w[1])


@njit()
def _two_units(
    source: int, lanes: int, pre: int, n: int, x: Any, units: Any, prescale: Any,
    signs_0: Any, signs_1: Any,
) -> Any:  # fmt: skip
    """(number of the first unit, of the second, both units, the amax of the blocks of both)."""
    i = first_unit(cuda.blockIdx.x)
    j = np.uint32(i + WARP)
    last = np.uint32(units - np.uint32(1))
    v, w = load8(source, x, min(i, last)), load8(source, x, min(j, last))
    if n:
        signs = signs_of(n, signs_0, signs_1, i)
        v, w = turned(n, v, signs), turned(n, w, signs)
    a, b = over_lanes(lanes, amax_of(v)), over_lanes(lanes, amax_of(w))
    return i, j, prescaled(pre, v, prescale), prescaled(pre, w, prescale), a, b


_MX = (_u64, _u64, _u64, _u32, _u32, _u32, _f32, _u32, _u32, _u64, _u64, _u64, _u64, _u64)
_NV = (_u64, _u64, _u64, _u32, _u64, _f32, _u32, _u32, _u64, _u64, _u64, _u64, _u64)


@cache
def mx_nearest(source: int, lanes: int, draws: int, clip: int, pre: int, n: int) -> CudaKernel:
    """`cuda_rows.mx_rows` with ``draws`` 0; the conversion clips by itself."""

    @cuda_kernel(*_MX, needs=NEAREST, constants=(source, lanes, draws, clip, pre, n))
    def mx_near(
        x: Any, codes: Any, scales: Any, units: Any, add: Any, shift: Any, prescale: Any,
        counter: Any, high: Any, key: Any, stream: Any, seed: Any, signs_0: Any, signs_1: Any,
    ) -> None:  # fmt: skip
        i, j, v, w, a, b = _two_units(source, lanes, pre, n, x, units, prescale, signs_0, signs_1)
        code, m = power_scale(a, add, shift)
        put(codes, scales, i, units, lanes, a, _nearest_word(v, m), code, 255)
        code, m = power_scale(b, add, shift)
        put(codes, scales, j, units, lanes, b, _nearest_word(w, m), code, 255)

    return mx_near


@cache
def nv_nearest(
    source: int, lanes: int, draws: int, up: int, alone: int, pre: int, n: int
) -> CudaKernel:
    """`cuda_rows.nv_rows` with ``draws`` 0."""

    @cuda_kernel(*_NV, needs=NEAREST, constants=(source, lanes, draws, up, alone, pre, n))
    def nv_near(
        x: Any, codes: Any, scales: Any, units: Any, levels: Any, prescale: Any,
        counter: Any, high: Any, key: Any, stream: Any, seed: Any, signs_0: Any, signs_1: Any,
    ) -> None:  # fmt: skip
        factor, decoding = nv_levels(alone, levels)
        i, j, v, w, a, b = _two_units(source, lanes, pre, n, x, units, prescale, signs_0, signs_1)
        code, m = nv_scale(a, up, alone, factor, decoding)
        put(codes, scales, i, units, lanes, a, _nearest_word(v, m), code, 127)
        code, m = nv_scale(b, up, alone, factor, decoding)
        put(codes, scales, j, units, lanes, b, _nearest_word(w, m), code, 127)

    return nv_near


@cache
def mx_stochastic(source: int, lanes: int, draws: int, clip: int, pre: int, n: int) -> CudaKernel:
    """`cuda_rows.mx_rows` with ``draws`` 1, rounded by the instruction; it clips by itself."""

    @cuda_kernel(*_MX, needs=STOCHASTIC, constants=(source, lanes, draws, clip, pre, n))
    def mx_random(
        x: Any, codes: Any, scales: Any, units: Any, add: Any, shift: Any, prescale: Any,
        counter: Any, high: Any, key: Any, stream: Any, seed: Any, signs_0: Any, signs_1: Any,
    ) -> None:  # fmt: skip
        stream, seed = key_words(key, stream, seed)
        i, j, v, w, a, b = _two_units(source, lanes, pre, n, x, units, prescale, signs_0, signs_1)
        code, m = power_scale(a, add, shift)
        word = _stochastic_word(v, m, counter_of(counter, i), high, stream, seed)
        put(codes, scales, i, units, lanes, a, word, code, 255)
        code, m = power_scale(b, add, shift)
        word = _stochastic_word(w, m, counter_of(counter, j), high, stream, seed)
        put(codes, scales, j, units, lanes, b, word, code, 255)

    return mx_random


@cache
def nv_stochastic(
    source: int, lanes: int, draws: int, up: int, alone: int, pre: int, n: int
) -> CudaKernel:
    """`cuda_rows.nv_rows` with ``draws`` 1, rounded by the instruction."""

    @cuda_kernel(*_NV, needs=STOCHASTIC, constants=(source, lanes, draws, up, alone, pre, n))
    def nv_random(
        x: Any, codes: Any, scales: Any, units: Any, levels: Any, prescale: Any,
        counter: Any, high: Any, key: Any, stream: Any, seed: Any, signs_0: Any, signs_1: Any,
    ) -> None:  # fmt: skip
        stream, seed = key_words(key, stream, seed)
        factor, decoding = nv_levels(alone, levels)
        i, j, v, w, a, b = _two_units(source, lanes, pre, n, x, units, prescale, signs_0, signs_1)
        code, m = nv_scale(a, up, alone, factor, decoding)
        word = _stochastic_word(v, m, counter_of(counter, i), high, stream, seed)
        put(codes, scales, i, units, lanes, a, word, code, 127)
        code, m = nv_scale(b, up, alone, factor, decoding)
        word = _stochastic_word(w, m, counter_of(counter, j), high, stream, seed)
        put(codes, scales, j, units, lanes, b, word, code, 127)

    return nv_random


for _one in ((0, 4, 0, 0, 0, 0), (1, 2, 0, 1, 1, 64)):
    mx_nearest(*_one)  # listed, so that tests compile them
for _two in ((0, 2, 0, 0, 0, 0, 0), (2, 4, 0, 1, 1, 1, 16)):
    nv_nearest(*_two)
mx_stochastic(1, 4, 1, 0, 0, 0)
nv_stochastic(0, 2, 1, 1, 0, 0, 16)
