"""The fast dequantizer: float32 output, blocks of a multiple of 16, float or fixed-point codes.

An equal replacement of `extensor.kernels.dequantize.general`, proved by tests; `supports` says for
what. `decode_rows` is also what another kernel calls to get a panel of an operand.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import get_num_threads, prange
from numpy.typing import NDArray

from extensor.formats import Block
from extensor.jit import kernel
from extensor.kernels.address import address, address_of, get_byte, get_int32, put_byte, put_int32
from extensor.kernels.dequantize.general import scale_values, value_table
from extensor.kernels.dequantize.vector import (
    Fields,
    decode_fixed,
    decode_float,
    fields,
    unpack4,
    unpack6,
)
from extensor.kernels.packed import Packed

PARALLEL = 1 << 15
"""Elements from which the work is shared among threads."""
_ONE = 0x3F800000
RUN = 4096
"""Elements of a row that are one piece of work, about."""


class Job(NamedTuple):
    """Packed rows as `decode_rows` takes them; plain int64, passed as an array.

    codes, pitch, bits
        Address, bytes of a row, bits of a code.
    scales, table, blocks, block
        Address of the scale codes (bytes) and of the float32 value of each code; where ``table``
        is 0 the scales are float32 themselves. Blocks of a row, elements of a block.
    height, group, lines
        Rows of a scale, rows of a matrix, rows of scales of a matrix.
    factor
        The tensor scale, float32 bits.
    fixed
        Whether codes are two's complement.
    magnitude .. extend
        `vector.Fields`.
    """

    codes: int
    pitch: int
    bits: int
    scales: int
    table: int
    blocks: int
    block: int
    height: int
    group: int
    lines: int
    factor: int
    fixed: int
    magnitude: int
    sign: int
    up: int
    drop: int
    bias: int
    normal: int
    step: int
    max_code: int
    extend: int


@lru_cache(maxsize=128)
def supports(fmt: Block) -> bool:
    """Whether the fast kernel gives the bits of the general one for this format.

    >>> from extensor.formats import MXFP4, MXINT8
    >>> supports(MXFP4), supports(MXINT8)
    (True, True)
    """
    facts = fmt.element.facts
    within = facts.emin - facts.mantissa >= -60 and fmt.element.emax <= 60
    return within and facts.origin == 0 and fmt.length % 16 == 0


class Ready(NamedTuple):
    """What a job needs of a format, looked up once; the table holds the values of scale codes."""

    bits: int
    height: int
    block: int
    fixed: bool
    fields: Fields
    table: NDArray[np.float32] | None
    table_at: int


@lru_cache(maxsize=128)
def _ready(fmt: Block) -> Ready:
    facts, table = fmt.element.facts, None
    if fmt.scale_storage == np.uint8:
        with np.errstate(over="ignore"):
            table = value_table(fmt.scale).astype(np.float32)
    return Ready(
        fmt.packed_bits, fmt.shape[0], fmt.shape[1], facts.sign == 2, fields(facts), table,
        0 if table is None else address(table),
    )  # fmt: skip


def job(p: Packed) -> tuple[NDArray[np.int64], Any]:
    """The job of packed rows, and the arrays whose addresses it holds: keep them alive.

    >>> from extensor.formats import MXFP4
    >>> p = Packed(np.zeros((2, 16), np.uint8), np.zeros((2, 1), np.uint8), None, MXFP4, 32, 2)
    >>> numbers, alive = job(p)
    >>> numbers.shape
    (21,)
    """
    ready, codes = _ready(p.fmt), np.ascontiguousarray(p.codes)
    scales, table, height, block = p.scales, ready.table, ready.height, ready.block
    if table is None:
        with np.errstate(over="ignore"):
            scales = scale_values(scales, p.fmt.scale).astype(np.float32)
    scales, group = np.ascontiguousarray(scales), max(p.group, 1)
    factor = _ONE if p.tensor_scale is None else int(np.float32(p.tensor_scale).view(np.int32))
    numbers = Job(
        address(codes), codes.shape[1], ready.bits, address(scales), ready.table_at,
        -(-p.length // block), block, height, group, -(-group // height), factor,
        ready.fixed, *ready.fields,
    )  # fmt: skip
    return np.array(numbers, np.int64), (codes, scales, table)


@kernel()
def decode_rows(
    job: NDArray[np.int64], r0: int, r1: int, k0: int, k1: int, out: int, pitch: int
) -> None:
    """Rows ``r0 .. r1``, elements ``k0 .. k1``, as float32.

    job
        See `job`.
    k0, k1
        k0 is a multiple of 32.
    out, pitch
        Address of the first row's first number; bytes from one row to the next.
    """
    codes, codes_pitch, bits, scales, table = job[0], job[1], job[2], job[3], job[4]
    blocks, block, height, group, lines = job[5], job[6], job[7], job[8], job[9]
    factor, fixed = job[10], job[11] != 0
    magnitude, sign, up, drop, bias = job[12], job[13], job[14], job[15], job[16]
    normal, step, max_code, extend = job[17], job[18], job[19], job[20]
    bytes_of, numbers = np.empty(64, np.uint8), np.empty(32, np.int32)
    unit = 4 * bits
    s = np.zeros(2, np.int64)
    for r in range(r0, r1):
        line = (r // group * lines + r % group // height) * blocks
        row = codes + r * codes_pitch
        j, used = k0 // block, k0 % block
        unpacked = address_of(bytes_of)
        for k in range(k0, k1, 32):
            at = row + k * bits // 8
            source = at
            if k // 8 * bits + unit > codes_pitch:
                source = unpacked + 32
                for i in range(codes_pitch - k // 8 * bits):
                    put_byte(source + i, get_byte(at + i))
            if bits == 4:
                unpack4(source, unpacked)
                source = unpacked
            elif bits == 6:
                unpack6(source, unpacked)
                source = unpacked
            for h in range(2):
                i = line + min(j, blocks - 1)
                if table != 0:
                    s[h] = get_int32(table + 4 * get_byte(scales + i))
                else:
                    s[h] = get_int32(scales + 4 * i)
                used += 16
                if used == block:
                    j, used = j + 1, 0
            to = out + (r - r0) * pitch + 4 * (k - k0)
            whole = k + 32 <= k1
            target = to if whole else address_of(numbers)
            if fixed:
                decode_fixed(
                    source, s[0], s[1], factor, target,
                    magnitude, sign, up, drop, bias, normal, step, max_code, extend,
                )  # fmt: skip
            else:
                decode_float(
                    source, s[0], s[1], factor, target,
                    magnitude, sign, up, drop, bias, normal, step, max_code, extend,
                )  # fmt: skip
            if not whole:
                for i in range(k1 - k):
                    put_int32(to + 4 * i, numbers[i])


@kernel()
def _pieces(job: NDArray[np.int64], lo: int, hi: int, runs: int, out: NDArray[np.float32]) -> None:
    n = out.shape[1]
    base = address_of(out)
    for t in range(lo, hi):
        r, k0 = t // runs, t % runs * RUN
        decode_rows(job, r, r + 1, k0, min(k0 + RUN, n), base + 4 * (r * n + k0), 4 * n)


@kernel(parallel=True)
def _parallel(
    job: NDArray[np.int64], tiles: int, parts: int, runs: int, out: NDArray[np.float32]
) -> None:
    for p in prange(parts):
        _pieces(job, tiles * p // parts, tiles * (p + 1) // parts, runs, out)


def dequantize_fast(p: Packed, out: NDArray[np.float32]) -> None:
    """`dequantize` for what `supports` says, into ``out``, C-contiguous float32."""
    numbers, alive = job(p)
    runs = -(-p.length // RUN)
    tiles = p.rows * runs
    if out.size < PARALLEL or get_num_threads() == 1:
        _pieces(numbers, 0, tiles, runs, out)
    else:
        _parallel(numbers, tiles, min(tiles, 4 * get_num_threads()), runs, out)
    del alive
