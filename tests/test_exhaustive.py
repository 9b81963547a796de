"""All 2**32 float32 patterns, for the two formats of FP4 and FP8 training: `make nightly`.

The oracle gives the thresholds of a format; between two of them the code is constant, so the
comparison walks the patterns in order and needs no second encode.
"""

import numpy as np
import pytest
from numba import njit, prange
from numpy.typing import NDArray

from extensor.formats import Facts
from extensor.formats.rounding import ROUNDINGS
from extensor.scalar import encode
from tests import oracle
from tests.scalars import DETERMINISTIC, FORMATS, encode_all

LAST = 0x7F800000
"""The pattern of +Inf: all patterns below are finite."""


@njit(parallel=True)
def _mismatches(
    first: int,
    last: int,
    negative: bool,
    thresholds: NDArray[np.float64],
    signed: NDArray[np.int64],
    rounding: np.int64,
    word: np.int64,
    facts: Facts,
) -> int:
    """Patterns in first .. last - 1 whose code is not the one that the thresholds say."""
    wrong = 0
    span = 1 << 16
    for chunk in prange((last - first + span - 1) // span):
        start = first + chunk * span
        count = min(span, last - start)
        x = np.arange(start, start + count).astype(np.uint32).view(np.float32)
        k = np.int64(np.searchsorted(thresholds, np.float64(x[0]), side="right"))
        for i in range(count):
            while k < thresholds.size and np.float64(x[i]) >= thresholds[k]:
                k += np.int64(1)
            value = -np.float64(x[i]) if negative else np.float64(x[i])
            code = encode(value, np.int64(0), rounding, word, np.int64(32), True, facts)
            wrong += code != signed[min(k, np.int64(signed.size - 1))]
    return wrong


def _count(name: str, rounding: str, first: int, last: int, word: int = 0) -> int:
    fmt, spec = FORMATS[name]
    wrong, index = 0, np.int64(ROUNDINGS.index(rounding))
    for negative in (False, True):
        thresholds = oracle.thresholds(spec, rounding, negative, word)
        signed = np.array([spec.signed_code(c, negative) for c in range(spec.max_code + 1)])
        wrong += _mismatches(
            first, last, negative, thresholds, signed, index, np.int64(word), fmt.facts
        )
    return wrong


@pytest.mark.nightly
@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize("name", ["E2M1", "E4M3"])
def test_all_float32(name: str, rounding: str) -> None:
    assert _count(name, rounding, 0, LAST) == 0


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["E2M1", "E4M3"])
def test_all_float32_stochastic(name: str) -> None:
    for word in (1, 0x80000000, 0xFFFFFFFF):
        assert _count(name, "stochastic", 0, LAST, word) == 0


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["E2M1", "E4M3"])
def test_all_nan_patterns(name: str) -> None:
    """Every NaN of both signs: the canonical code, or none."""
    fmt, spec = FORMATS[name]
    wanted = -1 if spec.nan_code is None else spec.nan_code
    for top in (0x7F800000, 0xFF800000):
        patterns = np.arange(top + 1, top + (1 << 23), dtype=np.uint32)
        with np.errstate(invalid="ignore"):
            nans = patterns.view(np.float32).astype(np.float64)
        assert (encode_all(fmt, nans) == wanted).all()


@pytest.mark.parametrize("name", ["E2M1", "E4M3"])
def test_a_slice_of_float32(name: str) -> None:
    """A million patterns around 1.0, where every step of both formats is crossed, each push."""
    one = 0x3F800000
    assert _count(name, "nearest_even", one - (1 << 19), one + (1 << 19)) == 0
