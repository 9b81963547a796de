"""The optimizers on real tensors: gradients of backward, native and packed."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.errors import DTypeError
from extensor.optim import SGD


def test_descends_on_a_real_gradient() -> None:
    """The gradient of the sum of squares is 2 w: at lr 0.25 each step halves w."""
    w: Any = ex.asarray(np.arange(12, dtype=np.float32).reshape(3, 4), requires_grad=True)
    sgd = SGD({"w": w}, lr=0.25)
    for _ in range(2):
        sgd.zero_grad()
        (w * w).sum().backward()
        sgd.step()
    assert w.numpy().tolist() == (np.arange(12).reshape(3, 4) / 4).tolist()
    assert w.storage.version == 2


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "mxfp8_e4m3"])
def test_a_packed_gradient_is_dequantized_as_it_is_read(fmt: str) -> None:
    """The step is the dequantized value; the gradient stays packed; a tail block is read right."""
    draw = np.random.default_rng(0)
    w = ex.asarray(np.zeros((5, 45), np.float32), requires_grad=True)
    packed = ex.quantize(ex.asarray(draw.normal(size=(5, 45)).astype(np.float32)), ex.dtype(fmt))
    w.grad = packed
    SGD([w], lr=1.0).step()
    assert np.array_equal(-w.numpy(), packed.numpy()) and w.numpy().any()
    assert w.grad is packed and packed.nbytes < w.nbytes / 2


def test_a_quantized_parameter_is_refused() -> None:
    """Master weights are float32; the message names the parameter and its format."""
    w = ex.quantize(ex.asarray(np.ones((2, 32), np.float32)), ex.dtype("mxfp4"))
    with pytest.raises(DTypeError, match="SGD: parameter 'w' is mxfp4; .*float32"):
        SGD({"w": w}, lr=0.1)
