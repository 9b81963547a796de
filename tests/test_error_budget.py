"""``explain_error``: one quantizer at a time, and everything as it was afterwards."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.recipe import NAMED
from tests.recipes.steps import normal

LABELS = np.arange(32) % 4


def problem(recipe: Any = None) -> tuple[ex.models.MLP, tuple[Any, Any]]:
    model = ex.models.MLP((40, 48, 4), recipe=recipe, key=ex.key(0))
    return model, (normal(1, 32, 40), LABELS)


def test_an_operand_alone_costs_what_a_recipe_with_it_alone_costs() -> None:
    """Each row of fprop is the loss of a recipe that has only that quantizer on that layer."""
    q = ex.Quantizer(ex.mxfp4, scale_rule="floor")
    model, (x, labels) = problem()
    plain = float(ex.cross_entropy(model(x), ex.asarray(labels)).item())
    budget = ex.explain_error(model, "mxfp4-naive", (x, labels))
    assert budget.loss == plain and len(budget.costs) == 10
    costs = {cost.place: cost for cost in budget.costs}
    for place, cost in costs.items():
        if place.gemm == "fprop":
            pair = (q, None) if place.operand == "x" else (None, q)
            other = "layers.1" if place.layer == "layers.0" else "layers.0"
            one, _ = problem(ex.Recipe("one", pair, keep=(other,)))
            loss = float(ex.cross_entropy(one(x), ex.asarray(labels)).item())
            assert cost.loss == pytest.approx(loss - plain, abs=2e-6) and cost.loss != 0
    whole, _ = problem("mxfp4-naive")
    loss = float(ex.cross_entropy(whole(x), ex.asarray(labels)).item())
    assert budget.whole.loss == pytest.approx(loss - plain, abs=1e-5)


def test_an_operand_of_a_gradient_costs_what_its_step_loses() -> None:
    q = ex.Quantizer(ex.mxfp4, scale_rule="floor")
    model, (x, labels) = problem()
    budget = ex.explain_error(model, "mxfp4-naive", (x, labels), share=0.2)
    (cost,) = (c for c in budget.costs if c.place == ("layers.1", "dgrad", "g"))

    def gradients(of: ex.models.MLP) -> dict[str, Any]:
        ex.cross_entropy(of(x), ex.asarray(labels)).backward()
        grads = {n: p.grad for n, p in of.named_parameters()}
        return {n: g.numpy().astype(np.float64) for n, g in grads.items() if g is not None}

    def after(g: dict[str, Any], length: float) -> float:
        moved, _ = problem()
        for name, p in moved.named_parameters():
            new = (p.numpy() - length * g[name]).astype(np.float32)
            p.storage.array[...] = new  # type: ignore[union-attr]
        return float(ex.cross_entropy(moved(x), ex.asarray(labels)).item())

    exact = gradients(problem()[0])
    coarse = gradients(problem(ex.Recipe("one", dgrad=(q, None), keep=("layers.0",)))[0])
    square = sum(float((g * g).sum()) for g in exact.values())
    length = 0.2 * budget.loss / square
    assert cost.loss == pytest.approx(after(coarse, length) - after(exact, length), abs=2e-6)
    far = sum(float(((coarse[n] - g) ** 2).sum()) for n, g in exact.items())
    assert cost.gradient == pytest.approx(np.sqrt(far / square), rel=1e-4)
    assert after(exact, length) < budget.loss


def test_nothing_is_changed() -> None:
    model, batch = problem("nvfp4")
    model.eval()
    model.keep_gradients_in(ex.Quantizer(ex.mxfp4))
    model(batch[0], key=ex.key(0)).sum().backward()
    recipes = [layer.recipe for layer in model.layers]
    weights = {n: p.numpy().copy() for n, p in model.named_parameters()}
    grads = {n: p.grad for n, p in model.named_parameters()}
    one = ex.explain_error(model, "quartet", batch, draws=2)
    assert str(one) == str(ex.explain_error(model, "quartet", batch, draws=2))
    assert not model.training and not model.layers[0].training
    assert [layer.recipe for layer in model.layers] == recipes
    for name, p in model.named_parameters():
        np.testing.assert_array_equal(p.numpy(), weights[name])
        assert p.grad is grads[name] and p.grad_quantizer is not None


def test_draws_and_kept_layers() -> None:
    model, batch = problem()
    recipe = replace(NAMED["mxfp4-sr"], keep=("layers.0",))
    budget = ex.explain_error(model, recipe, batch, draws=3)
    assert {cost.place.layer for cost in budget.costs} == {"layers.1"}
    for cost in budget.costs:
        drawn = cost.place.gemm != "fprop"
        assert (cost.draws, cost.spread is not None) == ((3, True) if drawn else (1, False))
    losses = [cost.loss for cost in budget.costs]
    assert losses == sorted(losses, reverse=True)
    lines = str(budget).splitlines()
    assert lines[0].startswith("mxfp4-sr: loss 1.") and "10 % off the loss" in lines[1]
    assert len(lines) == 3 + 6 + 1 and lines[-1].startswith("all layers")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"draws": 0}, "1 draw or more"),
        ({"share": 1.5}, "between 0 and 1"),
        ({"recipe": "fp32"}, "quantizes no layer"),
        ({"recipe": "nvfp5"}, "did you mean 'nvfp4'"),
    ],
)
def test_what_makes_no_sense_is_refused(more: dict[str, Any], message: str) -> None:
    model, batch = problem()
    with pytest.raises(ex.FormatError, match=message):
        ex.explain_error(model, batch=batch, **{"recipe": "mxfp8", **more})
