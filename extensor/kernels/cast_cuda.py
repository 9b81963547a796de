"""Casts of single elements on CUDA: `extensor.kernels.cast` for device arrays, bit for bit.

Encoding waits for the GPU only where a value may have no code: NaN in a format without one (unless
``nonfinite="saturate"``), a number that is not positive in a format without a zero.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import contiguous, cupy, pointer
from extensor.capture import key_arguments
from extensor.errors import DTypeError
from extensor.formats import BF16, Element, Facts
from extensor.formats.rounding import Rounding
from extensor.kernels import cast, ptx
from extensor.kernels.cast_bf16_cuda import aligned, decode_bf16, encode_bf16
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.keys_cuda import key_words
from extensor.kernels.memory import (
    read_f32,
    read_f64,
    read_i32,
    read_i64,
    read_u8,
    read_u16,
    write_i32,
    write_i64,
    write_u8,
    write_u16,
)
from extensor.noise import Key
from extensor.philox import word
from extensor.scalar import encode

THREADS = 256
NONE = np.iinfo(np.int64).max
"""The index of a bad value where there is none."""
_u64, _i64 = types.uint64, types.int64
_tuple: Any = types.NamedUniTuple
_facts = _tuple(types.int64, 8, Facts)
_0, _STOCHASTIC = np.int64(0), np.int64(Rounding.STOCHASTIC)
# 9.7.13.6 red: the smallest index of all threads.
_minimum = ptx.instruction("red.global.min.s64 [$0], $1;", (), (_u64, _i64), volatile=True)


@cuda_kernel(_u64, _i64, _i64, _i64, _i64, _i64, _u64, _u64, _u64, _i64, _facts, _u64, _i64, _u64)
def encode_numbers(  # type: ignore[no-untyped-def]
    x: Any, width: Any, n: Any, rounding: Any, sr_bits: Any, saturate: Any,
    key: Any, stream: Any, seed: Any, offset: Any, facts: Any, out: Any, code_width: Any, bad: Any,
):  # fmt: skip
    """One number a thread. ``bad``: where the smallest index without a code is collected, or 0."""
    i = cuda.grid(1)
    if i >= n:
        return
    value = (
        read_f64(x + np.uint64(8 * i)) if width == 8 else np.float64(read_f32(x + np.uint64(4 * i)))
    )
    draw = _0
    if rounding == _STOCHASTIC:
        words = key_words(key, stream, seed)
        draw = np.int64(word(np.uint64(offset + i), words[0], words[1]))
    code = encode(value, _0, rounding, draw, sr_bits, saturate != 0, facts)
    if bad != np.uint64(0) and (code < 0 or (facts.origin > 0 and value <= 0.0)):
        _minimum(bad, i)
    if code_width == 1:
        write_u8(out + np.uint64(i), np.uint8(code))
    elif code_width == 2:
        write_u16(out + np.uint64(2 * i), np.uint16(code))
    else:
        write_i32(out + np.uint64(4 * i), np.int32(code))


@njit()
def _entry(table: Any, word: Any, shift: Any) -> Any:
    """The 4-byte entry of a table whose index is a byte of a word."""
    code = np.uint32(np.uint32(word >> np.uint32(shift)) & np.uint32(255))
    return np.uint32(read_i32(table + np.uint64(4) * np.uint64(code)))


@cuda_kernel(_u64, _u64, _i64, _u64)
def look_up_four(codes: Any, table: Any, n: Any, out: Any):  # type: ignore[no-untyped-def]
    """`look_up` of bytes to 4-byte entries, four a thread; the addresses are multiples of 16."""
    i = 4 * cuda.grid(1)
    if i + 4 <= n:
        word = ptx.load32(codes + np.uint64(i))
        ptx.store128(
            out + np.uint64(4 * i),
            _entry(table, word, 0), _entry(table, word, 8),
            _entry(table, word, 16), _entry(table, word, 24),
        )  # fmt: skip
    else:
        for k in range(i, n):
            code = np.uint64(read_u8(codes + np.uint64(k)))
            write_i32(out + np.uint64(4 * k), read_i32(table + np.uint64(4) * code))


@cuda_kernel(_u64, _i64, _u64, _i64, _i64, _u64)
def look_up(codes: Any, code_width: Any, table: Any, width: Any, n: Any, out: Any):  # type: ignore[no-untyped-def]
    """Entry ``codes[i]`` of a table, copied as bits; one a thread."""
    i = cuda.grid(1)
    if i >= n:
        return
    if code_width == 1:
        code = np.uint64(read_u8(codes + np.uint64(i)))
    else:
        code = np.uint64(read_u16(codes + np.uint64(2 * i)))
    if width == 4:
        write_i32(out + np.uint64(4 * i), read_i32(table + np.uint64(4 * code)))
    else:
        write_i64(out + np.uint64(8 * i), read_i64(table + np.uint64(8 * code)))


@cache
def _table(fmt: Element, code_bytes: int, dtype: np.dtype[Any]) -> Any:
    """The value of every code that fits the bytes; NaN for those that the format has not."""
    codes = np.arange(min(2**fmt.bits, 256**code_bytes), dtype=np.uint16)
    table = np.full(256**code_bytes, np.nan, dtype)
    table[: codes.size] = cast.decode_elements(codes, fmt, dtype)
    return cupy().asarray(table)


def encode_elements(
    x: Any,
    fmt: Element,
    rounding: str = "nearest_even",
    key: Key | None = None,
    offset: int = 0,
    sr_bits: int = 32,
    saturate: bool | None = None,
    nonfinite: str = "propagate",
) -> Any:
    """`extensor.kernels.cast.encode_elements` of a device array."""
    library, facts = cupy(), fmt.facts
    flat = cast.operand(contiguous(x).reshape(-1), fmt, nonfinite)
    if saturate is None:
        saturate = fmt.bits <= 8
    mode, out = Rounding[rounding.upper()], library.empty(flat.size, fmt.storage)
    narrow = flat.dtype == np.float32
    if fmt == BF16 and narrow and mode == Rounding.NEAREST_EVEN and not saturate:
        encode_bf16(flat, out)
        return out.reshape(x.shape)
    refused = facts.origin > 0 or (facts.nan_code < 0 and nonfinite != "saturate")
    bad = library.full(1, NONE, np.int64) if refused else None
    encode_numbers.launch(
        blocks_for(flat.size, THREADS), THREADS,
        pointer(flat), flat.dtype.itemsize, flat.size, int(mode), sr_bits, int(saturate),
        *key_arguments(key), offset, facts, pointer(out), out.dtype.itemsize,
        np.uint64(0) if bad is None else pointer(bad),
    )  # fmt: skip
    if bad is not None and (first := int(bad[0])) < NONE:
        cast.refuse(flat, first, fmt)
    return out.reshape(x.shape)


def decode_elements(codes: Any, fmt: Element, dtype: Any = np.float32) -> Any:
    """`extensor.kernels.cast.decode_elements` of device codes, uint8 or uint16.

    A code that the format has not gives NaN instead of an error, which would have to wait.
    """
    given = np.dtype(dtype)
    if given not in (np.float32, np.float64) or codes.dtype not in (np.uint8, np.uint16):
        raise DTypeError(
            f"decode {fmt.name}: {codes.dtype} codes to {given}; allowed: uint8 or uint16 codes to "
            "float32 or float64"
        )
    flat = contiguous(codes).reshape(-1)
    out = cupy().empty(flat.size, given)
    if fmt == BF16 and flat.dtype == np.uint16 and given == np.float32:
        decode_bf16(flat, out)
        return out.reshape(codes.shape)
    table = _table(fmt, flat.dtype.itemsize, given)
    if flat.dtype == np.uint8 and given == np.float32 and aligned(flat, out):
        look_up_four.launch(
            blocks_for(flat.size, 4 * THREADS), THREADS,
            pointer(flat), pointer(table), flat.size, pointer(out),
        )  # fmt: skip
        return out.reshape(codes.shape)
    look_up.launch(
        blocks_for(flat.size, THREADS), THREADS,
        pointer(flat), flat.dtype.itemsize, pointer(table), given.itemsize, flat.size, pointer(out),
    )  # fmt: skip
    return out.reshape(codes.shape)
