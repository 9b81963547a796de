"""A user's own format, by facts alone: on all six operands of an MLP's steps, saved and shown."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.formats import E2M1, E4M3, E8M0, FP32, UE5M3
from extensor.optim import SGD
from tests.recipes.steps import FP4, normal

E3M0 = ex.Float("e3m0", exponent=3, mantissa=0, bias=3)
E1M2 = ex.Float("e1m2", exponent=1, mantissa=2, bias=1)
E2M2 = ex.Float("e2m2", exponent=2, mantissa=2, bias=1)
FORMATS = {
    "e3m0, a logarithmic grid": ex.Block(E3M0, (1, 32), E8M0),
    "mxfp4 of 16": ex.Block(E2M1, (1, 16), E8M0),
    "ue5m3 of 8": ex.Block(E2M1, (1, 8), UE5M3),
    "e1m2, a uniform grid": ex.Block(E1M2, (1, 16), E4M3, tensor_scale=True),
    "five bits": ex.Block(E2M2, (1, 32), E8M0),
    "odd blocks, float32 scales": ex.Block(E2M1, (1, 33), FP32),
    "tiles of 8 x 8": ex.Block(E2M1, (8, 8), E8M0),
    "fixed point": ex.Block(ex.Fixed("fix6", bits=6, fraction=4), (1, 32), E8M0),
}


def recipe_of(fmt: ex.Block) -> ex.Recipe:
    """Nearest forward, stochastic backward, all six operands in one format."""
    up = "nearest" if fmt.scale.is_power_of_two else "up"
    forward = ex.Quantizer(fmt)
    backward = ex.Quantizer(fmt, rounding="stochastic", scale_rounding=up)
    return ex.Recipe("own", (forward,) * 2, (backward,) * 2, (backward,) * 2)


def train(recipe: ex.Recipe | str, steps: int = 60) -> list[float]:
    """Losses of an MLP that learns which of four corners a point of the plane is near."""
    model = ex.models.MLP((10, 32, 4), recipe=recipe, key=ex.key(0))
    optimizer = SGD(model.parameters(), lr=0.2, momentum=0.9)
    labels = np.arange(64) % 4
    corners = normal(0, 4, 10)
    x, losses = corners[labels] + 0.3 * normal(1, 64, 10), []
    for step in range(steps):
        loss = ex.cross_entropy(model(x, key=ex.key(2).fold(step)), ex.asarray(labels))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
def test_trains(fmt: ex.Block) -> None:
    with ex.trace() as calls:
        losses = train(recipe_of(fmt))
    assert np.isfinite(losses).all()
    assert np.mean(losses[-10:]) < 0.25 * losses[0], losses
    assert not [call for call in calls if call.fallback]
    packed = [call for call in calls if call.kernel == "packed x packed"]
    assert len(packed) == 60 * (2 + 1 + 2)


@pytest.mark.parametrize("name", FP4)
def test_the_named_recipes_train(name: str) -> None:
    losses = train(name)
    assert np.mean(losses[-10:]) < 0.25 * losses[0], losses


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("axis", [0, 1])
def test_saved_and_loaded(fmt: ex.Block, axis: int, tmp_path: Path) -> None:
    q = ex.quantize(normal(0, 19, 37), fmt, axis=axis)
    ex.save(tmp_path / "q", {"q": q, "recipe": recipe_of(fmt).to_json()})
    back: Any = ex.load(tmp_path / "q")
    assert back["q"].dtype == fmt and back["q"].axis == axis
    for name in ("packed", "scales"):
        np.testing.assert_array_equal(getattr(back["q"], name), getattr(q, name))
    assert ex.Recipe.from_json(back["recipe"]) == recipe_of(fmt)


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
def test_shown(fmt: ex.Block) -> None:
    """The name is its facts; the tensor shows scales and codes; the recipe names the format."""
    q = ex.quantize(normal(0, 16, 40), fmt)
    assert fmt.element.short in str(fmt) and str(fmt.shape) in str(fmt)
    assert f"dtype={fmt}" in repr(q) and "scale code" in repr(q)
    assert "<table>" in q._repr_html_()
    assert str(recipe_of(fmt)).count(str(fmt)) == 6


def test_a_scale_rule_for_own_formats() -> None:
    """Caps follow from the element's facts: e3m0's largest value is 16."""
    x = np.array([[16.0, -5.0, 0.2], [17.0, 1.0, 3.0]], np.float32)
    q = ex.quantize(x, ex.Block(E3M0, (1, 32), E8M0))
    assert q.scales.tolist() == [[127], [128]]
    assert q.numpy().tolist() == [[16.0, -4.0, 0.25], [16.0, 1.0, 4.0]]
