"""The general quantizer on CUDA: every format, rule, rounding and policy, one block a thread.

The same three passes and the same scalars as `extensor.kernels.quantize.general`, so the bits are
the CPU's. What the format and the choice say is read from two small arrays on the device.
"""

from math import isnan
from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.formats import Facts
from extensor.kernels import ptx
from extensor.kernels.cuda import cuda_kernel
from extensor.kernels.keys_cuda import key_words
from extensor.kernels.memory import (
    read_f32,
    read_f64,
    read_i32,
    read_i64,
    write_f32,
    write_i32,
    write_u8,
)
from extensor.kernels.quantize.general import round_up
from extensor.kernels.quantize.plan import FLT_MAX, Plan
from extensor.kernels.quantize.scale import power_code, scale_of
from extensor.philox import word
from extensor.scalar import encode, power_of_two

_u64, _i64, _i32, _f32, _f64 = (
    types.uint64, types.int64, types.int32, types.float32, types.float64,
)  # fmt: skip
_ELEMENT, _SCALE = 0, 8
_HEIGHT, _LENGTH, _POWER, _STRICT, _ROUNDING, _SR_BITS, _SATURATE, _SCALE_ROUNDING, _SKIP = range(
    16, 25
)
_CAP, _TOP, _SCALE_TOP, _INVERSE, _PRESCALE = range(5)
_STOCHASTIC = np.int64(6)
_NAN, _ONE = np.float32(np.nan), np.float32(1)


def numbers(plan: Plan) -> tuple[Any, Any]:
    """The integers (int64) and the reals (float64) of a plan, as the kernels read them."""
    ints = [
        *plan.element, *plan.scale, plan.height, plan.length, plan.power, plan.strict,
        plan.rounding, plan.sr_bits, plan.saturate, plan.scale_rounding, plan.saturate_nonfinite,
    ]  # fmt: skip
    reals = [plan.cap, plan.top, plan.scale_top, plan.inverse, plan.prescale]
    return np.array(ints, np.int64), np.array(reals, np.float64)


@njit()
def _integer(p: Any, i: Any) -> Any:
    return read_i64(p + np.uint64(8 * i))


@njit()
def _real(p: Any, i: Any) -> Any:
    return read_f64(p + np.uint64(8 * i))


@njit()
def _facts(p: Any, at: Any) -> Facts:
    return Facts(
        _integer(p, at), _integer(p, at + 1), _integer(p, at + 2), _integer(p, at + 3),
        _integer(p, at + 4), _integer(p, at + 5), _integer(p, at + 6), _integer(p, at + 7),
    )  # fmt: skip


@njit()
def _wide(x: Any, at: Any, width: Any) -> Any:
    """Element ``at`` of float32 (width 4) or float64 (8) numbers, as float64."""
    where = x + np.uint64(at * width)
    if width == 8:
        return read_f64(where)
    return np.float64(read_f32(where))


@cuda_kernel(_u64, _i64, _i64, _i64, _i64, _u64, _i64, _u64)
def block_amax(x: Any, width: Any, rows: Any, n: Any, blocks: Any, ints: Any, cells: Any, out: Any):  # type: ignore[no-untyped-def]
    """The largest magnitude of each block of (A, R, K), rounded up to float32; see the CPU's."""
    cell = cuda.grid(1)
    if cell >= cells:
        return
    height, length = _integer(ints, _HEIGHT), _integer(ints, _LENGTH)
    group = (rows + height - 1) // height
    s, j = cell // blocks, cell % blocks
    a, first = s // group, (s % group) * height
    top, finite = 0.0, True
    for r in range(first, min(first + height, rows)):
        for k in range(j * length, min((j + 1) * length, n)):
            v = abs(_wide(x, (a * rows + r) * n + k, width))
            if v < np.inf:
                top = max(top, v)
            else:
                finite = False
    keep = finite or _integer(ints, _SKIP) != 0
    write_f32(out + np.uint64(4 * cell), round_up(top) if keep else np.float32(np.inf))


@cuda_kernel(_u64, _i64, _u64)
def finite_max(amax: Any, cells: Any, out: Any):  # type: ignore[no-untyped-def]
    """The bits of the largest finite amax into ``out``, an int32 that begins as 0."""
    cell, step = cuda.grid(1), cuda.gridsize(1)
    top = np.int32(0)
    while cell < cells:
        b = read_i32(amax + np.uint64(4 * cell))
        if b < np.int32(0x7F800000):
            top = max(top, b)
        cell += step
    if top > np.int32(0):
        atomic_max(out, top)


atomic_max = ptx.instruction("red.global.max.s32 [$0], $1;", (), (_u64, _i32), volatile=True)


@cuda_kernel(_u64, _u64, _f32, _u64)
def tensor_level(top: Any, reals: Any, given: Any, out: Any):  # type: ignore[no-untyped-def]
    """(s_enc, 1 / s_enc) of a tensor into ``out``, as `levels.tensor_scales`; one thread.

    given
        The stored value where the caller has decided, else 0.
    """
    encoding, decoding = FLT_MAX, np.float32(0)
    amax = read_f32(top)
    if given > np.float32(0):
        decoding = given
        encoding = min(np.float32(_ONE / given), FLT_MAX)
    elif amax > np.float32(0):
        largest = ptx.mul(np.float32(_real(reals, _SCALE_TOP)), np.float32(_real(reals, _TOP)))
        encoding = min(np.float32(largest / amax), FLT_MAX)
        decoding = np.float32(_ONE / encoding)
    write_f32(out, encoding)
    write_f32(out + np.uint64(4), decoding)


@cuda_kernel(
    _u64, _u64, _u64, _u64, _i64, _u64, _u64, _u64, _u64, _i64, _i64, _i64, _u64, _u64, _u64
)
def block_scales(  # type: ignore[no-untyped-def]
    amax: Any, ints: Any, reals: Any, level: Any, group: Any,
    places: Any, key: Any, stream: Any, seed: Any, blocks: Any, cells: Any, scale_width: Any,
    codes: Any, exponents: Any, multipliers: Any,
):  # fmt: skip
    """The scale of every block; see the CPU's. ``level``: s_enc and 1 / s_enc, or 0: no level."""
    cell = cuda.grid(1)
    if cell >= cells:
        return
    s, j = cell // blocks, cell % blocks
    a, scale = read_f32(amax + np.uint64(4 * cell)), _facts(ints, _SCALE)
    code, exponent, multiplier = np.int64(scale.nan_code), np.int64(0), _NAN
    if a < np.float32(np.inf) and _integer(ints, _POWER) != 0:
        strict = _integer(ints, _STRICT) != 0
        code = power_code(a, _real(reals, _CAP), strict, scale.emin, scale.max_code)
        exponent = code + scale.emin
        multiplier = np.float32(power_of_two(-exponent))
    elif a < np.float32(np.inf):
        rounding, w = _integer(ints, _SCALE_ROUNDING), np.int64(0)
        if rounding == _STOCHASTIC:
            index = _integer(places, 3) + s // group * _integer(places, 0)
            index += s % group * _integer(ints, _HEIGHT) * _integer(places, 1)
            index += j * _integer(ints, _LENGTH) * _integer(places, 2)
            words = key_words(key, stream, seed)
            w = np.int64(word(np.uint64(index), words[0], words[1]))
        decoding, raw = _ONE, np.float32(a / np.float32(_real(reals, _TOP)))
        if level != np.uint64(0):
            decoding = read_f32(level + np.uint64(4))
            raw = ptx.mul(a, ptx.mul(read_f32(level), np.float32(_real(reals, _INVERSE))))
        code, multiplier = scale_of(
            raw, decoding, np.float32(_real(reals, _SCALE_TOP)), rounding, w, scale
        )
    for i in range(scale_width):
        write_u8(codes + np.uint64(scale_width * cell + i), np.uint8(code >> (8 * i)))
    write_i32(exponents + np.uint64(4 * cell), np.int32(exponent))
    write_f32(multipliers + np.uint64(4 * cell), multiplier)


@cuda_kernel(
    _u64, _i64, _i64, _i64, _i64, _u64, _u64, _u64, _u64, _u64, _u64, _i64, _u64, _u64, _u64
)
def block_codes(  # type: ignore[no-untyped-def]
    x: Any, width: Any, rows: Any, n: Any, blocks: Any, ints: Any, reals: Any, places: Any,
    key: Any, stream: Any, seed: Any, cells: Any, exponents: Any, multipliers: Any, out: Any,
):  # fmt: skip
    """The unpacked code of every element; a thread writes one block of one row, tails as zeros."""
    cell = cuda.grid(1)
    if cell >= cells:
        return
    height, length = _integer(ints, _HEIGHT), _integer(ints, _LENGTH)
    rounding, sr_bits = _integer(ints, _ROUNDING), _integer(ints, _SR_BITS)
    power, saturate = _integer(ints, _POWER) != 0, _integer(ints, _SATURATE) != 0
    element, prescale = _facts(ints, _ELEMENT), _real(reals, _PRESCALE)
    group = (rows + height - 1) // height
    row, j = cell // blocks, cell % blocks
    a, r = row // rows, row % rows
    block = (a * group + r // height) * blocks + j
    m = read_f32(multipliers + np.uint64(4 * block))
    e = -np.int64(read_i32(exponents + np.uint64(4 * block)))
    words = key_words(key, stream, seed)
    for k in range(j * length, (j + 1) * length):
        code = np.int64(0)
        if k < n and not isnan(m):
            given = _wide(x, row * n + k, width)
            if width == 8:
                v = given * prescale
                if not power:
                    v = v * np.float64(m)
            else:
                narrow = ptx.mul(np.float32(given), np.float32(prescale))
                if not power:
                    narrow = ptx.mul(narrow, m)
                v = np.float64(narrow)
            limit = saturate
            if not abs(given) < np.inf:
                limit = True
                v = given if abs(given) == np.inf else np.inf
            w = np.int64(0)
            if rounding == _STOCHASTIC:
                index = _integer(places, 3) + a * _integer(places, 0)
                index += r * _integer(places, 1) + k * _integer(places, 2)
                w = np.int64(word(np.uint64(index), words[0], words[1]))
            code = encode(v, e, rounding, w, sr_bits, limit, element)
        write_u8(out + np.uint64(row * blocks * length + k), np.uint8(code))
