"""Codes to bytes and back: 4 and 6 bits a code; everything else takes a byte.

Little-endian bit order (numerics.md, section 2): two 4-bit codes a byte, the low nibble is the
even element; four 6-bit codes in three bytes, the first one in the lowest bits. Rows (the last
axis) are packed one by one, each padded with zero bits to a whole byte.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import FormatError, ShapeError
from extensor.jit import kernel

Bytes = NDArray[np.uint8]
_4, _6, _15, _63 = np.uint32(4), np.uint32(6), np.uint32(15), np.uint32(63)


def packed_bytes(n: int, bits: int) -> int:
    """Bytes of ``n`` codes of ``bits`` bits.

    >>> packed_bytes(5, 4), packed_bytes(5, 6), packed_bytes(5, 8)
    (3, 4, 5)
    """
    return -(-n * bits // 8)


def pack_reference(codes: Bytes, bits: int) -> Bytes:
    """`pack`, bit by bit: the definition."""
    each = np.unpackbits(codes[..., None], axis=-1, bitorder="little")[..., :bits]
    flat = each.reshape(*codes.shape[:-1], codes.shape[-1] * bits)
    return np.packbits(flat, axis=-1, bitorder="little")


def unpack_reference(packed: Bytes, bits: int, n: int) -> Bytes:
    """`unpack`, bit by bit: the definition."""
    each = np.unpackbits(packed, axis=-1, bitorder="little")[..., : n * bits]
    each = each.reshape(*packed.shape[:-1], n, bits)
    return np.packbits(each, axis=-1, bitorder="little")[..., 0]


@kernel()
def pack_row(codes: Bytes, bits: int, out: Bytes) -> None:
    """One row of unpacked codes into ``out``: 4, 6 or 8 bits each."""
    n = codes.size
    if bits == 4:
        for i in range(n // 2):
            out[i] = np.uint8(codes[2 * i] | (codes[2 * i + 1] << _4))
        if n % 2:
            out[n // 2] = codes[n - 1]
    elif bits == 6:
        for i in range(n // 4):
            c0, c1 = np.uint32(codes[4 * i]), np.uint32(codes[4 * i + 1])
            c2, c3 = np.uint32(codes[4 * i + 2]), np.uint32(codes[4 * i + 3])
            out[3 * i] = np.uint8(c0 | (c1 << _6))
            out[3 * i + 1] = np.uint8((c1 >> np.uint32(2)) | (c2 << _4))
            out[3 * i + 2] = np.uint8((c2 >> _4) | (c3 << np.uint32(2)))
        rest = np.uint32(0)
        for j in range(n % 4):
            rest |= np.uint32(codes[n - n % 4 + j]) << np.uint32(6 * j)
        for j in range((n % 4 * 6 + 7) // 8):
            out[3 * (n // 4) + j] = np.uint8(rest >> np.uint32(8 * j))
    else:
        for i in range(n):
            out[i] = codes[i]


@kernel()
def unpack_row(packed: Bytes, bits: int, out: Bytes) -> None:
    """One row of bytes into ``out``: as many unpacked codes as it holds."""
    n = out.size
    if bits == 4:
        for i in range(n // 2):
            out[2 * i] = np.uint8(packed[i] & _15)
            out[2 * i + 1] = np.uint8(packed[i] >> _4)
        if n % 2:
            out[n - 1] = np.uint8(packed[n // 2] & _15)
    elif bits == 6:
        for i in range(n // 4):
            b0, b1 = np.uint32(packed[3 * i]), np.uint32(packed[3 * i + 1])
            three = b0 | (b1 << np.uint32(8)) | (np.uint32(packed[3 * i + 2]) << np.uint32(16))
            for j in range(4):
                out[4 * i + j] = np.uint8((three >> np.uint32(6 * j)) & _63)
        first = n - n % 4
        rest = np.uint32(0)
        for j in range((n % 4 * 6 + 7) // 8):
            rest |= np.uint32(packed[3 * (n // 4) + j]) << np.uint32(8 * j)
        for j in range(n % 4):
            out[first + j] = np.uint8((rest >> np.uint32(6 * j)) & _63)
    else:
        for i in range(n):
            out[i] = packed[i]


@kernel()
def _pack_rows(codes: Bytes, bits: int, out: Bytes) -> None:
    for r in range(codes.shape[0]):
        pack_row(codes[r], bits, out[r])


@kernel()
def _unpack_rows(packed: Bytes, bits: int, out: Bytes) -> None:
    for r in range(packed.shape[0]):
        unpack_row(packed[r], bits, out[r])


def _check(array: Any, bits: int, op: str) -> None:
    if bits not in (4, 6, 8):
        raise FormatError(f"{op}: {bits} bits; allowed: 4, 6, 8")
    if np.ndim(array) == 0:
        raise ShapeError(f"{op}: a single number; allowed: at least one axis")


def check_pack(codes: Any, bits: int) -> None:
    """Raise for what `pack` cannot take: a width that has no layout, codes that are too wide."""
    _check(codes, bits, "pack")
    if bits < 8 and codes.size and int(codes.max()) >> bits:
        raise FormatError(f"pack: code {int(codes.max())} does not fit {bits} bits")


def check_unpack(packed: Any, bits: int, n: int) -> None:
    """Raise for what `unpack` cannot take: fewer bytes than ``n`` codes need."""
    _check(packed, bits, "unpack")
    if n < 0 or packed_bytes(n, bits) > packed.shape[-1]:
        need = packed_bytes(n, bits)
        raise ShapeError(
            f"unpack: {n} codes of {bits} bits need {need} bytes, not {packed.shape[-1]}"
        )


def _rows(array: Any) -> Bytes:
    rows: Bytes = array.reshape(-1, array.shape[-1]) if array.size else array.reshape(0, 0)
    return rows


def pack(codes: Any, bits: int) -> Bytes:
    """The bytes of unpacked codes, row by row along the last axis.

    codes
        (..., n) uint8, one code an entry.
    bits
        4, 6 or 8.
    Returns (..., ceil(n bits / 8)) uint8. Raises FormatError for a code that is too wide.

    >>> pack(np.array([1, 2, 3], np.uint8), 4).tolist(), pack([63, 0, 0, 1], 6).tolist()
    ([33, 3], [63, 0, 4])
    """
    codes = np.ascontiguousarray(codes, np.uint8) if np.ndim(codes) else codes
    check_pack(codes, bits)
    rows, n = _rows(codes), codes.shape[-1]
    out = np.empty((*codes.shape[:-1], packed_bytes(n, bits)), np.uint8)
    if out.size:
        _pack_rows(rows, bits, out.reshape(len(rows), -1))
    return out


def unpack(packed: Any, bits: int, n: int) -> Bytes:
    """The first ``n`` codes of each row of bytes; the inverse of `pack`.

    packed
        (..., m) uint8 with ``8 m >= n bits``.

    >>> unpack(np.array([33, 3], np.uint8), 4, 3).tolist()
    [1, 2, 3]
    """
    packed = np.ascontiguousarray(packed, np.uint8) if np.ndim(packed) else packed
    check_unpack(packed, bits, n)
    rows = _rows(packed)
    out = np.empty((*packed.shape[:-1], n), np.uint8)
    if out.size:
        _unpack_rows(rows, bits, out.reshape(len(rows), -1))
    return out
