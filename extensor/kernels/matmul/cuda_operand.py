"""A packed operand as CUDA kernels see it: addresses and integers, any format.

Codes and scales are decoded by tables of float32 in device memory, as on the CPU
(`extensor.kernels.matmul.operand`). Scales that are not 8-bit codes become float32 first.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from extensor.backend import contiguous, cupy, pointer
from extensor.formats import Element
from extensor.kernels import ptx
from extensor.kernels.packed import Packed


class Operand(NamedTuple):
    """One packed operand; all integers.

    codes, table
        Addresses of the codes and of the float32 value of each code.
    scales, values
        Addresses of 8-bit scale codes and of their float32 values; or of float32 scales and 0.
    bits, pitch
        Stored bits of a code; bytes of a row.
    block, blocks, length
        Elements of a block, blocks of a row, elements of a row.
    tile, group, tiles
        Row r has scale row ``(r // group) * tiles + (r % group) // tile``.
    """

    codes: int
    table: int
    scales: int
    values: int
    bits: int
    pitch: int
    block: int
    blocks: int
    length: int
    tile: int
    group: int
    tiles: int


_types: Any = types
OPERAND = _types.NamedUniTuple(types.int64, 12, Operand)


@lru_cache(maxsize=256)
def table(element: Element, size: int, device: int) -> Any:
    """The float32 values of all codes of a format, repeated up to ``size``, on a device."""
    with np.errstate(over="ignore"):
        return cupy().asarray(np.resize(element.values, size).astype(np.float32))


def operand(p: Packed) -> tuple[Operand, tuple[Any, ...]]:
    """The operand, and the arrays that must outlive the launch."""
    device = cupy().cuda.Device().id
    codes, scales, bits = contiguous(p.codes), contiguous(p.scales), p.fmt.packed_bits
    values: Any = None
    if scales.dtype == np.uint8:
        values = table(p.fmt.scale, 256, device)
    elif scales.dtype.kind == "u":
        scales = table(p.fmt.scale, 1 << p.fmt.scale.bits, device)[scales]
    else:
        scales = contiguous(scales.astype(np.float32, copy=False))
    elements = table(p.fmt.element, 1 << bits, device)
    tile, group = p.fmt.shape[0], max(int(p.group), 1)
    facts = Operand(
        codes=int(pointer(codes)),
        table=int(pointer(elements)),
        scales=int(pointer(scales)),
        values=0 if values is None else int(pointer(values)),
        bits=bits,
        pitch=int(codes.shape[1]),
        block=p.fmt.length,
        blocks=int(scales.shape[1]),
        length=p.length,
        tile=tile,
        group=group,
        tiles=-(-group // tile),
    )
    return facts, (codes, scales, values, elements)


@njit()
def element(p: Operand, row: Any, k: Any) -> Any:
    """The value of element k of a row, without its scale; float32."""
    at = k * p.bits
    byte = p.codes + row * p.pitch + (at >> 3)
    shift = np.uint32(at & 7)
    code = ptx.load8(np.uint64(byte)) >> shift
    if np.int64(shift) + p.bits > 8:
        code |= ptx.load8(np.uint64(byte + 1)) << (np.uint32(8) - shift)
    code &= np.uint32((1 << p.bits) - 1)
    return ptx.float32_of(ptx.load32(np.uint64(p.table + np.int64(code) * 4)))


@njit()
def scale_row(p: Operand, row: Any) -> Any:
    """Which row of scales a row has."""
    if p.tile > 1:
        return (row // p.group) * p.tiles + (row % p.group) // p.tile
    return row


@njit()
def scale(p: Operand, row: Any, block: Any) -> Any:
    """The scale of a block of a row; float32."""
    at = scale_row(p, row) * p.blocks + block
    if p.values == 0:
        return ptx.float32_of(ptx.load32(np.uint64(p.scales + at * 4)))
    code = np.int64(ptx.load8(np.uint64(p.scales + at)))
    return ptx.float32_of(ptx.load32(np.uint64(p.values + code * 4)))
