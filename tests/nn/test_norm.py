"""Layers of norm and dropout: parameters, modes, and how they print."""

import numpy as np
import pytest

import extensor as ex
from extensor.nn import Dropout, LayerNorm, Linear, RMSNorm, Sequential
from tests.recipes.steps import normal


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_a_norm_is_its_op(kind: type[LayerNorm] | type[RMSNorm]) -> None:
    layer = kind(16, eps=0.5)
    x, parameters = normal(0, 4, 16), layer.parameters()
    assert list(parameters) == (["weight", "bias"] if kind is LayerNorm else ["weight"])
    for i, p in enumerate(parameters.values()):
        p.storage.array[...] = normal(i + 1, 16)  # type: ignore[union-attr]
    run = ex.layer_norm if kind is LayerNorm else ex.rms_norm
    np.testing.assert_array_equal(layer(x).numpy(), run(x, *parameters.values(), eps=0.5).numpy())
    layer(x).backward(ex.asarray(normal(3, 4, 16)))
    assert all(p.grad is not None and p.grad.numpy().any() for p in parameters.values())
    assert repr(layer) == f"{kind.__name__}(16, eps=0.5)"


def test_norms_start_as_plain_norms() -> None:
    x = normal(0, 4, 64) + 3
    y = LayerNorm(64)(x).numpy()
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(-1), 1, rtol=1e-4)
    np.testing.assert_allclose(np.square(RMSNorm(64)(x).numpy()).mean(-1), 1, rtol=1e-4)


def test_dropout_works_in_training_only() -> None:
    layer, x = Dropout(0.4), ex.asarray(normal(0, 50, 50))
    y = layer(x, key=ex.key(1))
    np.testing.assert_array_equal(y.numpy(), ex.dropout(x, p=0.4, key=ex.key(1)).numpy())
    assert (y.numpy() == 0).mean() == pytest.approx(0.4, abs=0.05)
    with pytest.raises(ex.KeyMissingError, match="dropout"):
        layer(x)
    assert layer.eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert repr(layer) == "Dropout(0.4)"
    with pytest.raises(ex.FormatError, match="p=1.5"):
        Dropout(1.5)


def test_layers_of_dropout_draw_differently() -> None:
    ones = ex.ExTensor[ex.float32].ones((4000,))
    once = Dropout(0.5)(ones, key=ex.key(0).fold(0)).numpy()
    twice = Sequential(Dropout(0.5), Dropout(0.5))(ones, key=ex.key(0)).numpy()
    assert (once != 0).mean() == pytest.approx(0.5, abs=0.04)
    assert (twice != 0).mean() == pytest.approx(0.25, abs=0.04)


def test_eval_reaches_dropout_in_a_model() -> None:
    model = Sequential(Linear(8, 8, key=ex.key(0)), Dropout(0.5)).eval()
    x = normal(0, 3, 8)
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())
