"""The same function in extensor and in PyTorch: values and gradients, for all tests of ops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import extensor as ex

BOUNDS = {"float64": 1e-10, "float32": 1e-5}


def agree(
    mine: Callable[..., ex.ExTensor], theirs: Callable[..., Any], arrays: list[Any], dtype: str
) -> None:
    """Both functions on these operands: answers, and gradients of floats for a random cotangent."""
    torch = pytest.importorskip("torch")
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]
    floats = [a.dtype.kind == "f" for a in arrays]
    xs = [ex.asarray(a, requires_grad=f) for a, f in zip(arrays, floats, strict=True)]
    ts = [torch.from_numpy(a.copy()).requires_grad_(f) for a, f in zip(arrays, floats, strict=True)]
    y, t = mine(*xs), theirs(*ts)
    g = np.random.default_rng(7).standard_normal(y.shape).astype(dtype)
    y.backward(ex.asarray(g))
    t.backward(torch.from_numpy(np.asarray(g)).reshape(t.shape))
    bound = BOUNDS[dtype]
    assert y.dtype.name == dtype
    np.testing.assert_allclose(y.numpy(), t.detach().numpy(), rtol=bound, atol=bound)
    for x, u in zip(xs, ts, strict=True):
        if x.requires_grad:
            assert x.grad is not None and x.grad.dtype.name == dtype
            np.testing.assert_allclose(x.grad.numpy(), u.grad.numpy(), rtol=bound, atol=bound)
