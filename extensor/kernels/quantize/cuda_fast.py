"""The fast CUDA quantizer's front: FP4 and FP8 blocks of 16 or 32 in whole rows.

``None`` says that a format, a choice or a memory layout is not among what these kernels do; the
general kernel does everything. Nothing here waits for the GPU.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from extensor.backend import cupy, library_of, pointer
from extensor.capture import key_arguments
from extensor.formats import E2M1, E4M3, E5M2, E8M0, Block, Element
from extensor.formats.rounding import HARDWARE_ROUNDINGS
from extensor.kernels.choice import Choice
from extensor.kernels.cuda import CudaKernel, blocks_for
from extensor.kernels.hadamard import SIZES
from extensor.kernels.packed import Packed
from extensor.kernels.quantize.cuda_amax import BLOCKS, tensor_amax, tensor_levels
from extensor.kernels.quantize.cuda_fp8 import fp8_rows
from extensor.kernels.quantize.cuda_hardware import (
    mx_nearest,
    mx_stochastic,
    nv_nearest,
    nv_stochastic,
)
from extensor.kernels.quantize.cuda_load import BFLOAT16, FLOAT16, FLOAT32, THREADS, UNITS
from extensor.kernels.quantize.cuda_rows import mx_rows, nv_rows
from extensor.kernels.quantize.cuda_scales import cap_numbers
from extensor.noise import Key

SOURCES = {
    np.dtype(np.float32): FLOAT32,
    np.dtype(np.uint16): BFLOAT16,
    np.dtype(np.float16): FLOAT16,
}
E2M1_CODES = 0
ELEMENTS: dict[Element, int] = {E2M1: E2M1_CODES, E4M3: 1, E5M2: 2}
_LARGEST = 2**35
"""Elements from which unit numbers would not fit 32 bits."""


class Rows(NamedTuple):
    """Kernels for rows of E2M1 blocks that one kind of GPU has.

    has
        Whether a compute capability has them for a rounding.
    mx, nv
        The factories, with the arguments of `cuda_rows.mx_rows` and `cuda_rows.nv_rows`.
    """

    has: Callable[[tuple[int, int], str], bool]
    mx: Callable[..., CudaKernel]
    nv: Callable[..., CudaKernel]


E2M1_ROWS = (
    Rows(
        lambda at, how: how in HARDWARE_ROUNDINGS and at in ((10, 0), (10, 3)),
        mx_stochastic,
        nv_stochastic,
    ),
    Rows(lambda at, how: how == "nearest_even" and at[0] in (10, 12), mx_nearest, nv_nearest),
    Rows(lambda at, how: how not in HARDWARE_ROUNDINGS and at >= (8, 0), mx_rows, nv_rows),
)
"""In the order of preference. The second and the third give the same bits."""


@cache
def e2m1_rows(device: tuple[int, int], rounding: str) -> Rows | None:
    """The kernels for a compute capability and a rounding; None where there are none.

    >>> e2m1_rows((12, 0), "nearest_even").mx is mx_nearest
    True
    >>> e2m1_rows((9, 0), "nearest_even").mx is mx_rows
    True
    >>> e2m1_rows((9, 0), "stochastic_hardware"), e2m1_rows((12, 0), "stochastic_hardware")
    (None, None)
    """
    return next((rows for rows in E2M1_ROWS if rows.has(device, rounding)), None)


class Fast(NamedTuple):
    """What the kernels need of a format and a choice.

    element
        A value of `ELEMENTS`.
    power
        Whether scales are powers of two.
    lanes
        Units of eight in a block.
    draws, clip, up
        See `cuda_rows`.
    add, shift
        See `cuda_scales.power_scale`.
    alone, given
        Whether there is no tensor scale; the one that the caller gave, else 0.
    pre, prescale
        Whether there is a prescale, and it.
    """

    element: int
    power: bool
    lanes: int
    draws: int
    clip: int
    up: int
    add: int
    shift: int
    alone: int
    given: float
    pre: int
    prescale: float


@lru_cache(maxsize=256)
def fast_plan(fmt: Block, choice: Choice) -> Fast | None:
    """The plan of a format and a choice; None where the fast kernels do not have it.

    >>> from extensor.formats import MXFP4, MXINT8
    >>> fast_plan(MXFP4, Choice()).lanes, fast_plan(MXINT8, Choice())
    (4, None)
    """
    draws = int(choice.rounding == "stochastic")
    element = ELEMENTS.get(fmt.element)
    if (
        element is None
        or (element != E2M1_CODES and (draws or fmt.scale != E8M0))
        or fmt.shape not in ((1, 16), (1, 32))
        or not (choice.rounding == "nearest_even" or (draws and choice.sr_bits == 32))
        or not choice.saturate
        or choice.nonfinite != "propagate"
        or choice.beyond_cuda
        or not 2.0**-100 < choice.prescale < 2.0**100
    ):
        return None
    lanes, pre = fmt.length // 8, int(choice.prescale != 1.0)
    if fmt.scale == E8M0 and not fmt.tensor_scale:
        cap, strict = choice.cap(fmt.element)
        numbers = cap_numbers(cap, strict)
        if numbers is None:
            return None
        most = cap * choice.prescale
        clip = most > 6.0 if draws else most > 7.0 or (most == 7.0 and (pre or not strict))
        return Fast(
            element, True, lanes, draws, int(clip), 0, *numbers, 1, 0.0, pre, choice.prescale
        )
    if fmt.scale == E4M3 and choice.scale_rounding in ("nearest", "up"):
        alone = int(not fmt.tensor_scale or choice.tensor_scale is None)
        given = choice.tensor_scale if isinstance(choice.tensor_scale, (int, float)) else 0.0
        if given and not 2.0**-149 <= given < 2.0**127:
            return None
        up = int(choice.scale_rounding == "up")
        return Fast(element, False, lanes, draws, 1, up, 0, 0, alone, given, pre, choice.prescale)
    return None


@lru_cache(maxsize=256)
def row_plan(fmt: Block, choice: Choice) -> Fast | None:
    """`fast_plan`, and for a rounding that is an instruction the plan of its twin in software.

    >>> from extensor.formats import MXFP4
    >>> how = Choice(rounding="stochastic_hardware")
    >>> fast_plan(MXFP4, how), row_plan(MXFP4, how).draws
    (None, 1)
    """
    if choice.rounding in HARDWARE_ROUNDINGS:
        choice.check(fmt)
        choice = replace(choice, rounding="stochastic")
    return fast_plan(fmt, choice)


def sign_bits(signs: Sequence[int]) -> tuple[np.uint64, np.uint64]:
    """Up to 128 signs as bits, 1 for minus: the first 64, the others.

    >>> [hex(bits) for bits in sign_bits((-1, 1, 1, -1))]
    ['0x9', '0x0']
    """
    bits = sum(1 << i for i, s in enumerate(signs) if s < 0)
    return np.uint64(bits & 0xFFFFFFFFFFFFFFFF), np.uint64(bits >> 64)


def fits(x: Any, length: int) -> bool:
    """Whether an array's type, memory and row length suit the kernels."""
    return (
        x.ndim == 2
        and x.dtype in SOURCES
        and x.flags.c_contiguous
        and x.shape[1] % length == 0
        and 0 < x.size < _LARGEST
        and int(pointer(x)) % 16 == 0
    )


@cache
def capability() -> tuple[int, int]:
    """The compute capability of the device: (9, 0)."""
    return divmod(int(cupy().cuda.Device().compute_capability), 10)


def quantize_fast_cuda(
    x: Any,
    fmt: Block,
    choice: Choice,
    key: Key | None = None,
    offset: int = 0,
    hadamard: int = 0,
    signs: Sequence[int] = (),
) -> Packed | None:
    """Quantize the rows of a device matrix; None where these kernels do not have the case.

    x
        (R, K) float32, float16 or uint16 (bfloat16 codes), C-contiguous, K in whole blocks.
    key, offset
        Of stochastic rounding: element (r, k) has the word of index ``offset + r K + k``; the
        offset is a multiple of 4.
    hadamard, signs
        Rotate by blocks of n first, see `extensor.kernels.hadamard`; K is a multiple of n.
    """
    p = row_plan(fmt, choice)
    if p is None or not fits(x, fmt.length) or offset % 4:
        return None
    if hadamard and (hadamard not in SIZES or x.shape[1] % hadamard):
        return None
    rows_of = e2m1_rows(capability(), choice.rounding)
    if rows_of is None or (p.element != E2M1_CODES and capability() < (9, 0)):
        return None
    first = offset // 4
    if p.draws and first % 2**32 + x.size // 4 > 2**32:
        return None
    library, (rows, length) = library_of(x), x.shape
    codes = library.empty((rows, fmt.row_bytes(length)), np.uint8)
    scales = library.empty((rows, length // fmt.length), np.uint8)
    source, units, turn = SOURCES[x.dtype], np.uint32(x.size // 8), sign_bits(signs)
    noise = (
        np.float32(p.prescale), np.uint32(first % 2**32), np.uint32(first >> 32),
        *key_arguments(key if p.draws else None),
    )  # fmt: skip
    blocks, stored = blocks_for(int(units), UNITS), None
    memory = (pointer(x), pointer(codes), pointer(scales), units)
    cap = (np.uint32(p.add), np.uint32(p.shift))
    if p.element != E2M1_CODES:
        kernel = fp8_rows(source, p.lanes, p.element - 1, p.pre, hadamard)
        kernel.launch(blocks, THREADS, *memory, *cap, np.float32(p.prescale), *turn)
    elif p.power:
        kernel = rows_of.mx(source, p.lanes, p.draws, p.clip, p.pre, hadamard)
        kernel.launch(blocks, THREADS, *memory, *cap, *noise, *turn)
    else:
        at = np.uint64(0)
        if not p.alone:
            stored, at = tensor_level(x, p, units, hadamard, turn)
        kernel = rows_of.nv(source, p.lanes, p.draws, p.up, p.alone, p.pre, hadamard)
        kernel.launch(blocks, THREADS, *memory, at, *noise, *turn)
    return Packed(codes, scales, stored, fmt, length, rows)


def tensor_level(x: Any, p: Fast, units: Any, hadamard: int, turn: Any) -> tuple[Any, Any]:
    """The stored tensor scale, (1,) float32 on the device, and the address of s_enc and it."""
    library = library_of(x)
    amax, both = library.zeros(1, np.uint32), library.empty(2, np.float32)
    if not p.given:
        pieces = blocks_for(int(units), UNITS)
        blocks = min(BLOCKS, pieces)
        rounds = np.int32(blocks_for(pieces, blocks))
        kernel = tensor_amax(SOURCES[x.dtype], p.lanes, hadamard)
        kernel.launch(blocks, THREADS, pointer(x), units, rounds, *turn, pointer(amax))
    tensor_levels.launch(1, 1, pointer(amax), np.float32(p.given), pointer(both))
    return both[1:], pointer(both)
