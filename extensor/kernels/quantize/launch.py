"""The fast quantizer's front: what it supports, and how an array becomes a `fast.Job`."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import get_num_threads
from numpy.typing import NDArray

from extensor.formats import Block, Element
from extensor.kernels.address import address
from extensor.kernels.choice import Choice
from extensor.kernels.dequantize.general import value_table
from extensor.kernels.packed import Packed
from extensor.kernels.quantize.fast import Job, run_parallel, run_tiles
from extensor.kernels.quantize.fast_scales import encode_scales, encode_some, largest_finite
from extensor.kernels.quantize.levels import levels, scale_array
from extensor.kernels.quantize.plan import FLT_MAX, SCALE_DRAWS, Plan, plan
from extensor.kernels.quantize.scale import Strides, Where, block_scales, where
from extensor.kernels.quantize.vector import Steps, steps
from extensor.kernels.tiles import ROWS
from extensor.noise import Key

PARALLEL = 1 << 15
"""Elements from which the work is shared among threads."""
SHORT = 64
"""Elements of a row up to which several rows are done together."""
RUN = 1024
"""Elements of a tile, about: its numbers, words and codes stay in the first-level cache."""


@lru_cache(maxsize=256)
def supports(fmt: Block, choice: Choice) -> bool:
    """Whether the fast kernel gives the bits of the general one for this format and choice.

    >>> from extensor.formats import MXFP4, NVFP4
    >>> supports(MXFP4, Choice()), supports(NVFP4, Choice(rounding="stochastic"))
    (True, True)
    >>> supports(MXFP4, Choice(rounding="up")), supports(MXFP4, Choice(nonfinite="saturate"))
    (False, False)
    """
    scale = fmt.scale
    if scale.bits > 8 or scale.facts.nan_code < 0 or fmt.element.facts.origin:
        return False
    if scale.is_power_of_two:
        low = scale.facts.emin
        fits = low >= -127 and low + scale.facts.max_code <= 127
    else:
        fits = not scale.facts.origin and _within(scale)
    draws = choice.rounding == "stochastic" and choice.sr_bits == 32
    if choice.search or choice.scale_min or choice.arithmetic != "multiply":
        return False
    if choice.tensor_scale == "row":
        return False
    return (
        fits
        and _within(fmt.element)
        and fmt.length % 16 == 0
        and fmt.length <= RUN
        and (draws or choice.rounding == "nearest_even")
        and choice.saturate
        and choice.nonfinite != "saturate"
    )


def _within(element: Element) -> bool:
    """Whether a format lies well inside of float32, and even codes are even counts of steps."""
    facts = element.facts
    return facts.mantissa > 0 and facts.emin - facts.mantissa >= -60 and element.emax <= 60


class Ready(NamedTuple):
    """All that a call needs of a format and a choice, looked up once.

    plan
        Numbers for the general kernel.
    fast, draws
        Whether the fast kernel does it; whether its elements are rounded stochastically.
    stored
        The tensor scale that is stored, where the numbers do not decide it.
    divide
        The number by which a tensor scale that was given multiplies all input (power-of-two
        scales); None where there is none.
    cap, prescale, element
        Bits of float64 and float32, and the constants of the element, for `fast.Job`.
    bits
        Of a packed code.
    scale_steps, scale_table
        The constants and the values of a scale format with a mantissa.
    """

    plan: Plan
    fast: bool
    draws: bool
    stored: float | None
    divide: Any
    cap: int
    prescale: int
    element: Steps
    bits: int
    scale_steps: NDArray[np.int64]
    scale_table: NDArray[np.float32]


@lru_cache(maxsize=256)
def prepare(fmt: Block, choice: Choice) -> Ready:
    """What a call needs; raises FormatError where format and choice do not go together."""
    p = plan(fmt, choice)
    given = choice.tensor_scale if isinstance(choice.tensor_scale, (int, float)) else None
    divide = None
    if p.power and given is not None:
        with np.errstate(over="ignore", divide="ignore"):
            divide = np.minimum(np.float32(1) / np.float32(given), FLT_MAX)
    return Ready(
        plan=p,
        fast=supports(fmt, choice),
        draws=choice.rounding == "stochastic",
        stored=levels(np.zeros((1, 1), np.float32), fmt, choice, p)[2],
        divide=divide,
        cap=int(np.float64(p.cap).view(np.int64)),
        prescale=int(np.float32(p.prescale).view(np.int32)),
        element=steps(p.element, fmt.element.max),
        bits=fmt.packed_bits,
        scale_steps=np.array(steps(p.scale, fmt.scale.max), np.int64),
        scale_table=_values(fmt.scale),
    )


def _values(scale: Element) -> NDArray[np.float32]:
    """The value of each code of a narrow scale; none for wide ones, which the fast way lacks."""
    table = value_table(scale) if scale.bits <= 8 else np.empty(0)
    return table.astype(np.float32)


def _signed(value: Any) -> int:
    """The int64 with the bits of a uint64."""
    number = int(value)
    return number - (1 << 64) if number >= 1 << 63 else number


Start = Callable[[Job, int, int], None]
"""Runs a job: of so many tiles, of so many elements."""


def _start(job: Job, tiles: int, size: int) -> None:
    numbers = np.array(job, np.int64)
    if size < PARALLEL or get_num_threads() == 1:
        run_tiles(numbers, 0, tiles)
    else:
        run_parallel(numbers, tiles, min(tiles, 4 * get_num_threads()))


def quantize_fast(
    x: Any, fmt: Block, choice: Choice, key: Key | None, strides: Strides | None, offset: int
) -> Packed:
    """`quantize` for what `supports` says; the arguments are checked already."""
    memory = (address(x), *x.strides)
    return quantize_from(x.shape, memory, _start, fmt, choice, key, strides, offset)


def quantize_from(
    shape: tuple[int, int, int],
    memory: tuple[int, int, int, int],
    start: Start,
    fmt: Block,
    choice: Choice,
    key: Key | None,
    strides: Strides | None,
    offset: int,
) -> Packed:
    """`quantize_fast` of (A, R, K) numbers that need not all be in memory at once.

    memory
        Address of the numbers and their three steps in bytes; only ``start`` reads them.
    start
        Runs all tiles of a job.
    """
    ready = prepare(fmt, choice)
    p, draws = ready.plan, ready.draws
    height, block = p.height, p.length
    (matrices, group, length), (xr, xk) = shape, memory[2:]
    rows, blocks = matrices * group, -(-length // block)
    lines = -(-group // height)
    codes = np.empty((rows, blocks * block * ready.bits // 8), np.uint8)
    scales = np.empty((matrices * lines, blocks), np.uint8)
    sa, sr, sk = strides or (group * length, length, 1)
    turned = (xr == 4 and xk != 4) or (draws and sr == 1 and sk != 1)
    tile = ROWS if turned or length <= SHORT else 1
    run = block * max(1, (32 if turned else RUN) // block)
    if tile > 1 and not turned:
        run = block * max(blocks, 1)
    tiles = matrices * -(-group // tile) * -(-length // run)
    job = Job(
        *memory, group, length, tile, run, block, height, lines,
        address(codes), codes.shape[1], ready.bits, address(scales), blocks, 0, 0,
        ready.cap, p.strict, p.scale.emin, p.scale.max_code, p.scale.nan_code, ready.prescale,
        *ready.element, p.element.sign == 2, draws, sa, sr, sk, offset,
        _signed(key.stream) if draws and key else 0, _signed(key.seed) if draws and key else 0,
    )  # fmt: skip
    stored = ready.stored
    if not p.power or height > 1:
        amax = np.empty((rows, blocks), np.float32)
        if codes.size:
            start(job._replace(amax=address(amax), draws=0), tiles, matrices * group * length)
            if height > 1:
                amax = _over_tiles(amax, matrices, group, height)
        drawn = choice.scale_rounding == "stochastic"
        at = where(shape, strides, offset, key.fold(SCALE_DRAWS) if key and drawn else None)
        scales, multipliers, stored = _scales(amax.reshape(scales.shape), fmt, choice, p, at, lines)
        job = job._replace(multipliers=address(multipliers), scales=address(scales))
    if codes.size:
        start(job, tiles, matrices * group * length)
    return Packed(codes, scales, stored, fmt, length, group if height > 1 else rows)


def _over_tiles(amax: Any, matrices: int, group: int, height: int) -> Any:
    """The amax of tiles from that of their rows."""
    each = amax.reshape(matrices, group, amax.shape[1])
    tiles = np.maximum.reduceat(each, np.arange(0, group, height), axis=1)
    return np.ascontiguousarray(tiles.reshape(-1, amax.shape[1]))


def _scales(
    amax: NDArray[np.float32], fmt: Block, choice: Choice, p: Plan, at: Where, group: int
) -> tuple[Any, NDArray[np.float32], float | None]:
    """Codes and multipliers of all scales, and the tensor scale that is stored."""
    flat = amax.reshape(-1)
    few = flat.size * p.height * p.length < PARALLEL
    tops = flat if few else np.empty(16, np.float32)
    if not few:
        largest_finite(flat, tops)
    encoding, decoding, stored = levels(tops, fmt, choice, p)
    multipliers = np.empty(amax.shape, np.float32)
    if p.power:
        codes, exponents = np.empty(amax.shape, np.uint32), np.empty(amax.shape, np.int32)
        block_scales(
            amax,
            p,
            np.atleast_1d(encoding),
            np.atleast_1d(decoding),
            stored is None,
            at,
            group,
            codes,
            exponents,
            multipliers,
        )
        return scale_array(codes, fmt), multipliers, stored
    scales = np.empty(amax.shape, np.uint8)
    options = np.array(
        [p.scale_rounding, p.scale.nan_code, group, p.height, p.length, amax.shape[1],
         *at.strides, _signed(at.stream), _signed(at.seed)], np.int64,
    )  # fmt: skip
    ready = prepare(fmt, choice)
    rest = (
        np.float32(encoding * p.inverse),
        p.top if stored is None else np.float32(0),
        decoding,
        ready.scale_steps,
        ready.scale_table,
        options,
        scales.reshape(-1),
        multipliers.reshape(-1),
    )
    if few:
        encode_some(flat, 0, flat.size, *rest)
    else:
        encode_scales(flat, *rest)
    return scales, multipliers, stored
