"""Where the CUDA quantizer of `cuda_places` finds its numbers and their random words.

Numbers: a matrix of any memory order, or the patches of images, which are never written down. Row
r, place k is element ``(k, r)`` of memory where a matrix is read along its columns; patches are
the rows (T, K) of im2col or their transpose.

Random words: element (r, k) has index ``offset + r sr + k sk``. A row-major matrix that is
quantized along its columns has sr = 1: eight or sixteen rows of one warp then share Philox
counters, which the warp works out once, in shared memory.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.kernels import ptx
from extensor.kernels.im2col_cuda import place, tap
from extensor.kernels.index_cuda import quotient, row_of
from extensor.kernels.quantize.cuda_noise import philox4

STRIDED, PATCH_ROWS, PATCH_COLUMNS = 0, 1, 2
"""Sources: a matrix; patches with blocks along K; patches with blocks along T."""
NONE, RUN, SHARED, SINGLE = 0, 1, 2, 3
"""Random words: none; of eight neighbours; shared by the rows of a warp; one at a time."""

_u32, _u64, _i64 = np.uint32, np.uint64, np.int64
_0, _4 = np.uint32(0), np.uint64(4)
WORDS = 20
"""Words of shared memory of a thread: of five counters, which hold 16 rows at any phase."""


_load_if = ptx.instruction(
    "{ .reg .pred p; setp.ne.u32 p, $2, 0; mov.b32 $0, 0; @p ld.global.nc.u32 $0, [$1]; }",
    (types.uint32,),
    (types.uint64, types.uint32),
    volatile=True,
)


@njit()
def _at(x: Any, there: Any) -> Any:
    """The bits of a float32, or zero."""
    return _load_if(x, _u32(there))


@njit()
def _strided(x: Any, jump: Any, count: Any) -> Any:
    """Eight numbers ``jump`` bytes apart, of which ``count`` exist."""
    x1 = x + jump
    x2, x3 = x1 + jump, x1 + jump + jump
    x4, x5 = x3 + jump, x3 + jump + jump
    x6, x7 = x5 + jump, x5 + jump + jump
    if count >= _u32(8):
        return (
            ptx.load32(x), ptx.load32(x1), ptx.load32(x2), ptx.load32(x3),
            ptx.load32(x4), ptx.load32(x5), ptx.load32(x6), ptx.load32(x7),
        )  # fmt: skip
    return (
        _at(x, count > _0), _at(x1, count > _u32(1)), _at(x2, count > _u32(2)),
        _at(x3, count > _u32(3)), _at(x4, count > _u32(4)), _at(x5, count > _u32(5)),
        _at(x6, count > _u32(6)), _0,
    )  # fmt: skip


@njit()
def _next(at: Any, high: Any, wide: Any) -> Any:
    """The next of the triples (plane, y, z), z below ``wide``, y below ``high``."""
    plane, y, z = at[0], at[1], _u32(at[2] + _u32(1))
    if z == wide:
        y, z = _u32(y + _u32(1)), _0
        if y == high:
            plane, y = _u32(plane + _u32(1)), _0
    return plane, y, z


@njit()
def _pixel(x: Any, at: Any, steps: Any, fixed: Any, size: Any, there: Any) -> Any:
    """The number at plane ``at[0] steps[0] + fixed[0]`` and the place alike; zero outside."""
    y = _u32(_u32(at[1] * steps[1]) + fixed[1])
    z = _u32(_u32(at[2] * steps[2]) + fixed[2])
    plane = _u32(_u32(at[0] * steps[0]) + fixed[0])
    index = _u32(_u32(_u32(_u32(plane * size[0]) + y) * size[1]) + z)
    return _at(x + _4 * _u64(index), there and y < size[0] and z < size[1])


@njit()
def _patch(source: int, x: Any, geo: Any, row: Any, k: Any, count: Any) -> Any:
    """Eight entries of the patches of images, from place k of a row on."""
    area, line, places = row_of(geo, 1), row_of(geo, 2), row_of(geo, 3)
    wide, steps, one = row_of(geo, 4), row_of(geo, 8), _u32(1)
    channels = row_of(geo, 7)[0]
    size = (area[3], wide[3])
    if source == PATCH_ROWS:
        channel = quotient(k, area[1], area[2])
        rest = _u32(k - _u32(channel * area[0]))
        u = quotient(rest, line[1], line[2])
        v0 = (channel, u, _u32(rest - _u32(u * line[0])))
        first = place(row, geo)
        fixed = (first[0], _u32(first[1] - steps[2]), _u32(first[2] - steps[3]))
        by, high, width = (one, one, one), line[3], line[0]
    else:
        image = quotient(k, places[1], places[2])
        rest = _u32(k - _u32(image * places[0]))
        i = quotient(rest, wide[1], wide[2])
        v0 = (image, i, _u32(rest - _u32(i * wide[0])))
        fixed = tap(row, geo)
        by, high, width = (channels, steps[0], steps[1]), places[3], wide[0]
    v1 = _next(v0, high, width)
    v2 = _next(v1, high, width)
    v3 = _next(v2, high, width)
    v4 = _next(v3, high, width)
    v5 = _next(v4, high, width)
    v6 = _next(v5, high, width)
    v7 = _next(v6, high, width)
    return (
        _pixel(x, v0, by, fixed, size, count > _0),
        _pixel(x, v1, by, fixed, size, count > _u32(1)),
        _pixel(x, v2, by, fixed, size, count > _u32(2)),
        _pixel(x, v3, by, fixed, size, count > _u32(3)),
        _pixel(x, v4, by, fixed, size, count > _u32(4)),
        _pixel(x, v5, by, fixed, size, count > _u32(5)),
        _pixel(x, v6, by, fixed, size, count > _u32(6)),
        _pixel(x, v7, by, fixed, size, count > _u32(7)),
    )


@njit()
def eight(
    source: int, x: Any, geo: Any, row_step: Any, step: Any, row: Any, k: Any, length: Any
) -> Any:
    """The bits of places k .. k + 7 of a row; zeros beyond its length.

    row_step, step
        Of a matrix, in numbers; geo: of patches, see `extensor.kernels.index_cuda.geometry`.
    """
    count = _u32(length - k) if k < length else _0
    if source == STRIDED:
        at = _i64(row) * row_step + _i64(k) * step
        return _strided(x + _4 * _u64(at), _4 * _u64(step), count)
    return _patch(source, x, geo, row, k, count)


@njit()
def _four(counter: Any, stream: Any, seed: Any) -> Any:
    """The words of a counter (int64)."""
    return philox4(_u32(counter), _u32(counter >> _i64(32)), stream, seed)


@njit()
def _word(index: Any, stream: Any, seed: Any) -> Any:
    """The word of one index."""
    w, i = _four(index >> _i64(2), stream, seed), index & _i64(3)
    low = w[1] if i == 1 else w[0]
    high = w[3] if i == 3 else w[2]
    return high if i > 1 else low


_put = ptx.instruction(
    "st.shared.v4.u32 [$0], {$1,$2,$3,$4};", (), (types.uint32,) * 5, volatile=True
)
_get = ptx.instruction("ld.shared.u32 $0, [$1];", (types.uint32,), (types.uint32,), volatile=True)


@njit()
def _shared(
    room: Any, lanes: int, lane: Any, top: Any, start: Any, sk: Any, stream: Any, seed: Any
) -> Any:
    """The words of eight places, whose counters the lanes of eight rows work out together.

    room
        Shared address of the warp's part. top: index of the warp's first row at place 0; start:
        the unit's first place.

    The lane of the row number j works out what all rows need at place ``start + j``: `WORDS` words
    from that of the first row's counter on.
    """
    rows, row = _u32(32 // lanes), _u32(lane // _u32(lanes))
    unit = _u32(lane & _u32(lanes - 1))
    j = _u32(row & _u32(7))
    counter = (top + (_i64(start) + _i64(j)) * sk) >> _i64(2)
    mine = _u32(room + _u32(_u32(_u32(j * _u32(lanes)) + unit) * _u32(4 * WORDS)))
    if rows == _u32(8):
        for m in range(3):
            w = _four(counter + _i64(m), stream, seed)
            _put(_u32(mine + _u32(16 * m)), w[0], w[1], w[2], w[3])
    else:
        part = _u32(0) if row < _u32(8) else _u32(3)
        while part < (_u32(3) if row < _u32(8) else _u32(5)):
            w = _four(counter + _i64(part), stream, seed)
            _put(_u32(mine + _u32(_u32(16) * part)), w[0], w[1], w[2], w[3])
            part = _u32(part + _u32(1))
    cuda.syncwarp()
    w = (
        _of_place(room, lanes, unit, row, _u32(0), top, start, sk),
        _of_place(room, lanes, unit, row, _u32(1), top, start, sk),
        _of_place(room, lanes, unit, row, _u32(2), top, start, sk),
        _of_place(room, lanes, unit, row, _u32(3), top, start, sk),
        _of_place(room, lanes, unit, row, _u32(4), top, start, sk),
        _of_place(room, lanes, unit, row, _u32(5), top, start, sk),
        _of_place(room, lanes, unit, row, _u32(6), top, start, sk),
        _of_place(room, lanes, unit, row, _u32(7), top, start, sk),
    )
    return w


@njit()
def _of_place(
    room: Any, lanes: int, unit: Any, row: Any, j: Any, top: Any, start: Any, sk: Any
) -> Any:
    phase = _u32((top + (_i64(start) + _i64(j)) * sk) & _i64(3))
    first = _u32(_u32(_u32(j * _u32(lanes)) + unit) * _u32(WORDS))
    return _get(_u32(room + _u32(_u32(4) * _u32(first + _u32(phase + row)))))


@njit()
def eight_words(
    words: int, room: Any, lanes: int, lane: Any, top: Any, row: Any, start: Any, offset: Any,
    sr: Any, sk: Any, stream: Any, seed: Any,
) -> Any:  # fmt: skip
    """The random words of places ``start .. start + 7`` of a row.

    words
        `RUN`: sk = 1 and ``offset + row sr`` is a multiple of 4. `SHARED`: sr = 1; top is the
        warp's first row, and all its lanes call. `SINGLE`: anything.
    """
    if words == SHARED:
        return _shared(room, lanes, lane, offset + _i64(top), start, sk, stream, seed)
    index = offset + _i64(row) * sr + _i64(start) * sk
    if words == RUN:
        counter = index >> _i64(2)
        return _four(counter, stream, seed) + _four(counter + _i64(1), stream, seed)
    return (
        _word(index, stream, seed),
        _word(index + sk, stream, seed),
        _word(index + sk * _i64(2), stream, seed),
        _word(index + sk * _i64(3), stream, seed),
        _word(index + sk * _i64(4), stream, seed),
        _word(index + sk * _i64(5), stream, seed),
        _word(index + sk * _i64(6), stream, seed),
        _word(index + sk * _i64(7), stream, seed),
    )
