"""Dropout is a function of key and index: which numbers stay, their scale, and its gradient."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.noise import words
from extensor.testing import assert_bits_equal

X = np.random.default_rng(0).standard_normal((3, 70, 41)).astype(np.float32)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("count", [1, 5, 8191, 8192, 20_001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("key", [ex.key(5), ex.Key(2**63 + 5, 2**64 - 1)], ids=["small", "large"])
def test_the_words_decide(p: float, count: int, dtype: type[np.floating[Any]], key: ex.Key) -> None:
    x = np.random.default_rng(0).standard_normal(count).astype(dtype)
    kept = words(key, 0, count) >= round(p * 2**32)
    wanted = np.where(kept, x * dtype(1 / (1 - p)), dtype(0))
    assert_bits_equal(ex.dropout(x, p=p, key=key).numpy(), wanted)


def test_memory_order_does_not_matter() -> None:
    plain = ex.dropout(X, p=0.3, key=ex.key(1)).numpy()
    assert_bits_equal(ex.dropout(np.asfortranarray(X), p=0.3, key=ex.key(1)).numpy(), plain)
    other = ex.dropout(X, p=0.3, key=ex.key(2)).numpy()
    assert ((plain == 0) != (other == 0)).mean() == pytest.approx(0.42, abs=0.02)


def test_the_part_that_stays_and_the_mean() -> None:
    ones = np.ones(1_000_000, np.float32)
    y = ex.dropout(ones, p=0.2, key=ex.key(0)).numpy()
    assert (y == 0).mean() == pytest.approx(0.2, abs=2e-3)
    assert y.mean(dtype=np.float64) == pytest.approx(1.0, abs=3e-3)


def test_the_gradient_is_the_same_mask() -> None:
    x = ex.asarray(X, requires_grad=True)
    y = ex.dropout(x, p=0.3, key=ex.key(1))
    g = np.random.default_rng(2).standard_normal(X.shape).astype(np.float32)
    y.backward(ex.asarray(g))
    assert x.grad is not None
    assert_bits_equal(x.grad.numpy(), ex.dropout(g, p=0.3, key=ex.key(1)).numpy())
    assert ((x.grad.numpy() == 0) == (y.numpy() == 0)).all()


def test_nothing_is_dropped_at_zero() -> None:
    assert_bits_equal(ex.dropout(X, p=0.0).numpy(), X)


def test_what_is_dropped_is_gone() -> None:
    y = ex.dropout(np.full(100, np.nan, np.float32), p=0.5, key=ex.key(0)).numpy()
    assert set(np.isnan(y)) == {False, True} and (y[~np.isnan(y)] == 0).all()


@pytest.mark.parametrize("fmt", ["bfloat16", "float16", "mxfp4"])
def test_narrow_formats_take_the_fallback(fmt: str) -> None:
    x = ex.asarray(X[0]).to(fmt)
    y = np.asarray(ex.dropout(x, p=0.5, key=ex.key(1)).numpy(), np.float32)
    wanted = ex.dropout(np.asarray(x.numpy(), np.float32), p=0.5, key=ex.key(1)).numpy()
    np.testing.assert_array_equal(y, wanted)


def test_errors() -> None:
    for p in (-0.1, 1.0, float("nan")):
        with pytest.raises(ex.FormatError, match="allowed: 0 <= p < 1"):
            ex.dropout(X, p=p, key=ex.key(0))
    with pytest.raises(ex.KeyMissingError, match="call model"):
        ex.dropout(X, p=0.5)
