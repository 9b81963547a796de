"""Parameter gradients packed in a block format until the optimizer reads them."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.optim import SGD, Adam
from tests.recipes.steps import Array, normal

QUANTIZERS = {
    "mxfp4": ex.Quantizer(ex.mxfp4, rounding="stochastic"),
    "nvfp4": ex.Quantizer(ex.nvfp4, rounding="stochastic", scale_rounding="up"),
}
FACTS = {"mxfp4": (32, 16, 0), "nvfp4": (16, 8, 4)}
"""Elements of a block, their bytes, bytes of the tensor scale; a scale takes one byte."""


def backward(recipe: str = "nvfp4-grad", storage: str | None = None, key: int = 7) -> Any:
    model = ex.models.LeNet5(recipe=recipe, key=ex.key(0))
    if storage:
        model.keep_gradients_in(QUANTIZERS[storage])
    y = model(normal(1, 4, 1, 28, 28), key=ex.key(1))
    ex.cross_entropy(y, ex.asarray(np.arange(4))).backward(key=ex.key(key))
    return model


def predicted(fmt: str, shape: tuple[int, ...]) -> int:
    """Rows along the last axis, each of whole blocks with a scale byte."""
    length, code_bytes, tensor_scale = FACTS[fmt]
    rows, blocks = int(np.prod(shape[:-1])), -(-shape[-1] // length)
    return rows * blocks * (code_bytes + 1) + tensor_scale


@pytest.mark.parametrize("fmt", QUANTIZERS)
def test_dtype_and_bytes(fmt: str) -> None:
    model = backward(storage=fmt)
    for name, parameter in model.named_parameters():
        grad = parameter.grad
        assert grad.dtype == ex.dtype(fmt) and grad.dtype.kind == "blocked", name
        assert grad.shape == parameter.shape
        assert grad.nbytes == predicted(fmt, parameter.shape), name
        assert grad.numpy().any(), name
    assert model.fc1.weight.grad.nbytes < model.fc1.weight.nbytes / 6.9


@pytest.mark.parametrize("fmt", QUANTIZERS)
def test_what_is_stored_is_the_gradient_rounded_with_the_documented_keys(fmt: str) -> None:
    """Leaf number i of the walk draws from key.fold(i): all of them differ."""
    model, plain = backward(storage=fmt), backward()
    keys = [ex.key(7).fold(i) for i in range(10)]
    used = set()
    for name, parameter in model.named_parameters():
        raw = plain.parameters()[name].grad.numpy()
        found = [
            i for i, key in enumerate(keys)
            if np.array_equal(QUANTIZERS[fmt].apply(raw, key=key).rows.codes, parameter.grad.packed)
        ]  # fmt: skip
        assert found, name
        used |= set(found[:1]) if len(found) == 1 else set()
    assert len(used) >= 8
    again, other = backward(storage=fmt), backward(storage=fmt, key=8)
    weights = [m.fc1.weight.grad.packed for m in (model, again, other)]
    assert np.array_equal(*weights[:2]) and not np.array_equal(*weights[::2])


@pytest.mark.parametrize("fmt", QUANTIZERS)
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_the_optimizer_reads_it(fmt: str, kind: Any) -> None:
    """A step from the packed gradient is the step from its dequantized values."""
    packed, plain = backward(storage=fmt), backward()
    for name, parameter in plain.named_parameters():
        parameter.grad = ex.dequantize(packed.parameters()[name].grad)
    for model in (packed, plain):
        before = {name: p.numpy().copy() for name, p in model.named_parameters()}
        kind(model.parameters(), lr=0.01).step()
        for name, parameter in model.named_parameters():
            assert (parameter.numpy() != before[name]).any(), name
    for name, parameter in packed.named_parameters():
        assert parameter.grad.dtype == ex.dtype(fmt)
        ex.testing.assert_bits_equal(parameter.numpy(), plain.parameters()[name].numpy())


def test_the_mean_over_keys_is_the_gradient() -> None:
    """Unbiased: the error of the mean of 64 stored gradients is 8 times smaller than of one."""
    w = ex.asarray(np.zeros((16, 64), np.float32), requires_grad=True)
    w.grad_quantizer = QUANTIZERS["mxfp4"]
    g = normal(0, 16, 64)
    stored: list[Array] = []
    for i in range(64):
        w.grad = None
        (w * ex.asarray(g)).sum().backward(key=ex.key(i))
        assert w.grad is not None
        stored.append(w.grad.numpy())
    errors = [float(np.sqrt(np.square(np.mean(stored[:n], 0) - g).mean())) for n in (1, 64)]
    assert errors[0] / errors[1] == pytest.approx(8, rel=0.1)


def test_gradients_add_up_packed() -> None:
    """A second backward adds to the stored values, and the sum is stored packed again."""
    w = ex.asarray(np.ones((2, 32), np.float32), requires_grad=True)
    w.grad_quantizer = ex.Quantizer(ex.mxfp4)
    for _ in range(2):
        (w * 3.0).sum().backward()
    assert w.grad is not None and w.grad.dtype == ex.mxfp4
    assert (w.grad.numpy() == 6).all()


def test_no_key_is_an_error_and_stores_nothing() -> None:
    model = ex.nn.Linear(32, 4).keep_gradients_in(QUANTIZERS["mxfp4"])
    loss = model(normal(0, 2, 32)).sum()
    with pytest.raises(ex.KeyMissingError, match=r"key=ex\.key"):
        loss.backward()
    assert all(p.grad is None for p in model.parameters().values())
    model.keep_gradients_in(None)
    loss.backward()
    assert all(p.grad is not None and p.grad.dtype == ex.float32
               for p in model.parameters().values())  # fmt: skip
