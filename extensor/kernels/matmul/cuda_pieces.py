"""bfloat16 for tensor cores, exactly: one piece of a number, or the three that a float32 needs.

A float32 is the sum of three bf16: its upper half, the upper half of what is left, and the rest (24
bits = 3 x 8). Products of pieces with a weight that is exact in bf16 are exact in float32, so only
the sums round. What a bf16 cannot hold at all, below 2**-133, is lost.

Rows of pieces are padded with zeros to a multiple of `MULTIPLE` elements; piece p of row r is row
``p * rows + r``.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import contiguous, cupy, pointer
from extensor.formats import E2M1, Fixed
from extensor.kernels import ptx
from extensor.kernels.cuda import cuda_kernel
from extensor.kernels.matmul.cuda_fragment import permute
from extensor.kernels.matmul.cuda_operand import OPERAND, element, operand, scale, scale_row
from extensor.kernels.packed import Packed

MULTIPLE = 512
THREADS = 256


@njit()
def upper(x: Any) -> Any:
    """The upper half of a float32, never more than it: bf16 bits; NaN stays NaN."""
    bits = ptx.bits32(x)
    half = bits >> np.uint32(16)
    if (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):
        half |= np.uint32(0x40)
    return half


@njit()
def left_over(x: Any, half: Any) -> Any:
    """What the upper half leaves, exact; 0 for Inf and NaN."""
    if (half & np.uint32(0x7F80)) == np.uint32(0x7F80):
        return np.float32(0)
    return ptx.sub(x, ptx.float32_of(half << np.uint32(16)))


@njit()
def _write(y: Any, at: Any, plane: Any, pieces: Any, x0: Any, x1: Any) -> None:
    """The pieces of two neighbours, ``plane`` bytes apart."""
    place = y + np.uint64(at) * np.uint64(2)
    for _ in range(pieces):
        h0, h1 = upper(x0), upper(x1)
        ptx.store32(place, h0 | (h1 << np.uint32(16)))
        x0, x1 = left_over(x0, h0), left_over(x1, h1)
        place += np.uint64(plane)


@cuda_kernel(types.uint64, types.uint64, *[types.int64] * 4)
def split(x: Any, y: Any, rows: Any, length: Any, width: Any, pieces: Any) -> None:
    """Rows of ``length`` float32 into pieces of ``width`` bf16 each; a block for each row."""
    row, k = np.int64(cuda.blockIdx.x), np.int64(cuda.threadIdx.x) * 2
    while k < width:
        x0, x1 = np.float32(0), np.float32(0)
        place = x + np.uint64(row * length + k) * np.uint64(4)
        if k < length:
            x0 = ptx.float32_of(ptx.load32(place))
        if k + 1 < length:
            x1 = ptx.float32_of(ptx.load32(place + np.uint64(4)))
        _write(y, row * width + k, rows * width * 2, pieces, x0, x1)
        k += 2 * THREADS


@cuda_kernel(OPERAND, types.uint64, *[types.int64] * 3)
def decode(p: Any, y: Any, rows: Any, width: Any, pieces: Any) -> None:
    """Packed rows of any format into pieces; a block for each row."""
    row, k = np.int64(cuda.blockIdx.x), np.int64(cuda.threadIdx.x) * 2
    while k < width:
        x0, x1 = np.float32(0), np.float32(0)
        if k < p.length:
            x0 = ptx.mul(element(p, row, k), scale(p, row, k // p.block))
        if k + 1 < p.length:
            x1 = ptx.mul(element(p, row, k + 1), scale(p, row, (k + 1) // p.block))
        _write(y, row * width + k, rows * width * 2, pieces, x0, x1)
        k += 2 * THREADS


# 2**126 times two lanes (`cuda_fragment`), then times their scale.
scaled_pair = ptx.instruction(
    "{ .reg .b32 t; mov.b32 t, 0x7E807E80; mul.rn.bf16x2 t, $1, t; mul.rn.bf16x2 $0, t, $2; }",
    (types.uint32,),
    (types.uint32, types.uint32),
)


@njit()
def _lanes(word: Any, times: Any, pair: Any) -> Any:
    """Two codes, at bits 0 and 16 of a word moved there by ``times``, as scaled bf16."""
    lanes = np.uint32(word * times) & np.uint32(0x81C081C0)
    return scaled_pair(lanes, pair)


@cuda_kernel(OPERAND, types.uint64, types.int64, types.int64, needs=(9, 0))
def decode4(p: Any, y: Any, width: Any, shift: Any) -> None:
    """E2M1 codes, blocks of ``2**shift`` with 8-bit scales that bf16 holds; a block a row."""
    row, k = np.int64(cuda.blockIdx.x), np.int64(cuda.threadIdx.x) * 8
    codes = np.uint64(p.codes + row * p.pitch)
    scales = np.uint64(p.scales + scale_row(p, row) * p.blocks)
    values, last = np.uint64(p.values), p.blocks << shift
    zero = np.uint32(0)
    low, high = np.uint32(0x000F000F), np.uint32(0x00F000F0)
    first, second = np.uint32(0x5410), np.uint32(0x7632)
    while k < width:
        a, b, c, d = zero, zero, zero, zero
        if k < last:
            word = ptx.load32(codes + np.uint64(k >> 1))
            code = np.uint64(ptx.load8(scales + np.uint64(k >> shift)))
            s = ptx.load32(values + code * np.uint64(4))
            pair = permute(s, s, np.uint32(0x3232))
            shifted = word >> np.uint32(8)
            e0 = _lanes(word & low, np.uint32(4160), pair)
            e1 = _lanes(word & high, np.uint32(260), pair)
            e2 = _lanes(shifted & low, np.uint32(4160), pair)
            e3 = _lanes(shifted & high, np.uint32(260), pair)
            a, b = permute(e0, e1, first), permute(e2, e3, first)
            c, d = permute(e0, e1, second), permute(e2, e3, second)
        ptx.store128(y + np.uint64(row * width + k) * np.uint64(2), a, b, c, d)
        k += 8 * THREADS


def padded(length: int) -> int:
    """The elements of a row of pieces.

    >>> padded(513)
    1024
    """
    return -(-length // MULTIPLE) * MULTIPLE


def pieces_of(p: Packed) -> int:
    """How many pieces the elements of a format need once they are scaled: 1 or 3."""
    element_format = p.fmt.element
    fixed = isinstance(element_format, Fixed)
    bits = element_format.bits - 1 if fixed else element_format.facts.mantissa + 1
    return 1 if bits + p.fmt.scale.facts.mantissa <= 8 else 3


def decoded(p: Packed) -> tuple[Any, int]:
    """Packed rows without the tensor scale: (pieces * rows, padded) bf16 bits, and the pieces."""
    width, pieces = padded(p.length), pieces_of(p)
    y = cupy().empty((pieces * p.rows, width), "uint16")
    facts, kept = operand(p)
    shift = p.fmt.length.bit_length() - 1
    easy = p.fmt.element == E2M1 and facts.values and pieces == 1 and shift >= 3
    if easy and p.fmt.length == 1 << shift:
        decode4.launch(p.rows, THREADS, facts, pointer(y), width, shift)
    else:
        decode.launch(p.rows, THREADS, facts, pointer(y), p.rows, width, pieces)
    del kept
    return y, pieces


PIECES = {"float32": 3, "float16": 2, "bfloat16": 1}
"""The native types that a packed weight is multiplied with, and the pieces that each needs."""


def rounded(x: Any) -> tuple[Any, int]:
    """Native rows (M, K): (pieces * M, padded) bf16 bits, and the pieces."""
    pieces, (rows, length) = PIECES[x.dtype.name], x.shape
    x, width = contiguous(x), padded(length)
    if pieces == 1 and width == length:
        return x.view("uint16"), 1
    y = cupy().empty((pieces * rows, width), "uint16")
    x = x.astype("float32", copy=False)
    split.launch(rows, THREADS, pointer(x), pointer(y), rows, length, width, pieces)
    return y, pieces
