"""Codes to bytes and back on CUDA in the layout of `extensor.kernels.pack`, one a thread.

A byte holds the bits ``8 b .. 8 b + 7`` of its row, code ``k`` the bits from ``bits k`` on, both
counted from the lowest: true for 4, 6 and 8 bits a code.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import contiguous, library_of, pointer
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.memory import read_u8, write_u8
from extensor.kernels.pack import check_pack, check_unpack, packed_bytes

THREADS = 256
_u64, _i64 = types.uint64, types.int64


@njit()
def byte_of(codes: Any, n: Any, bits: Any, b: Any) -> Any:
    """Byte ``b`` of a row of ``n`` codes at address ``codes``."""
    value, first = np.uint32(0), 8 * b // bits
    for k in range(first, min(first + 3, n)):
        shift = k * bits - 8 * b
        code = np.uint32(read_u8(codes + np.uint64(k)))
        if shift < 0:
            value = np.uint32(value | (code >> np.uint32(-shift)))
        elif shift < 8:
            value = np.uint32(value | (code << np.uint32(shift)))
    return np.uint8(value & np.uint32(255))


@njit()
def code_of(row: Any, size: Any, bits: Any, k: Any) -> Any:
    """Code ``k`` of a packed row of ``size`` bytes at address ``row``."""
    at, shift = k * bits // 8, np.uint32(k * bits % 8)
    value = np.uint32(read_u8(row + np.uint64(at)))
    if at + 1 < size:
        value = np.uint32(value | (np.uint32(read_u8(row + np.uint64(at + 1))) << np.uint32(8)))
    return np.uint32((value >> shift) & np.uint32((1 << bits) - 1))


@cuda_kernel(_u64, _i64, _i64, _u64, _i64, _i64)
def pack_bytes(codes: Any, n: Any, bits: Any, out: Any, size: Any, cells: Any) -> None:
    """Rows of ``n`` codes into rows of ``size`` bytes."""
    cell = cuda.grid(1)
    if cell < cells:
        row, b = cell // size, cell % size
        write_u8(out + np.uint64(cell), byte_of(codes + np.uint64(row * n), n, bits, b))


@cuda_kernel(_u64, _i64, _i64, _u64, _i64, _i64)
def unpack_codes(packed: Any, size: Any, bits: Any, out: Any, n: Any, cells: Any) -> None:
    """Rows of ``size`` bytes into rows of ``n`` codes."""
    cell = cuda.grid(1)
    if cell < cells:
        row, k = cell // n, cell % n
        code = code_of(packed + np.uint64(row * size), size, bits, k)
        write_u8(out + np.uint64(cell), np.uint8(code))


def pack_rows(codes: Any, bits: int, out: Any) -> None:
    """(rows, n) codes into (rows, bytes); nothing is checked."""
    pack_bytes.launch(
        blocks_for(out.size, THREADS), THREADS,
        pointer(codes), codes.shape[1], bits, pointer(out), out.shape[1], out.size,
    )  # fmt: skip


def pack(codes: Any, bits: int) -> Any:
    """`extensor.kernels.pack.pack` of a device array. Reads one number back to check the codes."""
    check_pack(codes, bits)
    library = library_of(codes)
    n = codes.shape[-1]
    rows = contiguous(codes.astype(np.uint8)).reshape(-1, n)
    out = library.empty((*codes.shape[:-1], packed_bytes(n, bits)), np.uint8)
    if out.size:
        pack_rows(rows, bits, out.reshape(len(rows), -1))
    return out


def unpack(packed: Any, bits: int, n: int) -> Any:
    """`extensor.kernels.pack.unpack` of a device array."""
    check_unpack(packed, bits, n)
    library = library_of(packed)
    rows = contiguous(packed).reshape(-1, packed.shape[-1])
    out = library.empty((*packed.shape[:-1], n), np.uint8)
    unpack_codes.launch(
        blocks_for(out.size, THREADS), THREADS,
        pointer(rows), rows.shape[1], bits, pointer(out), n, out.size,
    )  # fmt: skip
    return out
