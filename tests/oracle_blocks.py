"""The exact oracle of block formats, of Philox and of the rotation; see `tests.oracle`.

Powers of two are exact in float64 (asserted), so nothing rounds but the elements. The second level
of NVFP4 is defined in float32 and computed so, one scalar at a time, in the specification's order.

>>> q = quantize(np.array([[6.0, -1.0, 0.3, 0.0]]), MXFP4)
>>> q.codes.tolist(), q.scales.tolist()
([[7, 10, 1, 0]], [[127]])
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.oracle import (
    E2M1,
    E2M3,
    E3M2,
    E4M3,
    E5M2,
    E8M0,
    INT8,
    Spec,
    decode,
    encode,
    encode_all,
    two,
)

F = np.float32
FLT_MAX = np.finfo(F).max
Words = Callable[[int], int]


@dataclass(frozen=True)
class BlockSpec:
    """Facts of a block format."""

    element: Spec
    shape: tuple[int, int] = (1, 32)
    scale: Spec = E8M0
    tensor_scale: bool = False


MXFP4, MXINT8 = BlockSpec(E2M1), BlockSpec(INT8)
MXFP6_E2M3, MXFP6_E3M2 = BlockSpec(E2M3), BlockSpec(E3M2)
MXFP8_E4M3, MXFP8_E5M2 = BlockSpec(E4M3), BlockSpec(E5M2)
NVFP4 = BlockSpec(E2M1, (1, 16), E4M3, True)
NVFP4_2D = BlockSpec(E2M1, (16, 16), E4M3, True)

_EMAX = {E2M1: 2, E2M3: 2, E3M2: 4, E4M3: 8, E5M2: 15, INT8: 0}
_CAPS: dict[str, Callable[[Spec], tuple[Fraction, bool]]] = {
    "rceil": lambda s: (s.max, False),
    "ceil": lambda s: (two(_emax(s)), False),
    "floor": lambda s: (two(_emax(s) + 1), True),
    "even": lambda s: (two(_emax(s) + 1) - two(_emax(s) - _mantissa(s)) / 2, True),
}


def _emax(spec: Spec) -> int:
    return _EMAX.get(spec) or int(spec.max).bit_length() - 1


def _mantissa(spec: Spec) -> int:
    return spec.mantissa if spec.fixed is None else spec.fixed


@cache
def _limits(element: Spec, rule: str | tuple[str, float]) -> tuple[list[float], bool]:
    """C 2**(b - 127) for every byte b, exact in float64, and whether amax must stay below."""
    cap, strict = _CAPS[rule](element) if isinstance(rule, str) else (Fraction(rule[1]), False)
    return [float(cap * two(byte - 127)) for byte in range(255)], strict


def scale_code(amax: float, element: Spec, rule: str | tuple[str, float] = "rceil") -> int:
    """The smallest byte b with amax <= C 2**(b - 127), or < where strict; found by trying all.

    >>> scale_code(6.0, E2M1), scale_code(6.0, E2M1, "ceil"), scale_code(6.0, E2M1, "floor")
    (127, 128, 127)
    """
    limits, strict = _limits(element, rule)
    fits = (byte for byte, c in enumerate(limits) if amax < c or (amax == c and not strict))
    return 0 if amax == 0 else next(fits, 254)


class Quantized(NamedTuple):
    """Codes (R, K), scale codes (ceil(R/m), ceil(K/n)), the tensor scale."""

    codes: NDArray[np.int64]
    scales: NDArray[np.int64]
    tensor_scale: np.float32 | None


def quantize(
    x: NDArray[np.floating[Any]],
    spec: BlockSpec,
    rule: str | tuple[str, float] = "rceil",
    rounding: str = "nearest_even",
    words: Words = lambda i: 0,
    sr_bits: int = 32,
    prescale: float = 1.0,
    scale_rounding: str = "nearest",
    scale_words: Words = lambda i: 0,
    two_levels: bool = True,
) -> Quantized:
    """Blocks along the last axis of a matrix. A block with NaN or Inf has the scale NaN, codes 0.

    words
        The word of the element with logical index r K + k; ``scale_words`` that of a scale, asked
        for by the index of the first element of its block.
    """
    (rows, length), (m, n) = x.shape, spec.shape
    codes = np.zeros((rows, length), np.int64)
    scales = np.zeros((-(-rows // m), -(-length // n)), np.int64)
    power = spec.scale == E8M0
    encoding, decoding = _levels(x, spec) if spec.tensor_scale and two_levels else (F(1), F(1))
    for (s, b), _ in np.ndenumerate(scales):
        cells = [
            (r, k)
            for r in range(s * m, min(s * m + m, rows))
            for k in range(b * n, min(b * n + n, length))
        ]
        values = [float(x[cell]) for cell in cells]
        if not all(map(isfinite, values)):
            assert spec.scale.nan_code is not None
            scales[s, b] = spec.scale.nan_code
            continue
        amax = max(map(abs, values))
        if power:
            scales[s, b] = scale_code(float(_up_to_float32(amax)), spec.element, rule)
        else:
            with np.errstate(over="ignore"):
                factor = F(encoding * F(1 / float(spec.element.max)))
                raw = min(F(_up_to_float32(amax) * factor), F(float(spec.scale.max)))
            word = scale_words(s * m * length + b * n)
            name = {"nearest": "nearest_even"}.get(scale_rounding, scale_rounding)
            scales[s, b] = encode(spec.scale, float(raw), name, word) or 0
        multiplier = _multiplier(spec, int(scales[s, b]), decoding)
        units = [
            _times(x.dtype.type(x[cell] * x.dtype.type(prescale)), multiplier) for cell in cells
        ]
        if rounding == "stochastic":
            found = [
                encode(spec.element, unit, rounding, words(r * length + k), sr_bits)
                for (r, k), unit in zip(cells, units, strict=True)
            ]
        else:
            found = encode_all(spec.element, np.array(units), rounding).tolist()
        for cell, code in zip(cells, found, strict=True):
            assert code is not None
            codes[cell] = code
    return Quantized(codes, scales, decoding if spec.tensor_scale and two_levels else None)


def _multiplier(spec: BlockSpec, code: int, decoding: np.float32) -> float | np.float32:
    """What takes an element to the unit of its codes; a Python float where that is exact."""
    value = decode(spec.scale, code)
    if spec.scale == E8M0:
        return 1 / value
    with np.errstate(all="ignore"):
        return F(min(F(1) / F(F(value) * decoding), FLT_MAX))


def _times(value: np.floating[Any], multiplier: float | np.float32) -> float:
    """The product: in the precision of the element, or exact by a power of two."""
    if isinstance(multiplier, np.float32):
        return float(value * multiplier)
    unit = float(value) * multiplier
    assert unit / multiplier == float(value), "not exact"
    return unit


def _levels(x: NDArray[np.floating[Any]], spec: BlockSpec) -> tuple[np.float32, np.float32]:
    """s_enc = max(scale) max(element) / amax over finite blocks, capped; and 1 / s_enc."""
    m, n = spec.shape
    blocks = [x[r : r + m, k : k + n] for r in range(0, len(x), m) for k in range(0, x.shape[1], n)]
    amax = max((float(np.abs(b).max()) for b in blocks if np.isfinite(b).all()), default=0.0)
    if amax == 0:
        return FLT_MAX, F(0)
    with np.errstate(over="ignore"):
        top = F(float(spec.scale.max * spec.element.max))
        encoding = min(F(top / _up_to_float32(amax)), FLT_MAX)
    return encoding, F(F(1) / encoding)


def _up_to_float32(amax: float) -> np.float32:
    """The smallest float32 that is not below ``amax``, at most the largest finite one."""
    with np.errstate(over="ignore"):
        near = min(F(amax), FLT_MAX)
    return F(np.nextafter(near, F(inf))) if float(near) < amax and near < FLT_MAX else near


def dequantize(q: Quantized, spec: BlockSpec) -> NDArray[np.float32]:
    """(element * block scale) rounded to float32, times the tensor scale, rounded again."""
    out = np.empty(q.codes.shape, F)
    for (r, k), code in np.ndenumerate(q.codes):
        scale = decode(spec.scale, int(q.scales[r // spec.shape[0], k // spec.shape[1]]))
        value = F(decode(spec.element, int(code)) * scale)  # exact in float64
        with np.errstate(over="ignore"):
            out[r, k] = value if q.tensor_scale is None else value * q.tensor_scale
    return out


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 in Python integers (Salmon et al., SC 2011).

    >>> [f"{w:08x}" for w in philox((0, 0, 0, 0), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c, k, low = list(counter), list(key), 2**32 - 1
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & low, a >> 32 ^ c[3] ^ k[1], a & low]
        k = [k[0] + 0x9E3779B9 & low, k[1] + 0xBB67AE85 & low]
    return tuple(c)


def word(seed: int, stream: int, index: int) -> int:
    """The 32-bit word of element ``index``: lane i % 4 of counter (i // 4, stream)."""
    low = 2**32 - 1
    i, lane = divmod(index, 4)
    return philox((i & low, i >> 32, stream & low, stream >> 32), (seed & low, seed >> 32))[lane]


def hadamard(x: NDArray[np.float32], n: int, signs: list[int]) -> NDArray[np.float32]:
    """``x diag(s) H / sqrt(n)`` of each n along the last axis, in the order of the specification.

    Signs, butterflies with strides 1, 2, 4, ..., one multiply by float32(1/sqrt(n)). A tail is
    rotated by the powers of two of its length, largest first, each with the first signs.
    """
    out = x.copy()
    start, length = 0, x.shape[-1]
    while start < length:
        size = n if length - start >= n else 1 << ((length - start).bit_length() - 1)
        part = out[..., start : start + size] * np.array(signs[:size], F)
        stride = 1
        while stride < size:
            for i in range(size):
                if i & stride == 0:
                    a, b = part[..., i].copy(), part[..., i + stride].copy()
                    part[..., i], part[..., i + stride] = a + b, a - b
            stride *= 2
        out[..., start : start + size] = part * F(size**-0.5)
        start += size
    return out
