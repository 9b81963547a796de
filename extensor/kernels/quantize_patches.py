"""im2col fused with quantization: the patches of an image, packed, and never all in memory.

A convolution under a recipe multiplies the quantized patches (T, K) of its input, T = N Ho Wo,
K = C kh kw: along K in the forward product, along T in the weight gradient. Patches are kh kw
times as many numbers as the image, so they are gathered some at a time into a buffer of the
second-level cache, and the quantizer's tile loop runs on that.

The image is copied once, padded with zeros, so that gathering needs no bounds.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numba import prange
from numpy.typing import NDArray

from extensor.errors import ShapeError
from extensor.formats import Block
from extensor.jit import kernel
from extensor.kernels.address import address_of
from extensor.kernels.choice import Choice
from extensor.kernels.gather import SLACK, gather_columns, gather_rows, padded
from extensor.kernels.im2col import patches
from extensor.kernels.packed import Packed
from extensor.kernels.quantize.dispatch import check_choice, quantize
from extensor.kernels.quantize.fast import Job, run_tiles
from extensor.kernels.quantize.launch import RUN, prepare, quantize_from
from extensor.kernels.window import Pair, four, out_size
from extensor.noise import Key

BUFFER = 1 << 14
"""Gathered numbers at a time, about: 64 KiB."""
_X, _ROWS, _LENGTH, _TILE, _RUN = (
    Job._fields.index(name) for name in ("x", "rows", "length", "tile", "run")
)
_CODES, _BITS, _SCALES, _BLOCKS = (
    Job._fields.index(name) for name in ("codes", "bits", "scales", "blocks")
)
_BLOCK, _HEIGHT, _PITCH = (Job._fields.index(name) for name in ("block", "height", "pitch"))
_AMAX, _MULTIPLIERS = Job._fields.index("amax"), Job._fields.index("multipliers")
_DRAWS, _SR, _SK, _OFFSET = (Job._fields.index(name) for name in ("draws", "sr", "sk", "offset"))


@kernel()
def _run_on(buffer: NDArray[np.float32], job: NDArray[np.int64], tiles: int) -> None:
    """All tiles of a job on this buffer, which the caller keeps alive (an address does not)."""
    job[_X] = address_of(buffer)
    run_tiles(job, 0, tiles)


@kernel(parallel=True)
def _along_k(
    job: NDArray[np.int64], x: NDArray[np.float32], size: Pair, stride: Pair, out: Pair,
    chunk: int, pitch: int,
) -> None:  # fmt: skip
    """A job whose rows are patches, ``chunk`` rows at a time; the row step is 4 ``pitch``.

    A pitch is whole blocks, so packed rows lie one behind the other, and where no place in a row
    matters (no draws, no tiles) a chunk is quantized as one long row: rows of 25 are short.
    """
    rows = job[_ROWS]
    flat = job[_HEIGHT] == 1 and (job[_DRAWS] == 0 or job[_LENGTH] == pitch)
    for part in prange((rows + chunk - 1) // chunk):
        t0 = part * chunk
        t1 = min(rows, t0 + chunk)
        buffer = np.empty((t1 - t0) * pitch + SLACK, np.float32)
        gather_rows(x, size, stride, out, t0, t1, pitch, buffer)
        own = job.copy()
        own[_ROWS] = t1 - t0
        own[_CODES] += t0 * job[_PITCH]
        own[_SCALES] += t0 * job[_BLOCKS]
        if own[_AMAX] != 0:
            own[_AMAX] += 4 * t0 * job[_BLOCKS]
        if own[_MULTIPLIERS] != 0:
            own[_MULTIPLIERS] += 4 * (t0 // job[_HEIGHT]) * job[_BLOCKS]
        own[_OFFSET] += t0 * job[_SR]
        if flat:
            own[_ROWS], own[_LENGTH] = 1, (t1 - t0) * pitch
            own[_TILE], own[_RUN] = 1, job[_BLOCK] * max(1, RUN // job[_BLOCK])
        runs = (own[_LENGTH] + own[_RUN] - 1) // own[_RUN]
        _run_on(buffer, own, runs * ((own[_ROWS] + own[_TILE] - 1) // own[_TILE]))


@kernel(parallel=True)
def _along_t(
    job: NDArray[np.int64], x: NDArray[np.float32], size: Pair, stride: Pair, out: Pair,
    chunk: int,
) -> None:  # fmt: skip
    """A job whose rows are the columns of the patches, ``chunk`` places at a time."""
    length = job[_LENGTH]
    for part in prange((length + chunk - 1) // chunk):
        t0 = part * chunk
        t1 = min(length, t0 + chunk)
        buffer = np.empty(job[_ROWS] * chunk + SLACK, np.float32)
        gather_columns(x, size, stride, out, t0, t1, chunk, buffer)
        own = job.copy()
        own[_LENGTH] = t1 - t0
        own[_CODES] += t0 * job[_BITS] // 8
        own[_SCALES] += t0 // job[_BLOCK]
        if own[_AMAX] != 0:
            own[_AMAX] += 4 * (t0 // job[_BLOCK])
        if own[_MULTIPLIERS] != 0:
            own[_MULTIPLIERS] += 4 * (t0 // job[_BLOCK])
        own[_OFFSET] += t0 * job[_SK]
        runs = (t1 - t0 + job[_RUN] - 1) // job[_RUN]
        _run_on(buffer, own, runs * ((job[_ROWS] + job[_TILE] - 1) // job[_TILE]))


def quantize_patches(
    x: Any,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    *,
    fmt: Block,
    choice: Choice,
    key: Key | None = None,
    along: Literal["K", "T"] = "K",
    offset: int = 0,
    hadamard: int = 0,
    signs: Sequence[int] = (),
) -> Packed:
    """The patches of an image, quantized: bit for bit ``quantize`` of ``im2col.patches``.

    x
        (N, C, H, W), any memory order. Formats and choices without a fast quantizer, and float64,
        go through the whole patch matrix.
    kernel, stride, padding
        Pairs (height, width).
    along
        ``"K"``: rows are patches (T, K). ``"T"``: rows are the columns of that matrix (K, T), with
        blocks along T = N Ho Wo.
    offset
        Of the logical index, which is row-major in (T, K) for both.
    hadamard, signs
        Rotate by blocks of n first, along the blocks; the whole patch matrix is then made.

    >>> from extensor.formats import MXFP4
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> p = quantize_patches(x, (3, 3), fmt=MXFP4, choice=Choice())
    >>> p.codes.shape, quantize_patches(x, (3, 3), fmt=MXFP4, choice=Choice(), along="T").length
    ((4, 16), 4)

    Raises ShapeError for shapes that have no patches, and whatever ``quantize`` raises.
    """
    n, c, h, w = four("quantize_patches", "x", x.shape)
    out = out_size("quantize_patches", (h, w), kernel, stride, padding)
    if along not in ("K", "T"):
        raise ShapeError(f"quantize_patches: along={along!r}; allowed: 'K', 'T'")
    check_choice(fmt, choice, key)
    t, k = n * out[0] * out[1], c * kernel[0] * kernel[1]
    ready = prepare(fmt, choice)
    fused = ready.fast and ready.divide is None and x.dtype == np.float32 and t * k > 0
    fused = fused and not hadamard
    if not fused or (choice.nonfinite == "raise" and not np.isfinite(x).all()):
        matrix = patches(x, kernel, stride, padding)
        if along == "K":
            return quantize(matrix[None], fmt, choice, key, None, offset, hadamard, tuple(signs))
        strides = (0, 1, k)
        return quantize(matrix.T[None], fmt, choice, key, strides, offset, hadamard, tuple(signs))
    image = padded(x, padding)
    if along == "K":
        pitch = fmt.blocks(k) * fmt.length
        step = max(1, BUFFER // (pitch * fmt.shape[0])) * fmt.shape[0]

        def rows(job: Job, tiles: int, size: int) -> None:
            _along_k(np.array(job, np.int64), image, kernel, stride, out, step, pitch)

        return quantize_from((1, t, k), (0, 0, 4 * pitch, 4), rows, fmt, choice, key, None, offset)
    unit = int(np.lcm(fmt.length, 32))
    step = min(max(1, BUFFER // (unit * k)), -(-t // unit)) * unit

    def columns(job: Job, tiles: int, size: int) -> None:
        _along_t(np.array(job, np.int64), image, kernel, stride, out, step)

    memory = (0, 0, 4 * step, 4)
    return quantize_from((1, k, t), memory, columns, fmt, choice, key, (0, 1, k), offset)
