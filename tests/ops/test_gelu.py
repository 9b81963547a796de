"""GELU against PyTorch: values, gradients, the whole range of its float32 loop."""

import math

import numpy as np
import pytest

import extensor as ex
from extensor import ops
from tests.ops.peer import BOUNDS, agree


@pytest.mark.parametrize("dtype", BOUNDS)
def test_gelu(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((40, 50)) * 3
    agree(ex.gelu, torch.nn.functional.gelu, [x], dtype)


def test_the_loops_on_the_whole_range() -> None:
    x = np.linspace(-14, 14, 200_001).astype(np.float32)
    wide, ones = x.astype(np.float64), np.ones_like(x)
    y, slope = ops.gelu(x).numpy(), ops.gelu_grad(ones, x).numpy()
    assert np.abs(y - ops.gelu.meaning(wide)).max() < 1.5e-6
    assert np.abs(slope - ops.gelu_grad.meaning(ones, wide)).max() < 1e-6
    assert not y[x < -5.6].any() and (y[x > 5.6] == x[x > 5.6]).all()


def test_memory_order_and_odd_values() -> None:
    x = np.random.default_rng(0).standard_normal((30, 7)).astype(np.float32)
    x[3, 4] = np.nan
    y = ops.gelu(x).numpy()
    np.testing.assert_array_equal(ops.gelu(np.asfortranarray(x)).numpy(), y)
    assert np.isnan(y).sum() == 1 and np.isnan(y[3, 4])
    ends = ops.gelu(np.array([np.inf, -np.inf], np.float32)).numpy()  # -inf times 0, as PyTorch has
    assert ends[0] == np.inf and np.isnan(ends[1])


def test_erf_is_that_of_the_library() -> None:
    x = np.linspace(-4, 4, 1001)
    np.testing.assert_allclose(ex.erf(x).numpy(), [math.erf(v) for v in x], rtol=1e-15)
    assert ex.erf(np.float64(0.5)).shape == ()
