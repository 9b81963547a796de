"""The slow exact quantizer: the definition, in fractions, one element after the other.

It shares no arithmetic with `extensor.scalar`: a scale is searched for, an element is placed
between two entries of its format's table of values, and the distance is an exact fraction.
"""

from bisect import bisect_right
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from extensor.formats import Block, Element
from extensor.kernels.choice import Choice
from extensor.kernels.pack import pack_reference
from extensor.kernels.packed import Packed, scale_shape
from extensor.kernels.quantize.levels import group_of, levels
from extensor.kernels.quantize.plan import SCALE_DRAWS, plan
from extensor.noise import Key, words

_INF = float("inf")


@lru_cache(maxsize=64)
def grid(element: Element) -> list[Fraction]:
    """The finite magnitudes of a format in order, and the one that would come next."""
    facts = element.facts
    values = [Fraction(float(v)) for v in element.values[: facts.max_code + 1]]
    field, rest = divmod(facts.max_code + 1 + facts.origin, 2**facts.mantissa)
    above = Fraction(2) ** (facts.emin + field - 1 - facts.mantissa) * (2**facts.mantissa + rest)
    return [*values, above]


def goes_up(rounding: str, part: Fraction, odd: bool, negative: bool, word: int, r: int) -> bool:
    """Whether a magnitude that lies ``part`` of the way to its upper neighbour goes there."""
    half = Fraction(1, 2)
    if part == 0:
        return False
    if rounding == "stochastic":
        draw, centre = Fraction(word >> (32 - r)), half if r < 16 else Fraction(0)
        steps = part * 2**r if r < 16 else Fraction(part * 2**r // 1)
        return bool(steps + draw + centre >= 2**r)
    ups: dict[str, bool] = {
        "nearest_even": part > half or (part == half and odd),
        "nearest_away": part >= half,
        "nearest_zero": part > half,
        "toward_zero": False,
        "up": not negative,
        "down": negative,
    }
    return ups[rounding]


def code_of(
    value: Fraction | float,
    negative: bool,
    element: Element,
    rounding: str,
    word: int = 0,
    sr_bits: int = 32,
    saturate: bool = True,
) -> int:
    """The code of a magnitude (a fraction, or Inf) and a sign."""
    facts, table = element.facts, grid(element)
    if value == _INF or value >= table[-1]:
        code = facts.max_code + 1
    elif value <= table[0]:
        code = 0
    else:
        code = bisect_right(table, value) - 1
        part = (Fraction(value) - table[code]) / (table[code + 1] - table[code])
        code += goes_up(rounding, part, code % 2 == 1, negative, word, sr_bits)
    if code > facts.max_code:
        inward = rounding in ("toward_zero", "up" if negative else "down") and value != _INF
        overflow = facts.inf_code if facts.inf_code >= 0 else facts.nan_code
        code = facts.max_code if saturate or inward or overflow < 0 else overflow
    if not negative or facts.sign == 0:
        return code
    return code + (1 << facts.bits - 1) if facts.sign == 1 else -code % (1 << facts.bits)


def ceil_float32(a: float) -> Any:
    """The smallest float32 that is not below ``a``; at most the largest finite one."""
    top = np.finfo(np.float32).max
    if a > top:
        return top
    near = np.float32(a)
    return near if float(near) >= a else np.nextafter(near, np.float32(_INF))


def quantize_reference(
    x: Any,
    fmt: Block,
    choice: Choice,
    key: Key | None = None,
    strides: tuple[int, int, int] | None = None,
    offset: int = 0,
) -> Packed:
    """`quantize`, by its definition; minutes for what the kernels do in milliseconds.

    Rules that look at all numbers of a block have their definitions in their tests.
    """
    p = plan(fmt, choice)
    matrices, group, length = x.shape
    rows, (height, width) = matrices * group, fmt.shape
    per_matrix = -(-group // height)
    shape = scale_shape(rows, length, group, fmt)
    if strides is None:
        strides = (group * length, length, 1)
    scale_key = key and key.fold(SCALE_DRAWS)

    def index(a: int, r: int, k: int) -> int:
        return offset + a * strides[0] + r * strides[1] + k * strides[2]

    amax = np.zeros(shape, np.float32)
    for s, j in product(*map(range, shape)):
        a, r = s // per_matrix, s % per_matrix * height
        each = np.abs(x[a, r : r + height, j * width : (j + 1) * width])
        finite = each[np.isfinite(each)]
        poisoned = finite.size < each.size and choice.nonfinite == "propagate"
        amax[s, j] = _INF if poisoned else ceil_float32(float(finite.max(initial=0)))
    encoding, decoding, stored = levels(amax, fmt, choice, p)

    scales = np.zeros(shape, fmt.scale_storage)
    exponents, factors = np.zeros(shape, int), np.ones(shape, np.float32)
    with np.errstate(all="ignore"):
        for s, j in product(*map(range, shape)):
            if amax[s, j] == _INF:
                factors[s, j] = np.nan
                scales[s, j] = p.scale.nan_code if scales.dtype.kind == "u" else np.nan
            elif p.power:
                scales[s, j] = power_code(amax[s, j], p.cap, p.strict, fmt.scale)
                exponents[s, j] = int(scales[s, j]) + p.scale.emin
            else:
                raw = amax[s, j] * (encoding * p.inverse)
                if stored is None or p.divide:
                    raw = amax[s, j] / p.top
                if p.divide and decoding:
                    raw = raw / decoding
                raw = min(max(raw, p.least), p.scale_top)
                a, r = s // per_matrix, s % per_matrix * height
                scales[s, j], value = _scale(raw, fmt, choice, scale_key, index(a, r, j * width))
                factor = encoding / value if p.divide else np.float32(1) / (value * decoding)
                factors[s, j] = min(factor, np.finfo(np.float32).max)

        codes = np.zeros((rows, shape[1] * width), np.uint8)
        prescale = x.dtype.type(choice.prescale)
        for a, r, k in product(range(matrices), range(group), range(length)):
            s, j = a * per_matrix + r // height, k // width
            if np.isnan(factors[s, j]):
                continue
            v = x[a, r, k]
            finite = bool(np.isfinite(v))
            if finite:
                v = v * prescale if p.power else v * prescale * factors[s, j]
            exact = Fraction(float(abs(v))) / Fraction(2) ** int(exponents[s, j]) \
                if np.isfinite(v) else _INF  # fmt: skip
            draw = choice.rounding == "stochastic"
            word = int(words(key, index(a, r, k), 1)[0]) if draw and key else 0
            codes[a * group + r, k] = code_of(
                exact, bool(np.signbit(v)) and not np.isnan(v), fmt.element, choice.rounding,
                word, choice.sr_bits, choice.saturate or not finite,
            )  # fmt: skip
    row_bytes = fmt.row_bytes(length)
    packed = pack_reference(codes, fmt.packed_bits)[:, :row_bytes]
    return Packed(packed, scales, stored, fmt, length, group_of(fmt, rows, group))


def power_code(amax: Any, cap: float, strict: bool, scale: Element) -> int:
    """The first code whose scale is large enough, or the last one."""
    a, c = Fraction(float(amax)), Fraction(cap)
    for code in range(scale.facts.max_code + 1):
        most = c * Fraction(2) ** (code + scale.facts.emin)
        if a < most or (a == most and not strict):
            return code
    return scale.facts.max_code


def _scale(raw: Any, fmt: Block, choice: Choice, key: Key | None, index: int) -> tuple[Any, Any]:
    """What is stored for a scale that is not a power of two, and its value in float32."""
    scale = fmt.scale
    if scale.bits > 16:
        return raw, raw
    rounding = {"nearest": "nearest_even"}.get(choice.scale_rounding, choice.scale_rounding)
    word = int(words(key, index, 1)[0]) if key and rounding == "stochastic" else 0
    code = code_of(Fraction(float(raw)), False, scale, rounding, word)
    value = np.float32(scale.values[code])
    return (value if fmt.scale_storage.kind == "f" else code), value
