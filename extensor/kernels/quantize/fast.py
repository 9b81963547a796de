"""The fast quantizer: float32 input, blocks of a multiple of 16, codes of at most 8 bits.

One tile at a time: its numbers (in place, or copied and turned over), its random words, the amax
and the scale of each block, codes one a byte, packed bytes. Where a scale needs more than its own
block (a tensor scale, a tile of rows) two passes go before: all amax, all scales.

An equal replacement of `extensor.kernels.quantize.general`, proved by tests; `supports` says for
what. Long because the tile loop shares its buffers.
"""

from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.address import (
    address_of,
    bits_from,
    float_from,
    get_int32,
    put_byte,
    put_int32,
    zero_bytes,
)
from extensor.kernels.quantize.scale import power_code
from extensor.kernels.quantize.vector import (
    amax16,
    amax32,
    encode_exact,
    encode_nearest,
    encode_stochastic,
    pack4_16,
    pack4_32,
    pack6_16,
    pack6_32,
)
from extensor.kernels.quantize.words import (
    SLACK,
    words_across_rows,
    words_along_rows,
    words_one_by_one,
)
from extensor.kernels.tiles import ROWS, stage_columns, stage_rows
from extensor.scalar import float_of

_INF = np.int32(0x7F800000)


class Job(NamedTuple):
    """One call of the tile loop; plain int64, passed as an array. Addresses and steps in bytes.

    x, xa, xr, xk
        Address and steps of the numbers.
    rows, length
        R and K.
    tile, run
        Rows and elements of K in a tile.
    block, height, group
        Block length; rows of a scale; rows of scales in a matrix.
    codes, pitch, bits
        Address, bytes of a row, bits of a code.
    scales, blocks
        Address of scale codes (bytes), how many a row has.
    amax
        Address of float32 amax to write; 0 to quantize.
    multipliers
        Address of float32 multipliers to read; 0 where the block alone decides.
    cap, strict, scale_emin, scale_max, scale_nan
        The power-of-two rule; ``cap`` as float64 bits.
    prescale
        float32 bits.
    emin .. sign
        `vector.Steps` of the element.
    negate
        Whether its codes are two's complement.
    draws
        Whether rounding is stochastic.
    sa, sr, sk, offset, stream, seed
        `scale.Where`, 64-bit patterns.
    """

    x: int
    xa: int
    xr: int
    xk: int
    rows: int
    length: int
    tile: int
    run: int
    block: int
    height: int
    group: int
    codes: int
    pitch: int
    bits: int
    scales: int
    blocks: int
    amax: int
    multipliers: int
    cap: int
    strict: int
    scale_emin: int
    scale_max: int
    scale_nan: int
    prescale: int
    emin: int
    drop: int
    limit: int
    floor: int
    shift: int
    sign: int
    negate: int
    draws: int
    sa: int
    sr: int
    sk: int
    offset: int
    stream: int
    seed: int


@kernel()
def _pack(codes: int, to: int, count: int, bits: int) -> None:
    """``count`` codes, a multiple of 16, one a byte at address ``codes``, to ``to``."""
    whole = count & ~31
    if bits == 4:
        for i in range(0, whole, 32):
            pack4_32(codes + i, to + i // 2)
        if count & 16:
            pack4_16(codes + whole, to + whole // 2)
    elif bits == 6:
        for i in range(0, whole, 32):
            pack6_32(codes + i, to + 3 * (i // 4))
        if count & 16:
            pack6_16(codes + whole, to + 3 * (whole // 4))
    else:
        for i in range(0, count, 4):
            put_int32(to + i, get_int32(codes + i))


@kernel()
def run_tiles(job: NDArray[np.int64], lo: int, hi: int) -> None:
    """Tiles ``lo .. hi`` of a job: along R first where a tile has several rows, else along K."""
    x, xa, xr, xk, rows, length = job[0], job[1], job[2], job[3], job[4], job[5]
    tile, run, block, height, group = job[6], job[7], job[8], job[9], job[10]
    codes, pitch, bits, scales, blocks = job[11], job[12], job[13], job[14], job[15]
    amax, multipliers = job[16], job[17]
    cap = float_of(job[18])
    strict, scale_emin, scale_max, scale_nan = job[19] != 0, job[20], job[21], job[22]
    prescale = float_from(np.int32(job[23]))
    emin, drop, limit, floor = job[24], job[25], job[26], job[27]
    shift, sign, negate = job[28], job[29], job[30] != 0
    draws, sa, sr, sk = job[31] != 0, job[32], job[33], job[34]
    offset, stream, seed = job[35], job[36], job[37]

    runs, bands = (length + run - 1) // run, (rows + tile - 1) // tile
    width = (run + 31) & ~31
    numbers = np.empty((tile, width), np.int32)
    spare = np.zeros(tile * (width + 1) + 8 * width + SLACK, np.int32)
    columns = np.empty(width, np.int64)
    mult = np.empty(width // 16 + 2, np.int64)
    bad = np.empty(width // 16 + 2, np.uint8)
    unpacked = np.empty(width, np.uint8)
    starts = np.zeros(tile, np.int64)
    words = np.empty((tile, width + SLACK) if draws else (1, 1), np.int32)
    counters = np.empty((2 + tile // 4) * width + SLACK if draws else 1, np.int64)

    for t in range(lo, hi):
        if tile == 1:
            a, band, k0 = t // (runs * rows), t // runs % rows, t % runs * run
        else:
            a, band, k0 = t // (runs * bands), t % bands, t // bands % runs * run
        r0 = band * tile
        n, m = min(tile, rows - r0), min(run, length - k0)
        bytes_at = address_of(unpacked)
        count = (m + block - 1) // block
        wide = (count * block + 31) & ~31
        at = x + a * xa + r0 * xr + k0 * xk
        step = xr
        staged = not (xk == 4 and wide == m)
        if staged:
            if xr == 4 and tile == ROWS:
                stage_columns(at, xk, n, m, wide, spare, columns, numbers)
            else:
                stage_rows(at, xr, xk, n, m, wide, numbers)
            at, step = address_of(numbers), 4 * width
        if draws:
            first = offset + a * sa + r0 * sr + k0 * sk
            if sk == 1:
                words_along_rows(first, sr, n, m, stream, seed, counters, spare, words, starts)
            elif sr == 1 and tile == ROWS:
                words_across_rows(
                    first, sk, n, m, wide, stream, seed, counters, spare, columns, words, starts
                )
            else:
                words_one_by_one(first, sr, sk, n, m, stream, seed, words, starts)
        for r in range(n):
            row = a * rows + r0 + r
            here = at + r * step
            cell = row * blocks + k0 // block
            poisoned = False
            line = (a * group + (r0 + r) // height) * blocks + k0 // block
            for j in range(count):
                if multipliers != 0:
                    b = np.int64(get_int32(multipliers + 4 * (line + j)))
                    wrong = (b & 0x7FFFFFFF) > 0x7F800000
                else:
                    if block % 32 == 0:
                        top = amax32(here + 4 * j * block, block // 32)
                    else:
                        top = amax16(here + 4 * j * block, block // 16)
                    if amax != 0:
                        put_int32(amax + 4 * (cell + j), min(top, _INF))
                        continue
                    wrong = top >= _INF
                    if wrong:
                        code, b = scale_nan, np.int64(0)
                    else:
                        code = power_code(float_from(top), cap, strict, scale_emin, scale_max)
                        e = 127 - scale_emin - code
                        b = e << 23 if e > 0 else np.int64(0x400000)
                    put_byte(scales + cell + j, code)
                bad[j] = wrong
                if wrong:
                    poisoned = True
                for h in range(j * block // 16, (j + 1) * block // 16):
                    mult[h] = b
            if amax != 0:
                continue
            mult[count * block // 16] = 0
            source = here
            if prescale != np.float32(1):
                source = address_of(numbers) + 4 * r * width
                for k in range(wide):
                    v = float_from(get_int32(here + 4 * k)) * prescale
                    put_int32(source + 4 * k, bits_from(v))
            for u in range(wide // 32):
                at_u, words_u, to_u = source + 128 * u, starts[r] + 128 * u, bytes_at + 32 * u
                m0, m1 = mult[2 * u], mult[2 * u + 1]
                if not draws:
                    encode_nearest(at_u, m0, m1, 0, to_u, emin, drop, limit, floor, shift, sign)
                elif encode_stochastic(
                    at_u, m0, m1, words_u, to_u, emin, drop, limit, floor, shift, sign
                ):
                    encode_exact(at_u, m0, m1, words_u, to_u, emin, drop, limit, floor, shift, sign)
            if negate:
                for k in range(wide):
                    c = np.int32(unpacked[k])
                    c = (np.int32(sign) - c) & np.int32(2 * sign - 1) if c > sign else c
                    unpacked[k] = np.uint8(c & np.int32(sign - 1) if c == sign else c)
            if poisoned:
                for j in range(count):
                    if bad[j]:
                        zero_bytes(bytes_at + j * block, block)
            _pack(bytes_at, codes + row * pitch + k0 * bits // 8, count * block, bits)


@kernel(parallel=True)
def run_parallel(job: NDArray[np.int64], tiles: int, parts: int) -> None:
    """All tiles of a job, in ``parts`` pieces."""
    for p in prange(parts):
        run_tiles(job, tiles * p // parts, tiles * (p + 1) // parts)
