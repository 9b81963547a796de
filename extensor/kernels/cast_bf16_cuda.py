"""float32 to bfloat16 and back on CUDA: integers only, eight numbers a thread.

bfloat16 is the upper half of a float32, so rounding to nearest even adds half of the lower half,
and one more where the result would be odd; a carry runs into the exponent, and from the largest
number to Inf, as it should. NaN is the canonical one, as `extensor.scalar` writes and reads it.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import pointer
from extensor.kernels import ptx
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.memory import read_i32, read_u16, write_i32, write_u16

THREADS, EACH = 256, 8
_u64, _i64 = types.uint64, types.int64
_INF, _MAGNITUDE = np.uint32(0x7F800000), np.uint32(0x7FFFFFFF)
_NAN, _SIGN = np.uint32(0x7FC0), np.uint32(0x80000000)
_HALF, _ONE, _16 = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)
_LOW = np.uint32(0xFFFF)


@njit()
def narrow(bits: Any) -> Any:
    """The bfloat16 of a float32, both as bits in a uint32.

    >>> hex(narrow(np.uint32(0x3F808000))), hex(narrow(np.uint32(0x3F818000)))
    ('0x3f80', '0x3f82')
    """
    if np.uint32(bits & _MAGNITUDE) > _INF:
        return _NAN
    odd = np.uint32(np.uint32(bits >> _16) & _ONE)
    return np.uint32(np.uint32(bits + np.uint32(_HALF + odd)) >> _16)


@njit()
def widen(code: Any) -> Any:
    """The float32 of a bfloat16, both as bits in a uint32.

    >>> hex(widen(np.uint32(0x3F82))), hex(widen(np.uint32(0xFFFF)))
    ('0x3f820000', '0xffc00000')
    """
    bits = np.uint32(code << _16)
    if np.uint32(bits & _MAGNITUDE) > _INF:
        return np.uint32(np.uint32(bits & _SIGN) | np.uint32(_NAN << _16))
    return bits


@njit()
def _pair(low: Any, high: Any) -> Any:
    return np.uint32(narrow(low) | np.uint32(narrow(high) << _16))


@cuda_kernel(_u64, _i64, _i64, _u64)
def narrow_all(x: Any, n: Any, aligned: Any, out: Any):  # type: ignore[no-untyped-def]
    """float32 to bfloat16. aligned: whether both addresses are multiples of 16."""
    i = EACH * cuda.grid(1)
    if aligned != 0 and i + EACH <= n:
        a = ptx.load128(x + np.uint64(4 * i))
        b = ptx.load128(x + np.uint64(4 * i + 16))
        ptx.store128(
            out + np.uint64(2 * i),
            _pair(a[0], a[1]), _pair(a[2], a[3]), _pair(b[0], b[1]), _pair(b[2], b[3]),
        )  # fmt: skip
        return
    for k in range(i, min(i + EACH, n)):
        code = narrow(np.uint32(read_i32(x + np.uint64(4 * k))))
        write_u16(out + np.uint64(2 * k), np.uint16(code))


@cuda_kernel(_u64, _i64, _i64, _u64)
def widen_all(codes: Any, n: Any, aligned: Any, out: Any):  # type: ignore[no-untyped-def]
    """bfloat16 to float32. aligned: whether both addresses are multiples of 16."""
    i = EACH * cuda.grid(1)
    if aligned != 0 and i + EACH <= n:
        c = ptx.load128(codes + np.uint64(2 * i))
        to = out + np.uint64(4 * i)
        ptx.store128(
            to,
            widen(np.uint32(c[0] & _LOW)), widen(np.uint32(c[0] >> _16)),
            widen(np.uint32(c[1] & _LOW)), widen(np.uint32(c[1] >> _16)),
        )  # fmt: skip
        ptx.store128(
            to + np.uint64(16),
            widen(np.uint32(c[2] & _LOW)), widen(np.uint32(c[2] >> _16)),
            widen(np.uint32(c[3] & _LOW)), widen(np.uint32(c[3] >> _16)),
        )  # fmt: skip
        return
    for k in range(i, min(i + EACH, n)):
        bits = widen(np.uint32(read_u16(codes + np.uint64(2 * k))))
        write_i32(out + np.uint64(4 * k), np.int32(bits))


def aligned(*arrays: Any) -> bool:
    """Whether all arrays begin at a multiple of 16 bytes."""
    return all(int(pointer(a)) % 16 == 0 for a in arrays)


def _run(kernel: Any, x: Any, out: Any) -> None:
    kernel.launch(
        blocks_for(out.size, EACH * THREADS), THREADS,
        pointer(x), out.size, int(aligned(x, out)), pointer(out),
    )  # fmt: skip


def encode_bf16(x: Any, out: Any) -> None:
    """Flat float32 to bfloat16 codes (uint16); overflow becomes Inf, as IEEE types do."""
    _run(narrow_all, x, out)


def decode_bf16(codes: Any, out: Any) -> None:
    """Flat bfloat16 codes (uint16) to float32."""
    _run(widen_all, codes, out)
