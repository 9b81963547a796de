"""The fast CUDA dequantizer: FP4 and FP8 blocks of 16 or 32 in whole rows, to float32 or bfloat16.

Writing is all the cost: neighbouring threads write neighbouring 16 bytes, four times each.
``(element * scale) * tensor scale`` as on the CPU: the first product is exact, the second rounds;
bfloat16 is rounded once more, from that float32.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import pointer
from extensor.formats import E2M1, E4M3, E5M2, E8M0, Element
from extensor.kernels import ptx
from extensor.kernels.cuda import CudaKernel, blocks_for, cuda_kernel
from extensor.kernels.dequantize.cuda_words import E2M1_CODES, E4M3_CODES, E5M2_CODES, decoded
from extensor.kernels.packed import Packed

THREADS = 512
ITEMS = 4 * THREADS
"""Stores of 16 bytes of a thread block."""
_KINDS: dict[Element, int] = {E2M1: E2M1_CODES, E4M3: E4M3_CODES, E5M2: E5M2_CODES}
_u32, _u64 = types.uint32, types.uint64

_load16 = ptx.instruction(
    "{ .reg .b16 t; ld.global.nc.u16 t, [$1]; cvt.u32.u16 $0, t; }", (_u32,), (_u64,), volatile=True
)


@njit()
def _load(kind: int, half: int, per_scale: int, codes: Any, scales: Any, item: Any) -> Any:
    """The codes of a store, in two words, and its scale code."""
    s = ptx.load8(scales + np.uint64(np.uint32(item // np.uint32(per_scale))))
    if kind == E2M1_CODES:
        if half:
            return ptx.load32(codes + np.uint64(4) * np.uint64(item)), np.uint32(0), s
        return _load16(codes + np.uint64(2) * np.uint64(item)), np.uint32(0), s
    if half:
        w = ptx.load64(codes + np.uint64(8) * np.uint64(item))
        return w[0], w[1], s
    return ptx.load32(codes + np.uint64(4) * np.uint64(item)), np.uint32(0), s


@cache
def decode_stream(kind: int, power: int, scaled: int, half: int, per_scale: int) -> CudaKernel:
    """Packed blocks to numbers, 16 bytes an item.

    kind .. half
        See `cuda_words.decoded`; ``level`` holds the tensor scale.
    per_scale
        Items of a block.
    """

    @cuda_kernel(
        _u64, _u64, _u64, _u64, _u32, needs=(8, 0), constants=(kind, power, scaled, half, per_scale)
    )
    def decode(codes: Any, scales: Any, level: Any, out: Any, items: Any) -> None:
        i = np.uint32(np.uint32(cuda.blockIdx.x) * np.uint32(ITEMS)) + np.uint32(cuda.threadIdx.x)
        i0 = np.uint32(i)
        i1 = np.uint32(i0 + np.uint32(THREADS))
        i2 = np.uint32(i1 + np.uint32(THREADS))
        i3 = np.uint32(i2 + np.uint32(THREADS))
        last = np.uint32(items - np.uint32(1))
        a = _load(kind, half, per_scale, codes, scales, min(i0, last))
        b = _load(kind, half, per_scale, codes, scales, min(i1, last))
        c = _load(kind, half, per_scale, codes, scales, min(i2, last))
        d = _load(kind, half, per_scale, codes, scales, min(i3, last))
        factor = np.float32(1)
        if scaled:
            factor = ptx.float32_of(ptx.load32(level))
        w = decoded(kind, power, scaled, half, a[0], a[1], a[2], factor)
        if i0 < items:
            ptx.store128(out + np.uint64(16) * np.uint64(i0), w[0], w[1], w[2], w[3])
        w = decoded(kind, power, scaled, half, b[0], b[1], b[2], factor)
        if i1 < items:
            ptx.store128(out + np.uint64(16) * np.uint64(i1), w[0], w[1], w[2], w[3])
        w = decoded(kind, power, scaled, half, c[0], c[1], c[2], factor)
        if i2 < items:
            ptx.store128(out + np.uint64(16) * np.uint64(i2), w[0], w[1], w[2], w[3])
        w = decoded(kind, power, scaled, half, d[0], d[1], d[2], factor)
        if i3 < items:
            ptx.store128(out + np.uint64(16) * np.uint64(i3), w[0], w[1], w[2], w[3])

    return decode


for _one in ((0, 1, 0, 0, 8), (0, 0, 1, 0, 4), (0, 0, 0, 1, 2), (1, 1, 0, 0, 8), (2, 1, 0, 1, 4)):
    decode_stream(*_one)  # listed, so that tests compile them


def dequantize_fast_cuda(p: Packed, out: Any) -> bool:
    """Decode packed rows on the device into ``out``; False where this kernel lacks the case.

    out
        (rows, K) float32, or uint16 for bfloat16 codes; C-contiguous.
    """
    fmt, size = p.fmt, int(out.size)
    half, power, kind = out.dtype == np.uint16, fmt.scale == E8M0, _KINDS.get(fmt.element)
    if (
        kind is None
        or fmt.shape not in ((1, 16), (1, 32))
        or not (power or (fmt.scale == E4M3 and kind == E2M1_CODES))
        or p.length % fmt.length
        or not (half or out.dtype == np.float32)
        or out.shape != (p.rows, p.length)
        or not (out.flags.c_contiguous and p.codes.flags.c_contiguous)
        or not p.scales.flags.c_contiguous
        or not 0 < size < 2**34
        or int(pointer(out)) % 16
        or int(pointer(p.codes)) % 8
    ):
        return False
    scaled = p.tensor_scale is not None
    if scaled and (power or isinstance(p.tensor_scale, float)):
        return False
    numbers = 8 if half else 4
    kernel = decode_stream(kind, int(power), int(scaled), int(half), fmt.length // numbers)
    level = pointer(p.tensor_scale) if scaled else np.uint64(0)
    items = size // numbers
    memory = (pointer(p.codes), pointer(p.scales), level, pointer(out))
    kernel.launch(blocks_for(items, ITEMS), THREADS, *memory, np.uint32(items))
    return True
