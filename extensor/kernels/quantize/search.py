"""Scales that depend on all numbers of a block, not on its amax alone: four rules.

``quest``
    ``s = std(x) 2.92247856 / 6 + 1e-8`` clips a Gaussian where E2M1 has the least squared error
    (arXiv 2502.05003; the sum is that of the public kernels). A power-of-two scale is
    ``2**floor(log2 s)`` as in those kernels; ``("quest", c)`` is the smallest power of two with
    ``s <= c * scale``, of which sqrt(2) and 4/3 err less. Other scales are ``s``, rounded.
``mse``
    Power-of-two scales: the code of ``rceil``, the one below or the one above, whichever has the
    least squared error; a tie keeps the first of these.
``four_over_six``
    ``c6 = encode((amax / max) s_enc)`` or ``c4 = encode((amax / max) s_enc 1.5)``, whichever errs
    less in the block; a tie keeps c6 (arXiv 2512.02010, TransformerEngine).
``eden``
    Scales by amax and elements to nearest; then every scale is multiplied by
    ``S = <y, y> / <y, q>``, of y in the unit of its codes q and over the blocks of one rotation,
    and rounded stochastically (MS-EDEN, arXiv 2601.22813, algorithm 1, as its code has it): ``Q``
    keeps the projection on ``y``, exactly where the scales of these blocks are equal.

The candidates are judged by what would be stored: elements rounded as the choice says, with the
random words that each of them has. Sums are float64, elements in order. A zero block has scale code
0, and NaN and Inf do not count.
"""

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from extensor.jit import kernel
from extensor.kernels.choice import Choice
from extensor.kernels.quantize.general import facts_of
from extensor.kernels.quantize.plan import Plan
from extensor.kernels.quantize.scale import Where, power_code, scale_of
from extensor.kernels.rules import ERRORS, QUEST_CLIP, SEARCHES
from extensor.philox import word
from extensor.scalar import decode, encode, power_of_two

FOUR_DRAWS = int.from_bytes(b"four")
"""Elements under c4 draw from ``key.fold(FOUR_DRAWS)``."""
QUEST, MSE, FOUR_OVER_SIX, EDEN = range(len(SEARCHES))
_SQUARED, _ABSOLUTE, _LARGEST = range(3)
_STOCHASTIC = 6
_CLIP, _TINY = np.float64(QUEST_CLIP / 6.0), np.float64(1e-8)
_BITS = np.int64(32)
_HALF_MORE = np.float32(1.5)


def options_of(p: Plan, choice: Choice) -> NDArray[np.int64]:
    """What `searched_scales` needs of a plan and its choice, as integers."""
    error = ERRORS.index(choice.error) if choice.search == "four_over_six" else 0
    return np.array(
        [p.height, p.length, p.power, p.rounding, p.sr_bits, p.scale_rounding, p.strict,
         SEARCHES.index(choice.search or "mse"), error], np.int64,
    )  # fmt: skip


@njit()
def _decoded(code: Any, e: Any, c: Any, decoding: Any, power: Any, element: Any) -> np.float64:
    """The value of an element: ``(element * scale) * tensor scale``, rounded once for the last."""
    q = decode(np.int64(code), element)
    if power != 0:
        return np.float64(q * power_of_two(e))
    return np.float64(np.float32(np.float32(q * c) * decoding))


@njit()
def _error(
    x: Any, prescale: Any, a: Any, first: Any, last: Any, lo: Any, hi: Any, e: Any, c: Any, m: Any,
    decoding: Any, options: Any, places: Any, stream: Any, seed: Any, element: Any,
) -> np.float64:  # fmt: skip
    """What a block would lose with the scale of exponent ``e``, or of value c and multiplier m."""
    power, rounding, sr_bits, kind = options[2], options[3], options[4], options[8]
    total = np.float64(0.0)
    for r in range(first, last):
        for k in range(lo, hi):
            if not abs(x[a, r, k]) < np.inf:
                continue
            v = x[a, r, k] * prescale
            scaled = v if power != 0 else v * m
            w = np.int64(0)
            if rounding == _STOCHASTIC:
                index = places[3] + a * places[0] + r * places[1] + k * places[2]
                w = np.int64(word(np.uint64(index), stream, seed))
            code = encode(
                np.float64(scaled), np.int64(-e), np.int64(rounding), w, np.int64(sr_bits), True,
                element,
            )  # fmt: skip
            d = _decoded(code, e, c, decoding, power, element) - np.float64(v)
            if kind == _SQUARED:
                total += d * d
            elif kind == _ABSOLUTE:
                total += abs(d)
            else:
                total = max(total, abs(d))
    return total


@njit(error_model="numpy")
def _deviation(x: Any, a: Any, first: Any, last: Any, lo: Any, hi: Any) -> np.float64:
    """The standard deviation of the finite numbers of a block, in float64, two passes."""
    total, count = np.float64(0.0), np.int64(0)
    for r in range(first, last):
        for k in range(lo, hi):
            if abs(x[a, r, k]) < np.inf:
                total += np.float64(x[a, r, k])
                count += np.int64(1)
    mean = total / np.float64(count)
    spread = np.float64(0.0)
    for r in range(first, last):
        for k in range(lo, hi):
            if abs(x[a, r, k]) < np.inf:
                d = np.float64(x[a, r, k]) - mean
                spread += d * d
    return np.float64(np.sqrt(spread / np.float64(count)))


@kernel(parallel=True)
def searched_scales(
    x: NDArray[np.float32],
    prescale: np.float32,
    amax: NDArray[np.float32],
    numbers: NDArray[np.float64],
    facts: NDArray[np.int64],
    scale_facts: NDArray[np.int64],
    options: NDArray[np.int64],
    encodings: NDArray[np.float32],
    decodings: NDArray[np.float32],
    where: NDArray[np.int64],
    stream: np.uint64,
    seed: np.uint64,
    where_scales: NDArray[np.uint64],
    others: NDArray[np.uint64],
    codes: NDArray[np.uint32],
    exponents: NDArray[np.int32],
    multipliers: NDArray[np.float32],
) -> None:
    """The scale of every block, as ``quest``, ``mse`` or ``four_over_six`` choose it.

    x, prescale, amax
        As in `general`.
    numbers
        Cap, max(element) times headroom, the largest and the least scale.
    facts, scale_facts, options
        `Facts` of element and scale; see `options_of`.
    encodings, decodings
        s_enc and 1 / s_enc: of the tensor, or of each row of scales.
    where, stream, seed, where_scales
        Where the random words of the elements are; stream and seed of those of the scales.
    others
        Stream and seed of the words with which elements are rounded under c4: the two candidates
        draw independently, as in the experiments of arXiv 2601.22813.
    codes, exponents, multipliers
        Out, see `scale.block_scales`; an exponent 1 beside a scale with a mantissa says c4.
    """
    _, rows, n = x.shape
    height, length, power, rule = options[0], options[1], options[2], options[7]
    scale_rounding, strict = options[5], options[6] != 0
    group = (rows + height - 1) // height
    cap, top, scale_top = numbers[0], np.float32(numbers[1]), np.float32(numbers[2])
    least = np.float32(numbers[3])
    for cell in prange(amax.size):
        element, scale = facts_of(facts), facts_of(scale_facts)
        s, j = cell // amax.shape[1], cell % amax.shape[1]
        a, first = s // group, (s % group) * height
        last, lo, hi = min(first + height, rows), j * length, min((j + 1) * length, n)
        top_of_block = amax[s, j]
        level = np.int64(s) if encodings.size > 1 else np.int64(0)
        encoding, decoding = encodings[level], decodings[level]
        exponents[s, j] = 0
        if not top_of_block < np.inf:
            codes[s, j] = scale.nan_code
            multipliers[s, j] = np.float32(np.nan)
            continue
        deviation = np.float64(0.0)
        if rule == QUEST and top_of_block > np.float32(0):
            deviation = _deviation(x, a, first, last, lo, hi) * _CLIP + _TINY
        if power != 0:
            given = deviation if rule == QUEST else np.float64(top_of_block)
            best = power_code(given, cap, strict, scale.emin, scale.max_code)
            if rule == MSE and top_of_block > np.float32(0):
                middle, smallest = best, np.inf
                for step in range(3):
                    code = middle + (0, -1, 1)[step]
                    if code < 0 or code > scale.max_code:
                        continue
                    error = _error(
                        x, prescale, a, first, last, lo, hi, np.int64(code + scale.emin),
                        np.float64(0.0), np.float32(1), decoding, options, where, stream, seed,
                        element,
                    )  # fmt: skip
                    if error < smallest:
                        best, smallest = code, error
            codes[s, j] = best
            exponents[s, j] = best + scale.emin
            multipliers[s, j] = np.float32(power_of_two(-(best + scale.emin)))
            continue
        w = np.int64(0)
        if scale_rounding == _STOCHASTIC:
            index = where[3] + a * where[0] + first * where[1] + lo * where[2]
            w = np.int64(word(np.uint64(index), where_scales[0], where_scales[1]))
        given = deviation if rule == QUEST else np.float64(np.float32(top_of_block / top))
        raw = max(np.float32(np.float32(given) * encoding), least)
        code, m = scale_of(raw, decoding, scale_top, np.int64(scale_rounding), w, scale)
        if rule == FOUR_OVER_SIX:
            wide, wide_m = scale_of(
                np.float32(raw * _HALF_MORE), decoding, scale_top, np.int64(scale_rounding), w,
                scale,
            )  # fmt: skip
            six = _error(
                x, prescale, a, first, last, lo, hi, np.int64(0), decode(np.int64(code), scale), m,
                decoding, options, where, stream, seed, element,
            )  # fmt: skip
            four = _error(
                x, prescale, a, first, last, lo, hi, np.int64(0), decode(np.int64(wide), scale),
                wide_m, decoding, options, where, others[0], others[1], element,
            )  # fmt: skip
            if four < six:
                code, m = wide, wide_m
                exponents[s, j] = 1
        codes[s, j] = code
        multipliers[s, j] = m


@kernel(parallel=True)
def corrected_scales(
    x: NDArray[np.float32],
    prescale: np.float32,
    unpacked: NDArray[np.uint8],
    together: int,
    facts: NDArray[np.int64],
    scale_facts: NDArray[np.int64],
    options: NDArray[np.int64],
    where: NDArray[np.int64],
    where_scales: NDArray[np.uint64],
    multipliers: NDArray[np.float32],
    codes: NDArray[np.uint32],
) -> None:
    """``eden``: multiply scales by S and round them stochastically, in place.

    unpacked
        (A R, blocks * length): the codes of the elements, which stay.
    together
        Blocks that share one S: those of a rotation.
    """
    _, rows, n = x.shape
    length, blocks = options[1], codes.shape[1]
    for row in prange(codes.shape[0]):
        element, scale = facts_of(facts), facts_of(scale_facts)
        a, r = row // rows, row % rows
        for start in range(0, blocks, together):
            own, crossed = np.float64(0.0), np.float64(0.0)
            stop = min(start + together, blocks)
            for j in range(start, stop):
                if not decode(np.int64(codes[row, j]), scale) > 0.0:  # NaN, or nothing is kept
                    continue
                m = np.float64(multipliers[row, j])
                for k in range(j * length, min((j + 1) * length, n)):
                    v = np.float64(x[a, r, k] * prescale) * m
                    if abs(v) < np.inf:
                        own += v * v
                        crossed += v * decode(np.int64(unpacked[row, k]), element)
            if not crossed > 0.0:
                continue
            for j in range(start, stop):
                if np.int64(codes[row, j]) == scale.nan_code:
                    continue
                value = decode(np.int64(codes[row, j]), scale) * (own / crossed)
                index = where[3] + a * where[0] + r * where[1] + j * length * where[2]
                w = np.int64(word(np.uint64(index), where_scales[0], where_scales[1]))
                codes[row, j] = encode(
                    value, np.int64(0), np.int64(_STOCHASTIC), w, _BITS, True, scale
                )


def numbers_of(p: Plan) -> NDArray[np.float64]:
    """The reals that `searched_scales` takes."""
    return np.array([p.cap, p.top, p.scale_top, p.least], np.float64)


def words_of(where: Where) -> NDArray[np.uint64]:
    """Stream and seed of the words of scales, as the kernels here take them."""
    return np.array([where.stream, where.seed], np.uint64)
