"""``quantize``: arrays in, packed rows out. Checks, then the kernel that fits."""

from typing import Any

import numpy as np

from extensor.errors import FormatError, KeyMissingError, ShapeError
from extensor.formats import Block
from extensor.kernels.choice import Choice
from extensor.kernels.hadamard import hadamard as rotate
from extensor.kernels.pack import _pack_rows
from extensor.kernels.packed import Packed, scale_shape
from extensor.kernels.quantize.general import block_amax, block_codes
from extensor.kernels.quantize.launch import prepare, quantize_fast
from extensor.kernels.quantize.levels import group_of, levels, scale_array
from extensor.kernels.quantize.plan import SCALE_DRAWS, plan
from extensor.kernels.quantize.scale import Strides, block_scales, where
from extensor.kernels.quantize.search import (
    FOUR_DRAWS,
    corrected_scales,
    numbers_of,
    options_of,
    searched_scales,
    words_of,
)
from extensor.noise import Key


def refuse_nonfinite(x: Any, what: str) -> None:
    """Raise FormatError that names the first NaN or Inf of ``x``."""
    bad = ~np.isfinite(x)
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), x.shape)
        index = tuple(int(i) for i in at)
        raise FormatError(
            f"quantize: {x[at]} at (matrix, row, column) {index}; {what}: allowed: finite numbers, "
            "or nonfinite='saturate'"
        )


def quantize_general(
    x: Any,
    fmt: Block,
    choice: Choice,
    key: Key | None,
    strides: Strides | None,
    offset: int,
    together: int = 1,
) -> Packed:
    """`quantize` for every format and choice; the arguments are checked already.

    together
        Blocks of one rotation, which ``eden`` corrects by one factor.
    """
    p = plan(fmt, choice)
    (matrices, group, length), rows = x.shape, x.shape[0] * x.shape[1]
    scale_rows, blocks = scale_shape(rows, length, group, fmt)
    where_elements = where(x.shape, strides, offset, key)
    where_scales = where(x.shape, strides, offset, key and key.fold(SCALE_DRAWS))
    others = words_of(where(x.shape, strides, offset, key and key.fold(FOUR_DRAWS)))
    x = np.ascontiguousarray(x)
    x = x if x.flags.writeable else x.copy()
    amax = np.empty((scale_rows, blocks), np.float32)
    if amax.size:
        block_amax(x, p.height, p.length, p.saturate_nonfinite, amax)
    encoding, decoding, stored = levels(amax, fmt, choice, p)
    codes = np.empty(amax.shape, np.uint32)
    exponents, multipliers = np.empty(amax.shape, np.int32), np.empty(amax.shape, np.float32)
    per_matrix = scale_rows // matrices if matrices else 1
    prescale = x.dtype.type(choice.prescale)
    if choice.search in (None, "eden"):
        block_scales(
            amax,
            p,
            np.atleast_1d(encoding),
            np.atleast_1d(decoding),
            stored is None,
            where_scales,
            max(per_matrix, 1),
            codes,
            exponents,
            multipliers,
        )
    else:
        searched_scales(
            x, prescale, amax, numbers_of(p), p.arrays[0], np.array(p.scale, np.int64),
            options_of(p, choice), np.atleast_1d(encoding), np.atleast_1d(decoding),
            where_elements.strides, where_elements.stream, where_elements.seed,
            words_of(where_scales), others, codes, exponents, multipliers,
        )  # fmt: skip
    unpacked = np.zeros((rows, blocks * fmt.length), np.uint8)
    if unpacked.size:
        block_codes(
            x,
            prescale,
            *p.arrays,
            where_elements.strides,
            where_elements.stream,
            where_elements.seed,
            others,
            exponents,
            multipliers,
            unpacked,
        )
    if choice.search == "eden" and unpacked.size:
        corrected_scales(
            x, prescale, unpacked, together, p.arrays[0], np.array(p.scale, np.int64),
            options_of(p, choice), where_elements.strides, words_of(where_scales),
            multipliers, codes,
        )  # fmt: skip
    packed = np.empty((rows, fmt.row_bytes(length)), np.uint8)
    _pack_rows(unpacked, fmt.packed_bits, packed)
    return Packed(packed, scale_array(codes, fmt), stored, fmt, length, group_of(fmt, rows, group))


def check_choice(fmt: Block, choice: Choice, key: Key | None) -> None:
    """Raise where a choice has no meaning for the format, or lacks a key."""
    choice.check(fmt)
    check_key(choice, key)


def check_key(choice: Choice, key: Key | None) -> None:
    """Raise KeyMissingError where a choice draws random words and there is no key."""
    if choice.draws and key is None:
        raise KeyMissingError(
            "quantize: stochastic rounding draws random words; give key=ex.key(seed)"
        )


def check(x: Any, fmt: Block, choice: Choice, key: Key | None, strides: Strides | None) -> None:
    """Raise for an array or a key that does not fit, before anything is allocated."""
    check_key(choice, key)
    if x.ndim != 3 or x.dtype not in (np.float32, np.float64):
        raise ShapeError(
            f"quantize: {x.dtype} of shape {x.shape}; allowed: float32 or float64 (A, R, K)"
        )
    if strides is not None and len(strides) != 3:
        raise ShapeError(f"quantize: strides={strides}; allowed: three integers for (A, R, K)")
    if choice.nonfinite == "raise":
        refuse_nonfinite(x, "nonfinite='raise'")
    elif choice.nonfinite == "propagate" and not fmt.scale.has_nan:
        refuse_nonfinite(x, f"the scale {fmt.scale} has no NaN")


def quantize(
    x: Any,
    fmt: Block,
    choice: Choice,
    key: Key | None = None,
    strides: Strides | None = None,
    offset: int = 0,
    hadamard: int = 0,
    signs: tuple[int, ...] = (),
) -> Packed:
    """Quantize rows to a block format.

    x
        (A, R, K) float32 or float64, any memory strides. Blocks run along K; (m, n) tiles span
        (R, K) inside one matrix.
    fmt, choice
        What the bits mean, and how they are chosen.
    key
        Where random words come from, for a choice that draws.
    strides, offset
        The logical index of ``x[a, r, k]`` is ``offset + a sa + r sr + k sk`` (default: C order).
        It decides the random word of each element, so quantizing along axis 0 of a (T, C) matrix
        is ``quantize(x.T[None], ..., strides=(0, 1, C))``.
    hadamard, signs
        Rotate by blocks of n along K first, see `extensor.kernels.hadamard`; 0: not.

    >>> from extensor.formats import MXFP4
    >>> q = quantize(np.array([[[1.0, -3.0, 0.25]]], np.float32), MXFP4, Choice())
    >>> q.codes[0, :2].tolist(), q.scales.tolist()
    ([244, 1], [[126]])
    """
    ready = prepare(fmt, choice)
    if hadamard:
        x = rotate(x, hadamard, signs).reshape(x.shape)
    check(x, fmt, choice, key, strides)
    if ready.divide is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            x = x * ready.divide
    if ready.fast and x.dtype == np.float32:
        return quantize_fast(x, fmt, choice, key, strides, offset)
    together = max(hadamard // fmt.length, 1)
    return quantize_general(x, fmt, choice, key, strides, offset, together)
