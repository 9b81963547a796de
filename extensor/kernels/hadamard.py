"""The random Hadamard transform ``x diag(s) H_n / sqrt(n)`` along rows, by blocks of n.

The order of the arithmetic is fixed, so that every device gives the same bits (numerics.md,
section 5): signs first, butterflies in float32 with strides 1, 2, 4, ..., one multiply by
float32(1 / sqrt(n)) at the end. A tail is rotated by the powers of two of its length, the largest
first (84 = 64 + 16 + 4), each with the first signs of s. Signs after H would make the errors of
round-to-nearest the same in every draw.

>>> hadamard(np.ones((1, 1, 16), np.float32), 16)[0, :3].tolist()
[4.0, 0.0, 0.0]
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import get_num_threads, prange, types
from numpy.typing import NDArray

from extensor.errors import FormatError, ShapeError
from extensor.jit import kernel
from extensor.kernels.address import address, address_of, float_from, get_int32
from extensor.kernels.ir import (
    F32,
    I32,
    const,
    const_each,
    i64,
    intrinsic,
    load_at,
    store_at,
    vector,
)
from extensor.kernels.tiles import ROWS, stage_columns, stage_rows

SIZES = (16, 32, 64, 128)
"""The sizes of a block; smaller powers of two rotate tails."""
RUN = 1024
"""Elements of a tile, a multiple of every size."""
PARALLEL = 1 << 15
"""Elements from which the work is shared among threads."""
_LANES = 8


def hadamard_reference(x: Any, n: int, signs: Any = None) -> NDArray[np.float32]:
    """`hadamard`, by its definition in NumPy."""
    rows = np.array(x, np.float32, order="C").reshape(-1, x.shape[-1])
    none = signs is None or len(signs) == 0
    s = np.ones(n, np.float32) if none else np.asarray(signs, np.float32)
    start = 0
    while start < rows.shape[1]:
        size = min(n, 1 << ((rows.shape[1] - start).bit_length() - 1))
        v = rows[:, start : start + size] * s[:size]
        h = 1
        while h < size:
            pairs = v.reshape(len(v), -1, 2, h)
            v = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], 2)
            h *= 2
        scale = np.float32(1 / np.sqrt(size))
        rows[:, start : start + size] = v.reshape(len(rows), size) * scale
        start += size
    return rows


def _rotate(n: int) -> Any:
    @intrinsic
    def rotate(typing: Any, x: Any, signs: Any, out: Any) -> Any:
        """A block of n float32 at address ``x``, rotated, to ``out``; they may be the same."""

        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            floats, ints = vector(F32, _LANES), vector(I32, _LANES)

            def at(base: Any, i: int) -> Any:
                return b.add(base, i64(4 * _LANES * i))

            v = [
                b.fmul(load_at(b, at(args[0], i), floats), load_at(b, at(args[1], i), floats))
                for i in range(n // _LANES)
            ]
            for h in (1, 2, 4):
                flips = [-(2**31) if lane & h else 0 for lane in range(_LANES)]
                partner = const_each(I32, [lane ^ h for lane in range(_LANES)])
                for i, w in enumerate(v):
                    own = b.bitcast(b.xor(b.bitcast(w, ints), const_each(I32, flips)), floats)
                    v[i] = b.fadd(b.shuffle_vector(w, w, partner), own)
            h = 1
            while h < len(v):
                for i in range(len(v)):
                    if not i & h:
                        v[i], v[i + h] = b.fadd(v[i], v[i + h]), b.fsub(v[i], v[i + h])
                h *= 2
            scale = const(F32, _LANES, float(np.float32(1 / np.sqrt(n))))
            for i, w in enumerate(v):
                store_at(b, at(args[2], i), b.fmul(w, scale))
            return ctx.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64), generate

    return rotate


rotate8, rotate16, rotate32 = _rotate(8), _rotate(16), _rotate(32)
rotate64, rotate128 = _rotate(64), _rotate(128)


@kernel()
def _rotate_small(x: int, signs: int, out: NDArray[np.float32]) -> None:
    """A block of 1, 2 or 4 numbers."""
    n = out.size
    for k in range(n):
        out[k] = float_from(get_int32(x + 4 * k)) * float_from(get_int32(signs + 4 * k))
    h = 1
    while h < n:
        for i in range(0, n, 2 * h):
            for k in range(i, i + h):
                a, c = out[k], out[k + h]
                out[k], out[k + h] = a + c, a - c
        h *= 2
    scale = np.float32(1.0 / np.sqrt(np.float64(n)))
    for k in range(n):
        out[k] = out[k] * scale


@kernel()
def rotate_run(x: int, n: int, signs: int, out: NDArray[np.float32]) -> None:
    """A run of numbers at address ``x`` into ``out``: blocks of n, then the tail."""
    start, to, length = 0, address_of(out), out.size
    while start < length:
        size = n
        while size > length - start:
            size >>= 1
        at, into = x + 4 * start, to + 4 * start
        if size == 128:
            rotate128(at, signs, into)
        elif size == 64:
            rotate64(at, signs, into)
        elif size == 32:
            rotate32(at, signs, into)
        elif size == 16:
            rotate16(at, signs, into)
        elif size == 8:
            rotate8(at, signs, into)
        else:
            _rotate_small(at, signs, out[start : start + size])
        start += size


@kernel()
def _tiles(
    x: int,
    steps: NDArray[np.int64],
    n: int,
    signs: NDArray[np.float32],
    out: NDArray[np.float32],
    lo: int,
    hi: int,
) -> None:
    """Tiles ``lo .. hi``. steps: bytes along A, R, K; R; rows and elements of a tile."""
    xa, xr, xk, rows, tile, run = steps[0], steps[1], steps[2], steps[3], steps[4], steps[5]
    length = out.shape[1]
    runs, bands = (length + run - 1) // run, (rows + tile - 1) // tile
    numbers = np.empty((tile, run), np.int32)
    spare = np.zeros(ROWS * (run + 1) if tile > 1 else 1, np.int32)
    columns = np.empty(run, np.int64)
    s = address_of(signs)
    for t in range(lo, hi):
        if tile == 1:
            a, band, k0 = t // (runs * rows), t // runs % rows, t % runs * run
        else:
            a, band, k0 = t // (runs * bands), t % bands, t // bands % runs * run
        r0 = band * tile
        count, m = min(tile, rows - r0), min(run, length - k0)
        at, step = x + a * xa + r0 * xr + k0 * xk, xr
        if xk != 4:
            if tile > 1:
                stage_columns(at, xk, count, m, (m + 7) & ~7, spare, columns, numbers)
            else:
                stage_rows(at, xr, xk, count, m, m, numbers)
            at, step = address_of(numbers), 4 * run
        for r in range(count):
            to = out[a * rows + r0 + r, k0 : k0 + m]
            rotate_run(at + r * step, n, s, to)


@kernel(parallel=True)
def _parallel(
    x: int,
    steps: NDArray[np.int64],
    n: int,
    signs: NDArray[np.float32],
    out: NDArray[np.float32],
    tiles: int,
    parts: int,
) -> None:
    for p in prange(parts):
        _tiles(x, steps, n, signs, out, tiles * p // parts, tiles * (p + 1) // parts)


def check(
    shape: tuple[int, ...], n: int, signs: Sequence[int] | Any
) -> tuple[tuple[int, int, int], NDArray[np.float32]]:
    """The shape as (A, R, K) and the n signs as float32; else FormatError or ShapeError.

    >>> check((2, 3), 16, None)[0]
    (1, 2, 3)
    """
    if n not in SIZES:
        raise FormatError(f"hadamard: n={n}; allowed: {', '.join(map(str, SIZES))}")
    s = np.ones(n, np.float32)
    if signs is not None and len(signs):
        if len(signs) != n:
            raise ShapeError(f"hadamard: {len(signs)} signs for n={n}; allowed: {n} or none")
        s[:] = signs
    if len(shape) not in (2, 3):
        raise ShapeError(f"hadamard: shape {shape}; allowed: (A, R, K) or (rows, K)")
    matrices, rows, length = (1, *shape) if len(shape) == 2 else shape
    return (matrices, rows, length), s


def hadamard(x: Any, n: int, signs: Sequence[int] | Any = None) -> NDArray[np.float32]:
    """Rotate rows by blocks of n.

    x
        (A, R, K) or (rows, K), any memory strides; taken as float32.
    n
        16, 32, 64 or 128.
    signs
        n numbers +1 or -1; none for all +1.
    Returns (A R, K) float32, C-contiguous. Raises FormatError and ShapeError.
    """
    x = np.asarray(x, np.float32)
    (matrices, rows, length), s = check(x.shape, n, signs)
    x = x[None] if x.ndim == 2 else x
    out = np.empty((matrices * rows, length), np.float32)
    if not out.size:
        return out
    turned = x.strides[1] == 4 and x.strides[2] != 4
    tile, run = (ROWS, 128) if turned else (1, RUN)
    tiles = matrices * -(-rows // tile) * -(-length // run)
    steps = np.array((*x.strides, rows, tile, run), np.int64)
    if out.size < PARALLEL or get_num_threads() == 1:
        _tiles(address(x), steps, n, s, out, 0, tiles)
    else:
        _parallel(address(x), steps, n, s, out, tiles, min(tiles, 4 * get_num_threads()))
    return out
