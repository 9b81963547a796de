"""Packed times packed on compute capability 12.x: the tensor cores take E2M1 and its block scales.

MXFP4 is ``mma.sync`` of kind mxf4 (two E8M0 scales for 64 elements), NVFP4 of kind mxf4nvf4 with
four UE4M3 scales. A warp has a tile of 16 x 8 sums and reads its operands straight from packed
memory (`block_fragment`); past the end of a row it takes zero codes and the smallest scale. The
four warps of a thread block share 16 rows of a.

UE4M3 has no sign: the sign of an NVFP4 scale goes into the codes of its block. NaN scales are NaN.

Compiled and assembled by the tests, with the index arithmetic proved on the CPU, and not yet run:
no such GPU was at hand. So speed and the error of the hardware's sums are unknown, and only a
device of compute capability 12.x ever gets here.

Source: PTX ISA 9.0, 9.7.14.5.14 mma.
"""

import warnings
from functools import cache
from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import contiguous, cupy, pointer
from extensor.capture import capturing
from extensor.formats import E2M1, E4M3, E8M0, Block
from extensor.kernels import ptx
from extensor.kernels.cuda import cuda_kernel
from extensor.kernels.matmul.block_fragment import (
    BYTES,
    COLUMNS,
    ROWS,
    a_row,
    b_row,
    block16,
    byte_of,
    scale_row,
    signed,
    sum_column,
    sum_row,
)
from extensor.kernels.matmul.cuda_exact import blocked_exact
from extensor.kernels.memory import write_f32
from extensor.kernels.packed import Packed

THREADS = 128
WIDE = COLUMNS * (THREADS // 32)
"""Columns of the product that a thread block computes."""

_f32, _i64, _u32, _u64 = types.float32, types.int64, types.uint32, types.uint64


def _multiply(kind: str, scale: str) -> Any:
    """Sums plus products: four registers of a, two of b, four sums, the scales of a and of b."""
    text = (
        f"mma.sync.aligned.{kind}.m16n8k64.row.col.f32.e2m1.e2m1.f32.{scale} {{$0, $1, $2, $3}}, "
    )
    text += "{$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13}, $14, {0, 0}, $15, {0, 0};"
    takes = (_u32,) * 6 + (_f32,) * 4 + (_u32,) * 2
    return ptx.instruction(text, (_f32,) * 4, takes, volatile=True)


_mxf4 = _multiply("kind::mxf4.block_scale.scale_vec::2X", "ue8m0")
_nvf4 = _multiply("kind::mxf4nvf4.block_scale.scale_vec::4X", "ue4m3")


@njit()
def _codes(row: Any, at: Any, pitch: Any) -> Any:
    """Eight codes at a byte of a row, zeros past its end; rows are whole words."""
    if at < pitch:
        return ptx.load32(np.uint64(row + at))
    return np.uint32(0)


@njit()
def _scales(row: Any, block: Any, blocks: Any, count: int) -> Any:
    """The scale codes of ``count`` blocks from ``block`` on, a byte each, 0 past the end."""
    word = np.uint32(0)
    for j in range(count):
        if block + j < blocks:
            code = ptx.load8(np.uint64(row + block + j))
            word |= np.uint32(code << np.uint32(8 * j))
    return word


@njit()
def _tile(columns: Any) -> Any:
    """(first row, first column) of the tile of this warp."""
    across, block = (columns + (WIDE - 1)) // WIDE, np.int64(cuda.blockIdx.x)
    warp = np.int64(cuda.threadIdx.x) >> 5
    return block // across * ROWS, block % across * WIDE + warp * COLUMNS


@njit()
def _store(
    y: Any, final: Any, row: Any, column: Any, rows: Any, columns: Any, lane: Any, sums: Any
) -> None:
    factor = np.float32(1)
    if final:
        factor = ptx.float32_of(ptx.load32(final))
    for i in range(4):
        r, c = row + sum_row(lane, i), column + sum_column(lane, i)
        if r < rows and c < columns:
            write_f32(np.uint64(y + np.uint64(4 * (r * columns + c))), ptx.mul(sums[i], factor))


_TAKES = (*[_i64] * 4, _u64, _u64, *[_i64] * 4)


@cuda_kernel(*_TAKES, needs=(12, 0, "a"))
def mxfp4_product(
    a: Any, a_scales: Any, b: Any, b_scales: Any, y: Any, final: Any,
    rows: Any, columns: Any, pitch: Any, blocks: Any,
) -> None:  # fmt: skip
    """y = a b.T for packed rows with blocks of 32 and E8M0 scales; float32 (rows, columns).

    final
        Address of the float32 that multiplies last, or 0.
    pitch, blocks
        Bytes of a row of codes, and of a row of scales, of both.
    """
    lane = np.int64(cuda.threadIdx.x) & 31
    row, column = _tile(columns)
    low = a + min(row + a_row(lane, 0), rows - 1) * pitch
    high = a + min(row + a_row(lane, 1), rows - 1) * pitch
    right = b + min(column + b_row(lane), columns - 1) * pitch
    left_scales = a_scales + min(row + scale_row(lane), rows - 1) * blocks
    right_scales = b_scales + min(column + b_row(lane), columns - 1) * blocks
    zero = np.float32(0)
    sums, block = (zero, zero, zero, zero), np.int64(0)
    for start in range(0, pitch, BYTES):
        first, second = start + byte_of(lane, 0), start + byte_of(lane, 1)
        sums = _mxf4(
            _codes(low, first, pitch), _codes(high, first, pitch),
            _codes(low, second, pitch), _codes(high, second, pitch),
            _codes(right, first, pitch), _codes(right, second, pitch),
            sums[0], sums[1], sums[2], sums[3],
            _scales(left_scales, block, blocks, 2), _scales(right_scales, block, blocks, 2),
        )  # fmt: skip
        block += 2
    _store(y, final, row, column, rows, columns, lane, sums)


@cuda_kernel(*_TAKES, needs=(12, 0, "a"))
def nvfp4_product(
    a: Any, a_scales: Any, b: Any, b_scales: Any, y: Any, final: Any,
    rows: Any, columns: Any, pitch: Any, blocks: Any,
) -> None:  # fmt: skip
    """The same for blocks of 16 and E4M3 scales."""
    lane = np.int64(cuda.threadIdx.x) & 31
    row, column = _tile(columns)
    row_low, row_high = row + a_row(lane, 0), row + a_row(lane, 1)
    row_low, row_high = min(row_low, rows - 1), min(row_high, rows - 1)
    row_right = min(column + b_row(lane), columns - 1)
    low, high, right = a + row_low * pitch, a + row_high * pitch, b + row_right * pitch
    gives_high = scale_row(lane) != a_row(lane, 0)
    magnitude, zero = np.uint32(0x7F7F7F7F), np.float32(0)
    block0, block1 = block16(lane, 0), block16(lane, 1)
    sums, block = (zero, zero, zero, zero), np.int64(0)
    for start in range(0, pitch, BYTES):
        first, second = start + byte_of(lane, 0), start + byte_of(lane, 1)
        s_low = _scales(a_scales + row_low * blocks, block, blocks, 4)
        s_high = _scales(a_scales + row_high * blocks, block, blocks, 4)
        s_right = _scales(b_scales + row_right * blocks, block, blocks, 4)
        sums = _nvf4(
            np.uint32(signed(_codes(low, first, pitch), s_low, block0)),
            np.uint32(signed(_codes(high, first, pitch), s_high, block0)),
            np.uint32(signed(_codes(low, second, pitch), s_low, block1)),
            np.uint32(signed(_codes(high, second, pitch), s_high, block1)),
            np.uint32(signed(_codes(right, first, pitch), s_right, block0)),
            np.uint32(signed(_codes(right, second, pitch), s_right, block1)),
            sums[0], sums[1], sums[2], sums[3],
            (s_high if gives_high else s_low) & magnitude, s_right & magnitude,
        )  # fmt: skip
        block += 4
    _store(y, final, row, column, rows, columns, lane, sums)


_KERNELS = {(E8M0, (1, 32)): mxfp4_product, (E4M3, (1, 16)): nvfp4_product}


def _kernel(a: Packed, b: Packed) -> Any:
    kinds = {(p.fmt.element, p.fmt.scale, p.fmt.shape) for p in (a, b)}
    if len(kinds) > 1 or a.fmt.element != E2M1:
        return None
    return _KERNELS.get((a.fmt.scale, a.fmt.shape))


def probe(fmt: Block, seed: int) -> Packed:
    """40 rows of 160 random codes with scales of 2**-2 .. 2**1, signs of NVFP4 scales included.

    Products of two are multiples of 2**-6 below 2**13: every order of sums is exact.
    """
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (40, 80), np.uint8)
    powers = rng.integers(-2, 2, (40, fmt.blocks(160)))
    if fmt.scale == E8M0:
        scales = (powers + 127).astype(np.uint8)
    else:
        scales = ((powers + 7) << 3 | rng.integers(0, 2, powers.shape) << 7).astype(np.uint8)
    return Packed(codes, scales, None, fmt, 160, 40)


@cache
def proved(fmt: Block, device: int) -> bool:
    """Whether this device gives the exact kernel's product of two probes: asked once, it waits.

    The kernel was written without the hardware, so the hardware itself is asked before it is
    trusted; where it disagrees the other kernels are used, with a warning.
    """
    library = cupy()
    a, b = (
        p._replace(codes=library.asarray(p.codes), scales=library.asarray(p.scales))
        for p in (probe(fmt, 1), probe(fmt, 2))
    )
    same = bool((block_scaled_product(a, b, None) == blocked_exact(a, b, None)).all())
    if not same:
        warnings.warn(
            f"matmul: the FP4 tensor cores of device {device} disagree with the exact product of "
            f"{fmt}; other kernels are used. Please report this with the name of your GPU.",
            RuntimeWarning,
            stacklevel=2,
        )
    return same


def block_scaled(a: Packed, b: Packed, capability: int) -> bool:
    """Whether the tensor cores of a device take both operands as they are.

    capability
        120 for 12.0. The operands are both MXFP4 or both NVFP4.
    """
    return capability // 10 == 12 and _kernel(a, b) is not None


def trusted(fmt: Block) -> bool:
    """Whether the current device has `proved` itself for a format.

    While a step is captured, a device that was not asked before is not asked.
    """
    device = cupy().cuda.Device().id
    if capturing() is not None and (fmt, device) not in _asked:
        return False
    _asked.add((fmt, device))
    return proved(fmt, device)


_asked: set[tuple[Block, int]] = set()


def block_scaled_product(a: Packed, b: Packed, final: Any) -> Any:
    """The product of two packed operands that `block_scaled` takes: float32 (rows, rows of b).

    final
        The product of the tensor scales, a (1,) float32 array on the device, or None.
    """
    y = cupy().empty((a.rows, b.rows), "float32")
    arrays = [contiguous(array) for p in (a, b) for array in (p.codes, p.scales)]
    tiles = -(-a.rows // ROWS) * -(-b.rows // WIDE)
    _kernel(a, b).launch(
        tiles,
        THREADS,
        *(int(pointer(array)) for array in arrays),
        pointer(y),
        np.uint64(0) if final is None else pointer(final),
        a.rows,
        b.rows,
        int(arrays[0].shape[1]),
        int(arrays[1].shape[1]),
    )
    return y
