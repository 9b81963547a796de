"""An MXFP4 operand as FP8, exactly: block scales folded into the elements.

With ``c`` the scale code of a block and ``top`` the operand's largest, an element times
``2**(c - top + 6)`` is an E4M3 number while ``top - c <= 14`` (E5M2, with 13 for 6: 28): two
significant bits from 2**-9 to 1.5 * 2**8. The operand is then ``2**(top - 133)`` (E5M2: 140) times
the FP8 matrix, a factor that cuBLASLt takes from device memory.

`Folded.state` holds eight words: ``top``; whether a nonzero element did not fit; and at the fifth,
because cuBLASLt wants 16 bytes of alignment, the float32 factor. Where the second is set, the
product is made again (`cuda_thin.repair`). A block scale of NaN makes NaN elements.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, njit, types

from extensor.backend import contiguous, cupy, pointer
from extensor.formats import E2M1, E4M3, E5M2, E8M0, Float
from extensor.kernels import ptx
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.matmul.cuda_fragment import permute
from extensor.kernels.packed import Packed

THREADS, EACH = 256, 4
SPAN = {E4M3: 15, E5M2: 29}
"""How many neighbouring scale codes an FP8 format can fold."""
SHIFT = {E4M3: 6, E5M2: 13}
"""The power of two that the largest scale becomes."""

_u32, _u64 = types.uint32, types.uint64
# 9.7.13.10 redux.sync, over all 32 lanes.
warp_largest = ptx.instruction(
    "redux.sync.max.u32 $0, $1, 0xffffffff;", (_u32,), (_u32,), volatile=True
)
# 9.7.13.5 atom, without a result: red.
raise_to = ptx.instruction("red.global.max.u32 [$0], $1;", (), (_u64, _u32), volatile=True)


@njit()
def _largest(word: Any, top: Any) -> Any:
    for _ in range(4):
        code = word & np.uint32(255)
        if code != np.uint32(255) and code > top:
            top = code
        word >>= np.uint32(8)
    return top


@cuda_kernel(types.uint64, types.int64, types.uint64, needs=(8, 0))
def find_top(scales: Any, count: Any, state: Any) -> None:
    """The largest scale code but NaN into ``state``; 16 codes a thread, any number of them."""
    at, step = np.int64(cuda.grid(1)) * 16, np.int64(cuda.gridsize(1)) * 16
    top = np.uint32(0)
    while at < count:
        if at + 16 <= count:
            v = ptx.load128(scales + np.uint64(at))
            top = _largest(v[0], _largest(v[1], _largest(v[2], _largest(v[3], top))))
        else:
            for k in range(at, count):
                top = _largest(ptx.load8(scales + np.uint64(k)), top)
        at += step
    top = warp_largest(top)
    if np.int32(cuda.threadIdx.x) & 31 == 0:
        raise_to(state, top)


@njit()
def _signs(word: Any, select: Any) -> Any:
    spread = permute(word, np.uint32(0), select)
    return (spread & np.uint32(0x80008000)) | ((spread << np.uint32(4)) & np.uint32(0x00800080))


@njit()
def _below(code: Any, top: Any, low: Any, high: Any, span: Any, state: Any) -> Any:
    """The row of the table for a scale code; says in ``state`` where the codes do not fit."""
    below = np.uint32(top - code)
    if code == np.uint32(255):
        below = code
    elif below >= span and ((low | high) & np.uint32(0x77777777)) != np.uint32(0):
        ptx.store32(state + np.uint64(4), np.uint32(1))
    return np.uint64(below)


@cuda_kernel(*[types.uint64] * 5, types.int64, types.uint32, types.int64)
def fold(
    codes: Any,
    scales: Any,
    table: Any,
    y: Any,
    state: Any,
    halves: Any,
    span: Any,
    shift: Any,
) -> None:
    """Half blocks of 16 elements as FP8, `EACH` of them to a thread; completes ``state``.

    table
        For each ``top - c`` the FP8 codes of the eight magnitudes, and NaN at 255.
    """
    at = np.int64(cuda.blockIdx.x) * (THREADS * EACH) + np.int64(cuda.threadIdx.x)
    top = ptx.load32(state)
    if at == 0:
        bits = np.uint32(1) << np.uint32(np.int64(top) + 22 - shift)
        if np.int64(top) > shift:
            bits = np.uint32(np.int64(top) - shift) << np.uint32(23)
        ptx.store32(state + np.uint64(16), bits)
    for _ in range(EACH):
        if at < halves:
            a, b = ptx.load64(codes + np.uint64(at) * np.uint64(8))
            code = ptx.load8(scales + np.uint64(at >> 1))
            row = _below(code, top, a, b, span, state)
            low, high = ptx.load64(table + row * np.uint64(8))
            mask = np.uint32(0x77777777)
            left, right = a & mask, b & mask
            ptx.store128(
                y + np.uint64(at) * np.uint64(16),
                permute(low, high, left) | _signs(a, np.uint32(0x1100)),
                permute(low, high, left >> np.uint32(16)) | _signs(a, np.uint32(0x3322)),
                permute(low, high, right) | _signs(b, np.uint32(0x1100)),
                permute(low, high, right >> np.uint32(16)) | _signs(b, np.uint32(0x3322)),
            )
        at += THREADS


@cache
def _table(element: Float, device: int) -> Any:
    """(256, 8) FP8 codes of the E2M1 magnitudes times ``2**(SHIFT - row)``; row 255 is NaN."""
    code = {value: i for i, value in enumerate(element.values[: element.max_code + 1])}
    table = np.zeros((256, 8), np.uint8)
    for row in range(SPAN[element]):
        values = E2M1.values[:8] * 2.0 ** (SHIFT[element] - row)
        table[row] = [code[value] for value in values]
    table[255] = element.facts.nan_code
    return cupy().asarray(table)


class Folded(NamedTuple):
    """An operand as FP8 codes (rows, padded K), its format, and eight words on the device."""

    codes: Any
    element: Float
    state: Any

    @property
    def scale(self) -> int:
        """The address of the float32 that multiplies the codes."""
        return int(pointer(self.state)) + 16


def foldable(p: Packed) -> bool:
    """Whether a format may fold at all: E2M1 in blocks of (1, 32) with E8M0 scales."""
    return p.fmt.element == E2M1 and p.fmt.scale == E8M0 and p.fmt.shape == (1, 32)


def folded(p: Packed, element: Float, state: Any) -> Folded:
    """Fold an operand; queues two kernels and returns at once.

    element
        E4M3 or E5M2.
    state
        Eight uint32 zeros on the device, contiguous.
    """
    scales, codes = contiguous(p.scales), contiguous(p.codes)
    blocks = scales.shape[1]
    y = cupy().empty((p.rows, 32 * blocks), "uint8")
    count = scales.size
    find_top.launch(
        min(blocks_for(-(-count // 16), THREADS), 264),
        THREADS,
        pointer(scales),
        count,
        pointer(state),
    )
    fold.launch(
        blocks_for(p.rows * blocks * 2, THREADS * EACH),
        THREADS,
        pointer(codes),
        pointer(scales),
        pointer(_table(element, cupy().cuda.Device().id)),
        pointer(y),
        pointer(state),
        p.rows * blocks * 2,
        SPAN[element],
        SHIFT[element],
    )
    return Folded(y, element, state)
