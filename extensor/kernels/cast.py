"""Casts of single elements: numbers to codes and back, for every element format."""

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from extensor.errors import FormatError
from extensor.formats import Element, Facts
from extensor.formats.rounding import Rounding
from extensor.jit import kernel
from extensor.noise import Key
from extensor.philox import word
from extensor.scalar import decode, encode

_0 = np.int64(0)


@kernel()
def _encode(
    x: NDArray[Any],
    out: NDArray[Any],
    rounding: int,
    sr_bits: Any,
    saturate: bool,
    stream: Any,
    seed: Any,
    offset: int,
    facts: Facts,
) -> int:
    """Fill ``out``; the index of the first value without a code, or -1."""
    for i in range(x.size):
        draw = np.int64(0)
        if rounding == 6:
            draw = np.int64(word(np.uint64(offset + i), np.uint64(stream), np.uint64(seed)))
        value = np.float64(x[i])
        if facts.origin > 0 and value <= 0.0:
            return i
        code = encode(value, _0, np.int64(rounding), draw, sr_bits, saturate, facts)
        if code < 0:
            return i
        out[i] = code
    return -1


@kernel()
def _decode(codes: NDArray[Any], out: NDArray[Any], facts: Facts) -> None:
    for i in range(codes.size):
        out[i] = decode(np.int64(codes[i]), facts)


def operand(flat: Any, fmt: Element, nonfinite: str) -> Any:
    """Flat numbers of either device as float32 or float64, with what is not finite dealt with.

    ``nonfinite="raise"`` looks at the numbers: on a GPU it waits for them.
    """
    if flat.dtype not in (np.float32, np.float64):
        flat = flat.astype(np.float32 if flat.dtype == np.float16 else np.float64)
    if nonfinite == "raise" and not np.isfinite(flat).all():
        bad = int(np.flatnonzero(~np.isfinite(flat))[0])
        raise FormatError(f"cast to {fmt.name}: element {bad} is {flat[bad]}; nonfinite='raise'")
    if nonfinite == "saturate":
        flat = np.where(np.isnan(flat), flat.dtype.type(fmt.max), flat)
    return flat


def refuse(flat: Any, bad: int, fmt: Element) -> NoReturn:
    """Raise FormatError for the element ``bad``, whose value has no code."""
    raise FormatError(
        f"cast to {fmt.name}: element {bad} is {flat[bad]}, which the format cannot hold; "
        "use nonfinite='saturate', or a format that can"
    )


def encode_elements(
    x: NDArray[Any],
    fmt: Element,
    rounding: str = "nearest_even",
    key: Key | None = None,
    offset: int = 0,
    sr_bits: int = 32,
    saturate: bool | None = None,
    nonfinite: str = "propagate",
) -> NDArray[Any]:
    """The code of every number, in the shape of ``x``; one rounding, from the input's precision.

    saturate
        None: formats of at most 8 bits saturate, bfloat16 overflows to Inf as IEEE types do.
    nonfinite
        ``"propagate"``: NaN becomes the format's NaN, and raises where it has none.
        ``"saturate"``: NaN becomes the largest value. ``"raise"``: NaN and Inf raise.

    >>> from extensor.formats import E2M1, E4M3
    >>> encode_elements(np.array([0.3, -5.0, 1e9]), E2M1).tolist()
    [1, 14, 7]
    """
    flat = operand(np.ascontiguousarray(x).reshape(-1), fmt, nonfinite)
    if saturate is None:
        saturate = fmt.bits <= 8
    seed, stream = (key.seed, key.stream) if key else (0, 0)
    out = np.empty(flat.size, fmt.storage)
    mode = int(Rounding[rounding.upper()])
    bad = _encode(
        flat, out, mode, sr_bits, saturate, np.uint64(stream), np.uint64(seed), offset, fmt.facts
    )
    if bad >= 0:
        refuse(flat, bad, fmt)
    return out.reshape(np.shape(x))


def decode_elements(codes: NDArray[Any], fmt: Element, dtype: Any = np.float32) -> NDArray[Any]:
    """The number of every code, exact, in the shape of ``codes``.

    >>> from extensor.formats import E2M1
    >>> decode_elements(np.array([1, 14, 7], np.uint8), E2M1).tolist()
    [0.5, -4.0, 6.0]
    """
    flat = np.ascontiguousarray(codes).reshape(-1)
    if fmt.bits < 8 * flat.dtype.itemsize and flat.size and int(flat.max()) >= 2**fmt.bits:
        raise FormatError(
            f"decode {fmt.name}: code {int(flat.max())} is outside of 0 .. {2**fmt.bits - 1}"
        )
    out = np.empty(flat.size, dtype)
    _decode(flat, out, fmt.facts)
    return out.reshape(np.shape(codes))
