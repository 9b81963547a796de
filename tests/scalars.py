"""What the tests of `extensor.scalar` share: the formats, their oracle facts, array kernels."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from extensor import formats
from extensor.formats import Element, Facts, Float
from extensor.formats.rounding import ROUNDINGS
from extensor.scalar import decode, encode
from tests import oracle
from tests.oracle import Spec

E3M3 = Float("e3m3", exponent=3, mantissa=3, bias=4, specials="nan")
E4M2 = Float("e4m2", exponent=4, mantissa=2, bias=9, specials="ieee")
"""Two formats of a user: nothing in the library knows them."""

FORMATS: dict[str, tuple[Element, Spec]] = {
    "E2M1": (formats.E2M1, oracle.E2M1),
    "E2M3": (formats.E2M3, oracle.E2M3),
    "E3M2": (formats.E3M2, oracle.E3M2),
    "E4M3": (formats.E4M3, oracle.E4M3),
    "E5M2": (formats.E5M2, oracle.E5M2),
    "E8M0": (formats.E8M0, oracle.E8M0),
    "UE5M3": (formats.UE5M3, oracle.UE5M3),
    "INT8": (formats.INT8, oracle.INT8),
    "BF16": (formats.BF16, oracle.BF16),
    "FP16": (formats.FP16, oracle.FP16),
    "user E3M3": (E3M3, Spec(3, 3, 4, "nan")),
    "user E4M2": (E4M2, Spec(4, 2, 9, "ieee")),
}
"""Name: (the format of the library, the facts that the oracle has of it)."""

DETERMINISTIC = [r for r in ROUNDINGS if r != "stochastic"]
WORDS = (0, 1, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF)
"""The boundary words of a 32-bit draw."""


@njit()
def _encode(
    x: NDArray[np.float64],
    rounding: np.int64,
    words: NDArray[np.int64],
    sr_bits: np.int64,
    saturate: bool,
    exponent: np.int64,
    facts: Facts,
    out: NDArray[np.int64],
) -> None:
    for i in range(x.size):
        word = words[i % words.size]
        out[i] = encode(x[i], exponent, rounding, word, sr_bits, saturate, facts)


@njit()
def _decode(codes: NDArray[np.int64], facts: Facts, out: NDArray[np.float64]) -> None:
    for i in range(codes.size):
        out[i] = decode(codes[i], facts)


def encode_all(
    fmt: Element,
    x: NDArray[np.float64],
    rounding: str = "nearest_even",
    words: int | NDArray[np.int64] = 0,
    sr_bits: int = 32,
    saturate: bool = True,
    exponent: int = 0,
) -> NDArray[np.int64]:
    """The scalar ``encode`` of every element; one word for all, or one each in turn."""
    out = np.empty(x.size, np.int64)
    given = np.atleast_1d(np.asarray(words, np.int64))
    index = np.int64(ROUNDINGS.index(rounding))
    bits, power = np.int64(sr_bits), np.int64(exponent)
    _encode(x, index, given, bits, saturate, power, fmt.facts, out)
    return out


def decode_all(fmt: Element, codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The scalar ``decode`` of every code."""
    out = np.empty(codes.size, np.float64)
    _decode(codes, fmt.facts, out)
    return out


def all_16_bit() -> NDArray[np.float64]:
    """All float16 and all bfloat16 patterns, NaN and Inf included, as float64."""
    patterns = np.arange(1 << 16, dtype=np.uint32)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        half = patterns.astype(np.uint16).view(np.float16).astype(np.float64)
        brain = (patterns << np.uint32(16)).view(np.float32).astype(np.float64)
    return np.concatenate([half, brain])


def in_domain(x: NDArray[np.float64], spec: Spec) -> NDArray[np.float64]:
    """What a format may be asked for: unsigned ones take no negative value, E8M0 no zero."""
    keep = np.ones(x.size, bool) if spec.signed else ~np.signbit(x)
    return np.asarray(x[keep & (spec.zero | (x != 0))])


def same(found: NDArray[np.generic], wanted: NDArray[np.generic], x: NDArray[np.generic]) -> None:
    """Raise unless all are equal, naming the first input where they are not."""
    wrong = np.flatnonzero(found != wanted)
    if wrong.size:
        i = wrong[0]
        raise AssertionError(
            f"{wrong.size} of {x.size} differ, first {x[i]!r}: {found[i]}, should be {wanted[i]}"
        )
