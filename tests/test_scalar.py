"""`extensor.scalar` against the exact oracle: every 16-bit input, code, rounding and edge."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from extensor.formats import Element
from extensor.formats.rounding import ROUNDINGS
from tests import oracle
from tests.edges import both_signs, edges
from tests.oracle import Spec
from tests.scalars import (
    DETERMINISTIC,
    FORMATS,
    WORDS,
    all_16_bit,
    decode_all,
    encode_all,
    in_domain,
    same,
)

NAMES = list(FORMATS)
X16 = all_16_bit()


def _compare(
    fmt: Element,
    spec: Spec,
    x: NDArray[np.float64],
    rounding: str,
    word: int = 0,
    sr_bits: int = 32,
    saturate: bool = True,
) -> None:
    given = in_domain(x, spec)
    wanted = oracle.encode_all(spec, given, rounding, word, sr_bits, saturate)
    same(encode_all(fmt, given, rounding, word, sr_bits, saturate), wanted, given)


@pytest.mark.parametrize("name", NAMES)
def test_the_thresholds_are_the_oracle(name: str) -> None:
    """The fast form of the oracle agrees with the one in fractions, on edges and at random."""
    _, spec = FORMATS[name]
    rng = np.random.default_rng(0)
    x = rng.choice(edges(spec).astype(np.float64), 150)
    x = in_domain(both_signs(x).astype(np.float64), spec)
    for rounding in ROUNDINGS:
        for saturate in (True, False):
            for word, bits in ((0x80000001, 32), (0x55000000, 8)):
                fast = oracle.encode_all(spec, x, rounding, word, bits, saturate)
                for value, code in zip(x.tolist(), fast.tolist(), strict=True):
                    slow = oracle.encode(spec, value, rounding, word, bits, saturate)
                    assert code == (-1 if slow is None else slow), (value, rounding)


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize("name", NAMES)
def test_every_16_bit_input(name: str, rounding: str, saturate: bool) -> None:
    _compare(*FORMATS[name], X16, rounding, saturate=saturate)


@pytest.mark.parametrize("name", NAMES)
def test_every_16_bit_input_stochastic(name: str) -> None:
    for word in WORDS:
        _compare(*FORMATS[name], X16, "stochastic", word)
    for sr_bits in (8, 15, 16, 24):
        _compare(*FORMATS[name], X16, "stochastic", 0xC3A5F00D, sr_bits, saturate=False)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", NAMES)
def test_every_edge(name: str, rounding: str) -> None:
    """Values, midpoints, the neighbours of both in float32 and float64, overflow, underflow."""
    fmt, spec = FORMATS[name]
    for dtype in (np.float64, np.float32):
        x = both_signs(edges(spec, dtype)).astype(np.float64)
        for saturate in (True, False):
            _compare(fmt, spec, x, rounding, 0x80000000, saturate=saturate)


@pytest.mark.parametrize("name", ["E2M1", "E2M3", "E3M2", "E4M3", "E5M2", "INT8"])
def test_one_rounding_only(name: str) -> None:
    """A float64 just beside a midpoint must not become the midpoint in float32 first."""
    fmt, spec = FORMATS[name]
    middle = np.array([float(a + b) / 2 for a, b in zip(spec.magnitudes, spec.magnitudes[1:])])
    beside = np.concatenate([np.nextafter(middle, 0), np.nextafter(middle, np.inf)])
    twice = beside.astype(np.float32).astype(np.float64)
    assert np.isin(twice, middle).all()
    wanted = oracle.encode_all(spec, beside)
    same(encode_all(fmt, beside), wanted, beside)
    assert (encode_all(fmt, twice) != wanted).sum() == middle.size - 1  # the last one saturates


@pytest.mark.parametrize("name", NAMES)
def test_decode_every_code_and_back(name: str) -> None:
    fmt, spec = FORMATS[name]
    codes = np.arange(2**spec.bits)
    found, wanted = decode_all(fmt, codes), np.array(spec.values())
    np.testing.assert_array_equal(found, wanted)
    number = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found[number]), np.signbit(wanted[number]))
    finite = np.isfinite(wanted) & (codes != (0x80 if spec.fixed is not None else -1))
    for rounding in ROUNDINGS:
        same(encode_all(fmt, found[finite], rounding, 0xFFFFFFFF), codes[finite], found[finite])


@pytest.mark.parametrize("name", NAMES)
def test_nan_and_infinity(name: str) -> None:
    """NaN has one code, without its sign, or none; Inf saturates unless the format has it."""
    fmt, spec = FORMATS[name]
    none = -1 if spec.nan_code is None else spec.nan_code
    beyond = next((c for c in (spec.inf_code, spec.nan_code) if c is not None), spec.max_code)
    for rounding in ROUNDINGS:
        nans = np.array([np.nan, -np.nan])
        assert encode_all(fmt, nans, rounding).tolist() == [none, none]
        infinite = np.array([np.inf])
        assert encode_all(fmt, infinite, rounding).tolist() == [spec.max_code]
        assert encode_all(fmt, infinite, rounding, saturate=False).tolist() == [beyond]


def test_a_power_of_two_scale_costs_no_rounding() -> None:
    """``encode(x, exponent)`` is ``encode(x * 2**exponent)``, also where that product rounds."""
    fmt, spec = FORMATS["E2M1"]
    rng = np.random.default_rng(1)
    for exponent in (-127, -40, 0, 40, 127, 900):
        x = rng.normal(size=200) * 2.0**-exponent
        wanted = [oracle.encode(spec, Fraction(v) * oracle.two(exponent)) for v in x.tolist()]
        assert encode_all(fmt, x, exponent=exponent).tolist() == wanted, exponent
    least = np.array([5e-324, -5e-324])
    assert encode_all(fmt, least, exponent=1074).tolist() == [2, 10]
    assert encode_all(fmt, least, exponent=1075).tolist() == [4, 12]
