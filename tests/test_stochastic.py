"""Stochastic rounding, proved by enumerating words instead of sampling them."""

import numpy as np
import pytest
from numpy.typing import NDArray

import extensor as ex
from tests import oracle
from tests.proofs import BROKEN, SUBTLE, Rounder, prove_32_bits, prove_eight_bits
from tests.scalars import FORMATS, encode_all

NAMES = [name for name in FORMATS if name not in ("E8M0", "BF16", "FP16")]


def _rounder(name: str, low: int, sr_bits: int, sign: float = 1.0) -> Rounder:
    """The scalar encode between magnitude codes ``low`` and ``low + 1``, as a rounder."""
    fmt, spec = FORMATS[name]
    bottom, top = float(spec.magnitudes[low]), float(spec.magnitudes[low + 1])
    down = spec.signed_code(low, sign < 0)

    def up(fractions: NDArray[np.float64], words: NDArray[np.int64]) -> NDArray[np.bool_]:
        x = sign * (bottom + (top - bottom) * fractions)
        codes = encode_all(fmt, x, "stochastic", words, sr_bits)
        assert np.isin(codes, [down, spec.signed_code(low + 1, sign < 0)]).all()
        return np.asarray(codes != down)

    return up


@pytest.mark.parametrize("name", NAMES)
def test_eight_bits_are_exact(name: str) -> None:
    """Centred 8-bit draws: the mean over all draws is the value itself, in every interval."""
    spec = FORMATS[name][1]
    for low in {0, 1, 2, 3, spec.max_code // 2, spec.max_code - 1}:
        for sign in (1.0, -1.0) if spec.signed else (1.0,):
            prove_eight_bits(_rounder(name, low, 8, sign))


@pytest.mark.parametrize("name", NAMES)
def test_32_bits_by_the_boundary_words(name: str) -> None:
    spec = FORMATS[name][1]
    for low in {0, 1, spec.max_code - 1}:
        prove_32_bits(_rounder(name, low, 32))
        if spec.signed:
            prove_32_bits(_rounder(name, low, 32, -1.0))


@pytest.mark.parametrize("sr_bits", range(1, 33))
def test_every_number_of_bits(sr_bits: int) -> None:
    """Bits r: up from 1 - draw / 2**r, centred below 16; the words next to it on both sides."""
    fmt, spec = FORMATS["E3M2"]
    rng = np.random.default_rng(sr_bits)
    words = np.concatenate([[0, 2**31, 2**32 - 1], rng.integers(0, 2**32, 20)])
    x = np.concatenate([rng.uniform(0, 28, 200), np.array(spec.magnitudes[:-1], np.float64)])
    for word in words.tolist():
        wanted = oracle.encode_all(spec, x, "stochastic", word, sr_bits)
        found = encode_all(fmt, x, "stochastic", word, sr_bits)
        np.testing.assert_array_equal(found, wanted)


def test_the_bias_of_the_floor_is_below_two_to_the_minus_32() -> None:
    """Fractions finer than 2**-32: the number of words that go up is floor(f 2**32)."""
    up = _rounder("E2M1", 2, 32)
    rng = np.random.default_rng(0)
    fractions = rng.integers(1, 2**51, 2000) / 2**51
    count = np.floor(fractions * 2**32).astype(np.int64)
    fractions, count = fractions[count > 0], count[count > 0]
    assert up(fractions, 2**32 - count).all()
    assert not up(fractions, 2**32 - count - 1).any()


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rounders_are_rejected(name: str) -> None:
    with pytest.raises(AssertionError):
        prove_eight_bits(BROKEN[name])
    with pytest.raises(AssertionError):
        prove_32_bits(BROKEN[name])


@pytest.mark.parametrize("name", SUBTLE)
def test_rounders_off_by_one_word_are_rejected(name: str) -> None:
    with pytest.raises(AssertionError):
        (prove_eight_bits if "8" in name else prove_32_bits)(SUBTLE[name])


def test_the_mean_of_a_stochastic_block_is_the_block() -> None:
    """`rceil` never clips: over all 256 draws the mean of an MXFP4 element is the element."""
    x = np.array([[5.5, -0.25, 1 / 256, 0.0, -5.75, 2.5]], np.float32)
    scale = ex.quantize(x, ex.mxfp4).scales
    assert scale.tolist() == [[127]]
    fmt = ex.mxfp4.element
    draws = np.arange(256, dtype=np.int64) << 24
    for value in x[0].astype(np.float64).tolist():
        codes = encode_all(fmt, np.full(256, value), "stochastic", draws, 8)
        assert fmt.values[codes].mean() == value
