"""CUDA kernels that quantize E2M1 blocks of numbers from anywhere: see `cuda_source`.

The other fast kernels (`cuda_rows`, `cuda_both`) stream whole rows; these take ragged lengths, any
memory order and the patches of images. A thread has one unit of eight places of a row, the lanes
of a block lie side by side, and a warp has either blocks that follow each other (``turned`` 0) or
one block of neighbouring rows (1), whichever its numbers, or random words, lie together in.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.kernels import ptx
from extensor.kernels.cuda import CudaKernel, cuda_kernel
from extensor.kernels.index_cuda import quotient
from extensor.kernels.keys_cuda import key_words
from extensor.kernels.quantize.cuda_amax import keep_largest
from extensor.kernels.quantize.cuda_load import over_lanes, signs_of, turned
from extensor.kernels.quantize.cuda_rows import amax_of, nv_levels, nv_scale, prescaled, put
from extensor.kernels.quantize.cuda_scales import power_scale
from extensor.kernels.quantize.cuda_source import WORDS, eight, eight_words
from extensor.kernels.quantize.cuda_tile import eight_codes

THREADS = 256
_WARPS = THREADS // 32
_u32, _u64, _i64, _f32 = types.uint32, types.uint64, types.int64, types.float32
_SOURCE = (_u64, _u64, _i64, _i64, _u32, _u32, *(_u32,) * 3, *(_u32,) * 3)
"""x, geo, row_step, step, rows, length, and two divisors: blocks of a row, groups of rows."""
_INF = np.uint32(0x7F800000)
# 9.7.13.10 redux.sync, over all 32 lanes.
warp_largest = ptx.instruction(
    "redux.sync.max.u32 $0, $1, 0xffffffff;", (_u32,), (_u32,), volatile=True
)
_room = ptx.shared_room("random_words", _WARPS * 8 * 4 * WORDS * 4)


@njit()
def _here(
    along: int, lanes: int, warp: Any, rows: Any, blocks: Any, blocks_m: Any, blocks_s: Any,
    groups: Any, groups_m: Any, groups_s: Any,
) -> Any:  # fmt: skip
    """(the warp's first row, this thread's row, its block, whether it exists)."""
    each = np.uint32(32 // lanes)
    mine = np.uint32(np.uint32(cuda.threadIdx.x & np.int32(31)) // np.uint32(lanes))
    if along:
        block = quotient(warp, groups_m, groups_s)
        top = np.uint32(np.uint32(warp - np.uint32(block * groups)) * each)
        row = np.uint32(top + mine)
        there = row < rows and block < blocks
        return top, min(row, np.uint32(rows - np.uint32(1))), block, there
    item = np.uint32(np.uint32(warp * each) + mine)
    row = quotient(item, blocks_m, blocks_s)
    block = np.uint32(item - np.uint32(row * blocks))
    return row, min(row, np.uint32(rows - np.uint32(1))), block, row < rows


@njit()
def _shared_amax(v: Any, lanes: int, tile: int, there: Any) -> Any:
    """The amax of a block, or of a tile: then of the units of a warp that exist."""
    a = amax_of(v)
    if tile:
        return warp_largest(a if there else np.uint32(0))
    return over_lanes(lanes, a)


@njit()
def _put_tile(
    codes: Any, scale: Any, at: Any, lane: Any, there: Any, amax: Any, word: Any, code: Any,
    nan_code: int,
) -> None:  # fmt: skip
    """Store a unit's codes, and by the first lane the scale of the tile."""
    if amax >= _INF:
        word, code = np.uint32(0), np.uint32(nan_code)
    if there:
        ptx.store32(codes + np.uint64(4) * np.uint64(at), word)
        if lane == np.uint32(0):
            ptx.store8(scale, code)


@cache
def e2m1_places(
    source: int, along: int, lanes: int, words: int, clip: int, power: int, up: int, alone: int,
    pre: int, n: int, tile: int = 0,
) -> CudaKernel:  # fmt: skip
    """Quantize every block of a source.

    source, words
        See `cuda_source`; words also says whether rounding is stochastic.
    along
        Whether a warp has neighbouring rows.
    power
        Whether scales are powers of two (then ``add`` and ``shift`` count); else E4M3 with ``up``,
        ``alone`` and ``levels``.
    lanes, clip, up, alone, pre, n
        See `cuda_rows`; n is at most the length of a block.
    tile
        Whether the rows of a warp share their scale: tiles of 16 x 16 (lanes 2) or 8 x 32.
    """

    @cuda_kernel(
        *_SOURCE, _u64, _u64, _u32, _u32, _u64, _f32, _i64, _i64, _i64, _u64, _u64, _u64,
        _u64, _u64, needs=(8, 0),
        constants=(source, along, lanes, words, clip, power, up, alone, pre, n, tile),
    )  # fmt: skip
    def places(
        x: Any, geo: Any, row_step: Any, step: Any, rows: Any, length: Any,
        blocks: Any, blocks_m: Any, blocks_s: Any, groups: Any, groups_m: Any, groups_s: Any,
        codes: Any, scales: Any, add: Any, shift: Any, levels: Any, prescale: Any,
        offset: Any, sr: Any, sk: Any, key: Any, stream: Any, seed: Any,
        signs_0: Any, signs_1: Any,
    ) -> None:  # fmt: skip
        if words:
            stream, seed = key_words(key, stream, seed)
        thread = np.uint32(cuda.threadIdx.x)
        inside = np.uint32(thread >> np.uint32(5))
        warp = np.uint32(np.uint32(cuda.blockIdx.x) * np.uint32(_WARPS) + inside)
        top, row, block, there = _here(
            along, lanes, warp, rows, blocks, blocks_m, blocks_s, groups, groups_m, groups_s
        )
        lane = np.uint32(thread & np.uint32(31))
        unit = np.uint32(np.uint32(block * np.uint32(lanes)) + (lane & np.uint32(lanes - 1)))
        k = np.uint32(unit * np.uint32(8))
        v = eight(source, x, geo, row_step, step, row, k, length)
        w = v
        if words:
            room = np.uint32(0)
            if words == 2:
                room = np.uint32(_room() + inside * np.uint32(8 * lanes * WORDS * 4))
            w = eight_words(words, room, lanes, lane, top, row, k, offset, sr, sk, stream, seed)
        if n:
            v = turned(n, v, signs_of(n, signs_0, signs_1, unit))
        a = _shared_amax(v, lanes, tile, there)
        v = prescaled(pre, v, prescale)
        if power:
            code, m = power_scale(a, add, shift)
        else:
            factor, decoding = nv_levels(alone, levels)
            code, m = nv_scale(a, up, alone, factor, decoding)
        word = eight_codes(v, m, words, clip, w)
        first = np.uint32(np.uint32(row * blocks) * np.uint32(lanes))
        at = np.uint32(first + unit)
        if tile:
            first = np.uint32(np.uint32(top // np.uint32(32 // lanes)) * blocks)
            own = scales + np.uint64(np.uint32(first + block))
            _put_tile(codes, own, at, lane, there, a, word, code, 255 if power else 127)
        else:
            count = np.uint32(at + np.uint32(1)) if there else np.uint32(0)
            put(codes, scales, at, count, lanes, a, word, code, 255 if power else 127)

    return places


@cache
def amax_places(source: int, along: int, lanes: int, n: int, tile: int = 0) -> CudaKernel:
    """The largest amax of the finite blocks of a source, into a uint32 that was 0.

    Each warp does ``rounds`` of its tasks, a grid apart.
    """

    @cuda_kernel(
        *_SOURCE, _u32, _u64, _u64, _u64, needs=(8, 0), constants=(source, along, lanes, n, tile)
    )
    def amax(
        x: Any, geo: Any, row_step: Any, step: Any, rows: Any, length: Any,
        blocks: Any, blocks_m: Any, blocks_s: Any, groups: Any, groups_m: Any, groups_s: Any,
        rounds: Any, signs_0: Any, signs_1: Any, out: Any,
    ) -> None:  # fmt: skip
        thread, largest = np.uint32(cuda.threadIdx.x), np.uint32(0)
        lane = np.uint32(thread & np.uint32(31))
        warp = np.uint32(np.uint32(cuda.blockIdx.x) * np.uint32(_WARPS))
        warp = np.uint32(warp + np.uint32(thread >> np.uint32(5)))
        for _ in range(rounds):
            _top, row, block, there = _here(
                along, lanes, warp, rows, blocks, blocks_m, blocks_s, groups, groups_m, groups_s
            )
            unit = np.uint32(np.uint32(block * np.uint32(lanes)) + (lane & np.uint32(lanes - 1)))
            k = np.uint32(unit * np.uint32(8))
            v = eight(source, x, geo, row_step, step, row, k, length)
            if n:
                v = turned(n, v, signs_of(n, signs_0, signs_1, unit))
            a = _shared_amax(v, lanes, tile, there)
            largest = max(largest, a if there and a < _INF else np.uint32(0))
            warp = np.uint32(warp + np.uint32(np.uint32(cuda.gridDim.x) * np.uint32(_WARPS)))
        keep_largest(out, largest, lane)

    return amax


for _one in (
    (0, 1, 4, 2, 0, 1, 0, 0, 0, 0), (1, 0, 4, 0, 0, 1, 0, 0, 0, 0), (2, 1, 4, 2, 0, 1, 0, 0, 0, 0),
    (0, 1, 2, 2, 1, 0, 1, 0, 0, 16), (2, 0, 2, 0, 1, 0, 0, 0, 0, 16),
    (0, 0, 2, 1, 1, 0, 1, 1, 1, 0), (0, 0, 4, 3, 1, 1, 0, 0, 0, 0),
):  # fmt: skip
    e2m1_places(*_one)  # listed, so that tests compile them
e2m1_places(0, 1, 2, 0, 1, 0, 0, 0, 0, 0, tile=1)
for _two in ((0, 0, 2, 0), (0, 1, 2, 16), (2, 0, 2, 16), (0, 1, 2, 0, 1)):
    amax_places(*_two)
