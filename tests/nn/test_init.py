"""Initial weights: bounds, variances, orthogonality, and that they are a function of the key."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.nn import init

SHAPE = (64, 32, 3, 3)
FAN_IN, FAN_OUT = 32 * 9, 64 * 9


@pytest.mark.parametrize(
    ("scheme", "how", "variance", "bound"),
    [
        ("xavier_uniform", {}, 2 / (FAN_IN + FAN_OUT), 3**0.5),
        ("xavier_normal", {"gain": 2.0}, 8 / (FAN_IN + FAN_OUT), None),
        ("kaiming_uniform", {}, 2 / FAN_IN, 3**0.5),
        ("kaiming_uniform", {"activation": "leaky_relu", "slope": 1.0}, 1 / FAN_IN, 3**0.5),
        ("kaiming_normal", {"mode": "fan_out"}, 2 / FAN_OUT, None),
        ("kaiming_normal", {"activation": "tanh"}, 25 / 9 / FAN_IN, None),
        ("lecun_uniform", {}, 1 / FAN_IN, 3**0.5),
        ("lecun_normal", {}, 1 / FAN_IN, None),
        ("truncated_normal", {"std": 0.5}, 0.25 * 0.7737, 2 / 0.7737**0.5),
        ("truncated_normal", {"low": -1.0, "high": 1.0}, 0.2911, 1 / 0.2911**0.5),
    ],
)
def test_scheme(scheme: str, how: dict[str, Any], variance: float, bound: float | None) -> None:
    """Mean 0, the variance of its formula, and for bounded ones the largest over the deviation."""
    make = getattr(init, scheme)
    w = make(SHAPE, ex.key(0), **how)
    assert w.requires_grad and w.dtype == ex.float32 and w.shape == SHAPE
    array, std = w.numpy().astype(np.float64), variance**0.5
    assert abs(array.mean()) < 4 * std / array.size**0.5
    assert array.std() == pytest.approx(std, rel=0.02)
    if bound is not None:
        assert 0.99 < np.abs(array).max() / (bound * std) < 1.0002
    np.testing.assert_array_equal(make(SHAPE, ex.key(0), **how).numpy(), w.numpy())
    assert (make(SHAPE, ex.key(1), **how).numpy() != w.numpy()).mean() > 0.99


@pytest.mark.parametrize("shape", [(8, 8), (5, 12), (12, 5), (6, 3, 2, 2), (3, 6, 2, 2)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = init.orthogonal(shape, ex.key(3), gain=2.0).numpy().reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)
    assert (init.orthogonal(shape, ex.key(4)).numpy().reshape(w.shape) != w / 2).any()


def test_orthogonal_matrices_are_uniform() -> None:
    """Signs are fixed by R: the trace of many has mean 0 (it would be negative without)."""
    traces = [np.trace(init.orthogonal((4, 4), ex.key(i)).numpy()) for i in range(400)]
    assert abs(np.mean(traces)) < 0.2 and np.var(traces) == pytest.approx(1, abs=0.3)


def test_constants() -> None:
    assert init.constant((2, 2), 0.5).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert init.zeros((2,)).requires_grad and init.ones((2,)).tolist() == [1.0, 1.0]


def test_errors() -> None:
    with pytest.raises(ex.ShapeError, match=r"init: shape \(3,\); allowed"):
        init.xavier_uniform((3,))
    with pytest.raises(ex.FormatError, match="mode='fan'; allowed"):
        init.kaiming_normal((3, 3), mode="fan")
    with pytest.raises(ex.FormatError, match="no gain for 'cube'; allowed: linear"):
        init.kaiming_uniform((3, 3), activation="cube")
    for low, high in [(1.0, -1.0), (5.0, 6.0), (0.0, 0.0)]:
        with pytest.raises(ex.FormatError, match="truncated_normal: low="):
            init.truncated_normal((3,), low=low, high=high)
