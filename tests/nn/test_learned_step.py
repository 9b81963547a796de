"""LSQ: values and both gradients by the written formula, the first step, and learning."""

import numpy as np
import pytest

import extensor as ex
from extensor.nn import LearnedStep
from extensor.optim import SGD
from tests.recipes.steps import normal

INT4 = ex.Fixed("int4", bits=4, fraction=0)


@pytest.mark.parametrize("fmt", [ex.float4_e2m1fn, ex.float8_e4m3fn, INT4])
def test_values_and_gradients(fmt: ex.Float) -> None:
    x, g, s, most = 3 * normal(0, 8, 16), normal(1, 8, 16), np.float32(0.5), float(fmt.max)
    layer, tensor = LearnedStep(fmt, step=0.5), ex.asarray(x, requires_grad=True)
    y = layer(tensor)
    y.backward(ex.asarray(g))
    u = x / s
    q = ex.asarray(np.clip(u, -most, most)).to(fmt).to(ex.float32).numpy()
    np.testing.assert_allclose(y.numpy(), q * s, rtol=1e-6)
    inside = abs(u) <= most
    assert tensor.grad is not None and layer.step.grad is not None
    np.testing.assert_allclose(tensor.grad.numpy(), g * inside, rtol=1e-6)
    wanted = (g * np.where(inside, q - u, np.sign(u) * most)).sum() / np.sqrt(x.size * most)
    assert layer.step.grad.item() == pytest.approx(float(wanted), rel=1e-4)


def test_the_first_batch_sets_the_step() -> None:
    layer, x = LearnedStep(INT4), normal(0, 64, 8)
    layer.eval()
    layer(x)
    assert layer.step.numpy()[0] == 1
    layer.train()
    layer(x)
    first = layer.step.numpy()[0]
    assert first == pytest.approx(2 * abs(x).mean() / np.sqrt(INT4.max), rel=1e-6)
    layer(10 * x)
    assert layer.step.numpy()[0] == first
    other = LearnedStep(INT4)
    other.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(other(x).numpy(), layer(x).numpy())


def test_a_step_that_is_far_off_is_learned() -> None:
    """From a step 30 times too small, the squared error falls to near that of the best step."""
    x = ex.asarray(normal(0, 64, 32))

    def error(step: float) -> float:
        return float(np.square(LearnedStep(INT4, step)(x).numpy() - x.numpy()).mean())

    best = min(error(s) for s in np.linspace(0.1, 1.0, 46))
    layer = LearnedStep(INT4, step=0.01)
    optimizer = SGD(layer.parameters(), lr=20.0)
    for _ in range(200):
        ((layer(x) - x) ** 2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert error(0.01) > 40 * best and error(float(layer.step.numpy()[0])) < 1.1 * best


def test_elements_with_codes_only() -> None:
    for fmt in (ex.float32, ex.mxfp4):
        with pytest.raises(ex.DTypeError, match="no element format with codes"):
            LearnedStep(fmt)  # type: ignore[arg-type]
