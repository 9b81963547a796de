"""Activations against PyTorch, at their kinks too."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from tests.ops.peer import BOUNDS, agree

both = pytest.mark.parametrize("dtype", BOUNDS)
ROWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("relu6", {}, {}),
    ("hardtanh", {}, {}),
    ("hardtanh", {"low": -2.0, "high": 0.5}, {"min_val": -2.0, "max_val": 0.5}),
    ("elu", {}, {}),
    ("elu", {"alpha": 0.5}, {"alpha": 0.5}),
    ("selu", {}, {}),
    ("celu", {"alpha": 0.5}, {"alpha": 0.5}),
    ("mish", {}, {}),
    ("hardsigmoid", {}, {}),
    ("hardswish", {}, {}),
    ("softsign", {}, {}),
    ("tanhshrink", {}, {}),
    ("softshrink", {"edge": 1.0}, {"lambd": 1.0}),
    ("hardshrink", {}, {}),
    ("threshold", {"edge": 0.5, "value": 3.0}, {"threshold": 0.5, "value": 3.0}),
    ("logsigmoid", {}, {}),
    ("gelu", {"approximate": "tanh"}, {"approximate": "tanh"}),
    ("gelu", {"approximate": "none"}, {}),
    ("softmin", {"axis": 0}, {"dim": 0}),
    ("glu", {"axis": 1}, {"dim": 1}),
]
KINKS = [-6.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 40.0, -40.0]


@both
@pytest.mark.parametrize(("name", "how", "words"), ROWS)
def test_activation(name: str, how: dict[str, Any], words: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((6, 8, 3)) * 3
    x[0, :4] = np.array(KINKS).reshape(4, 3)
    their = getattr(torch.nn.functional, name)
    if name == "hardsigmoid":  # PyTorch's own gradient in float64 holds 1/6 in float32
        their = lambda t: torch.nn.functional.hardtanh(t / 6 + 0.5, 0.0, 1.0)  # noqa: E731
    agree(lambda t: getattr(ex, name)(t, **how), lambda t: their(t, **words), [x], dtype)


@both
@pytest.mark.parametrize("slopes", [1, 8])
def test_prelu(slopes: int, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((6, 8, 3)), rng.standard_normal(slopes)]
    agree(ex.prelu, torch.nn.functional.prelu, arrays, dtype)


@pytest.mark.parametrize("name", ["elu", "selu", "celu", "mish", "logsigmoid", "hardswish"])
def test_large_numbers_have_finite_derivatives(name: str) -> None:
    """Twice: the branch that is not taken does not overflow."""
    x = ex.asarray([900.0, -900.0, 50.0, -50.0], ex.float64, requires_grad=True)
    (dx,) = ex.grad(getattr(ex, name)(x).sum(), [x], create_graph=True)
    assert np.isfinite(dx.numpy()).all()
    if dx.requires_grad:
        assert np.isfinite(ex.grad(dx.sum(), [x])[0].numpy()).all()


def test_errors() -> None:
    with pytest.raises(ex.FormatError, match="approximate='erf'; allowed: 'none', 'tanh'"):
        ex.gelu([1.0], approximate="erf")
    with pytest.raises(ex.ShapeError, match="an axis of even length"):
        ex.glu([1.0, 2.0, 3.0])
    with pytest.raises(ex.ShapeError, match="prelu: shapes .* one slope, or one for each"):
        ex.prelu(np.ones((2, 3)), np.ones(2))
