"""The scale of each block, from its amax: shared by the general and the fast kernels.

Power-of-two scales: an integer compare (`extensor.scalar.scale_exponent`). All others, in float32
(numerics.md, section 3, and TransformerEngine's NVFP4 reference): with
``s_enc = max(scale) max(element) / amax of the tensor``, capped at the largest float32,

    scale      = encode(min(amax (s_enc (1 / max(element))), max(scale)))
    multiplier = min(1 / (scale (1 / s_enc)), largest float32)

An amax of Inf means a block that holds NaN or Inf and must become NaN.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from extensor.formats import Facts
from extensor.jit import kernel
from extensor.kernels.quantize.plan import FLT_MAX, Plan
from extensor.noise import Key
from extensor.philox import word
from extensor.scalar import decode, encode, power_of_two, scale_exponent

_ONE, _32 = np.float32(1), np.int64(32)


Strides = tuple[int, int, int]


class Where(NamedTuple):
    """Where the random words of an array (A, R, K) are: index = offset + a sa + r sr + k sk.

    stream, seed
        The key of the words.
    """

    sa: int
    sr: int
    sk: int
    offset: int
    stream: np.uint64
    seed: np.uint64

    @property
    def strides(self) -> NDArray[np.int64]:
        """sa, sr, sk and the offset."""
        return np.array(self[:4], np.int64)


def where(shape: tuple[int, ...], strides: Strides | None, offset: int, key: Key | None) -> Where:
    """The random words of an array of this shape; the default strides are those of C order."""
    sa, sr, sk = strides or (shape[1] * shape[2], shape[2], 1)
    key = key or Key(0)
    return Where(sa, sr, sk, offset, np.uint64(key.stream), np.uint64(key.seed))


@njit()
def power_code(amax: Any, cap: Any, strict: bool, emin: int, max_code: int) -> Any:
    """The code of the power-of-two scale of a finite amax."""
    if amax == np.float32(0):
        return np.int64(0)
    code = scale_exponent(np.float64(amax), cap, strict) - emin
    return min(max(code, np.int64(0)), np.int64(max_code))


@njit(error_model="numpy")
def scale_of(
    raw: np.float32,
    decoding: np.float32,
    scale_top: np.float32,
    rounding: np.int64,
    w: np.int64,
    scale: Facts,
) -> Any:
    """(code, multiplier) of a scale with a mantissa, from its unrounded value ``raw``."""
    code = encode(np.float64(min(raw, scale_top)), np.int64(0), rounding, w, _32, True, scale)
    step = np.float32(np.float32(decode(code, scale)) * decoding)
    return code, min(np.float32(_ONE / step), FLT_MAX)


@kernel()
def block_scales(
    amax: NDArray[np.float32],
    plan: Plan,
    encodings: NDArray[np.float32],
    decodings: NDArray[np.float32],
    alone: bool,
    where: Where,
    group: int,
    codes: NDArray[np.uint32],
    exponents: NDArray[np.int32],
    multipliers: NDArray[np.float32],
) -> None:
    """The scale of every block.

    amax
        (scale rows, blocks) float32.
    encodings, decodings
        s_enc and 1 / s_enc: of the tensor, or of each row.
    alone
        Whether there is no tensor scale: then scale = encode(amax / max(element)).
    group
        Rows of scales in one matrix.
    codes
        Out: the codes of the scales.
    exponents, multipliers
        Out: power-of-two scales are ``2**exponent``; a multiplier takes an element to the unit of
        its codes, NaN where the block is not finite.
    """
    for s in range(amax.shape[0]):
        level = s if encodings.size > 1 else 0
        encoding, decoding = encodings[level], decodings[level]
        factor = np.float32(encoding * plan.inverse)
        for j in range(amax.shape[1]):
            a = amax[s, j]
            exponents[s, j] = 0
            if not a < np.inf:
                codes[s, j] = plan.scale.nan_code
                multipliers[s, j] = np.float32(np.nan)
            elif plan.power:
                code = power_code(a, plan.cap, plan.strict, plan.scale.emin, plan.scale.max_code)
                codes[s, j] = code
                exponents[s, j] = code + plan.scale.emin
                multipliers[s, j] = np.float32(power_of_two(-(code + plan.scale.emin)))
            else:
                w = np.int64(0)
                if plan.scale_rounding == 6:
                    row, first = s // group, (s % group) * plan.height
                    index = where.offset + row * where.sa + first * where.sr
                    index += j * plan.length * where.sk
                    w = np.int64(word(np.uint64(index), where.stream, where.seed))
                if alone or plan.divide:
                    raw = np.float32(a / plan.top)
                    if plan.divide and decoding != np.float32(0):
                        raw = np.float32(raw / decoding)
                else:
                    raw = np.float32(a * factor)
                raw = max(raw, plan.least)
                code, multiplier = scale_of(
                    raw, decoding, plan.scale_top, np.int64(plan.scale_rounding), w, plan.scale
                )
                if plan.divide:
                    value = np.float32(decode(np.int64(code), plan.scale))
                    multiplier = min(np.float32(encoding / value), FLT_MAX)
                codes[s, j] = code
                multipliers[s, j] = multiplier
