"""The front of `cuda_places`: E2M1 blocks of a matrix in any memory order, or of patches.

``None`` says that a format or a choice is not among what the kernels do. Nothing waits for the GPU.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from extensor.backend import contiguous, library_of, pointer
from extensor.capture import key_arguments
from extensor.formats import Block
from extensor.kernels.choice import Choice
from extensor.kernels.cuda import blocks_for
from extensor.kernels.hadamard import SIZES
from extensor.kernels.index_cuda import LIMIT, divisor, geometry
from extensor.kernels.packed import Packed
from extensor.kernels.quantize.cuda_amax import BLOCKS, tensor_levels
from extensor.kernels.quantize.cuda_fast import (
    E2M1_CODES,
    Fast,
    capability,
    fast_plan,
    sign_bits,
)
from extensor.kernels.quantize.cuda_places import THREADS, amax_places, e2m1_places
from extensor.kernels.quantize.cuda_source import (
    NONE,
    PATCH_COLUMNS,
    PATCH_ROWS,
    RUN,
    SHARED,
    SINGLE,
    STRIDED,
)
from extensor.kernels.window import Pair
from extensor.noise import Key

WARPS = THREADS // 32
TILES = ((16, 16), (8, 32))
"""Shapes of tiles that are one warp."""


class Source(NamedTuple):
    """Rows of numbers, as the kernels take them.

    kind
        See `cuda_source`.
    x, geo
        Arrays on the device; geo only for patches.
    row_step, step
        Of a matrix, in numbers.
    rows, length
        How many, and of how many numbers.
    close
        Whether neighbouring rows lie closer in memory than neighbouring places.
    """

    kind: int
    x: Any
    geo: Any
    row_step: int
    step: int
    rows: int
    length: int
    close: bool


class Words(NamedTuple):
    """The random words: element (r, k) has that of ``offset + r sr + k sk``."""

    key: Key | None
    offset: int
    sr: int
    sk: int


def matrix(x: Any) -> Source | None:
    """A float32 device matrix (R, K) in any memory order; None for other types."""
    if x.dtype != np.float32 or x.ndim != 2 or any(s % 4 for s in x.strides):
        return None
    row_step, step = (s // 4 for s in x.strides)
    rows, length = x.shape
    return Source(STRIDED, x, None, row_step, step, rows, length, abs(row_step) < abs(step))


def patches(x: Any, kernel: Pair, stride: Pair, padding: Pair, out: Pair, along: str) -> Source:
    """The patches of float32 images (N, C, H, W), with blocks along ``"K"`` or ``"T"``."""
    n, c, h, w = x.shape
    geo = geometry((c, h, w), kernel, stride, padding, out)
    t, k = n * out[0] * out[1], c * kernel[0] * kernel[1]
    x = contiguous(x)
    if along == "K":
        return Source(PATCH_ROWS, x, geo, 0, 0, t, k, False)
    return Source(PATCH_COLUMNS, x, geo, 0, 0, k, t, False)


def quantize_anywhere_cuda(
    source: Source,
    fmt: Block,
    choice: Choice,
    words: Words,
    hadamard: int = 0,
    signs: Sequence[int] = (),
) -> Packed | None:
    """Quantize the rows of a source; None where these kernels do not have the case."""
    tile = fmt.shape[0] > 1
    if tile and (hadamard or fmt.shape not in TILES):
        return None
    p = fast_plan(replace(fmt, shape=(1, fmt.length)) if tile else fmt, choice)
    if p is None or p.element != E2M1_CODES or capability() < (8, 0):
        return None
    rows, length, blocks = source.rows, source.length, fmt.blocks(source.length)
    if hadamard and (hadamard not in SIZES or hadamard > fmt.length or length % hadamard):
        return None
    if not rows * length or rows * blocks * p.lanes >= LIMIT or source.x.size >= LIMIT:
        return None
    library = library_of(source.x)
    codes = library.empty((rows, fmt.row_bytes(length)), np.uint8)
    scales = library.empty((-(-rows // fmt.shape[0]), blocks), np.uint8)
    mode, along = _mode(source, p, words)
    along = 1 if tile else along
    groups = -(-rows // (32 // p.lanes)) if along else 1
    tasks = groups * blocks if along else blocks_for(rows * blocks, 32 // p.lanes)
    where = (
        pointer(source.x), np.uint64(0) if source.geo is None else pointer(source.geo),
        source.row_step, source.step, rows, length, *divisor(blocks), *divisor(groups),
    )  # fmt: skip
    turn, stored, at = sign_bits(signs), None, np.uint64(0)
    if not p.power and not p.alone:
        amax, both = library.zeros(1, np.uint32), library.empty(2, np.float32)
        if not p.given:
            some = min(blocks_for(tasks, WARPS), BLOCKS)
            amax_places(source.kind, along, p.lanes, hadamard, int(tile)).launch(
                some, THREADS, *where, blocks_for(tasks, some * WARPS), *turn, pointer(amax)
            )
        tensor_levels.launch(1, 1, pointer(amax), np.float32(p.given), pointer(both))
        stored, at = both[1:], pointer(both)
    e2m1_places(
        source.kind, along, p.lanes, mode, p.clip, int(p.power), p.up, p.alone, p.pre, hadamard,
        int(tile),
    ).launch(
        blocks_for(tasks, WARPS), THREADS, *where,
        pointer(codes), pointer(scales), p.add, p.shift, at, np.float32(p.prescale),
        words.offset, words.sr, words.sk, *key_arguments(words.key if p.draws else None), *turn,
    )  # fmt: skip
    return Packed(codes, scales, stored, fmt, length, rows)


def _mode(source: Source, p: Fast, words: Words) -> tuple[int, int]:
    """How random words are found, and whether a warp has neighbouring rows."""
    if not p.draws:
        return NONE, int(source.close)
    if words.sr == 1 and words.sk != 1:
        return SHARED, 1
    if words.sk == 1 and words.sr % 4 == 0 and words.offset % 4 == 0:
        return RUN, int(source.close)
    return SINGLE, int(source.close)
