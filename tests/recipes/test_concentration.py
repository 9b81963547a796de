"""Table B of the FP4 literature notes, through the real layer: how the mean of B draws converges.

The relative squared error of the mean of B gradients falls as 1/B where rounding is unbiased, and
stays where it is where the draws are alike. Listed numbers: operands of 256 x 1024 normal numbers;
the error depends on the format alone, so smaller ones do (E = 2 m + m² for two operands whose
relative error is m). All keys are fixed: the figures are the same in every run.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

import extensor as ex
from extensor.kernels.hadamard import hadamard
from extensor.kernels.quantize import dispatch
from tests.recipes.steps import Array, Floats, normal

LONG, SHORT = 512, 48
"""The axis that is summed, and the two others."""

FLOOR = ex.Quantizer(ex.mxfp4, scale_rule="floor")
THREE = replace(FLOOR, prescale=0.75)
NV = ex.Quantizer(ex.nvfp4)


class Row(NamedTuple):
    """A row of the table: errors of B = 1, 4, 16, 64, 256 (where listed), and alignment - 1."""

    quantizer: ex.Quantizer
    errors: tuple[float, ...]
    alignment: float


STOCHASTIC = {
    "nvfp4 stochastic, scales up": Row(
        replace(NV, rounding="stochastic", scale_rounding="up"),
        (4.4e-2, 1.1e-2, 2.8e-3, 6.9e-4, 1.7e-4), 0.0),  # 2 m of m = 22.2e-3; with 17/16 4.81e-2
    "mxfp4 rceil stochastic": Row(
        ex.Quantizer(ex.mxfp4, rounding="stochastic"),
        (5.5e-2, 1.37e-2, 3.4e-3, 8.6e-4, 2.1e-4), 0.0),
    "mxfp4 3/4 stochastic": Row(
        replace(THREE, rounding="stochastic"), (5.7e-2, 1.42e-2, 3.6e-3, 8.9e-4, 2.2e-4), 0.0),
    "mxfp4 3/4 stochastic, rotated": Row(
        replace(THREE, rounding="stochastic", hadamard=64),
        (5.7e-2, 1.42e-2, 3.6e-3, 8.9e-4, 2.2e-4), 0.0),
}  # fmt: skip
NEAREST = {
    "nvfp4 nearest, rotated": Row(
        replace(NV, hadamard=32), (1.8e-2, 4.6e-3, 1.2e-3, 3.7e-4, 1.5e-4), -9.0e-3),
    "mxfp4 3/4 nearest, rotated": Row(
        replace(THREE, hadamard=32), (2.73e-2, 7.2e-3, 2.0e-3, 7.4e-4, 4.2e-4), -1.8e-2),
    "mxfp4 floor nearest, rotated": Row(
        replace(FLOOR, hadamard=32), (2.62e-2, 7.7e-3, 3.1e-3, 1.9e-3, 1.6e-3), -3.9e-2),
}  # fmt: skip
PLATEAU = {
    "mxfp4 floor nearest": Row(FLOOR, (2.62e-2,) * 5, -3.7e-2),
    "mxfp4 3/4 nearest, signs on the wrong side": Row(
        replace(THREE, hadamard=32), (2.73e-2,) * 5, -1.8e-2),
}  # fmt: skip
GRADIENTS = ("x", "w")


def wrong_side(x: Floats, n: int, signs: Any) -> Floats:
    """x H diag(s) where x diag(s) H is meant: the published bug, planted."""
    turned = np.asarray(hadamard(x, n, ()))
    return turned * np.resize(np.array(signs, np.float32), turned.shape[-1])


def gradients(recipe: ex.Recipe, which: str, draws: int) -> tuple[Array, dict[str, Floats]]:
    """``draws`` gradients of one layer for x or for w, whose summed axis is the long one."""
    t, n = (SHORT, LONG) if which == "x" else (LONG, SHORT)
    x, w, g = normal(1, t, SHORT), normal(2, n, SHORT), normal(3, t, n)
    layer = ex.nn.Linear(SHORT, n, bias=False, recipe=recipe)
    layer.weight.storage.array[...] = w  # type: ignore[union-attr]
    tensor, found = ex.asarray(x, requires_grad=True), []
    for draw in range(draws):
        tensor.grad = layer.weight.grad = None
        layer(tensor, key=ex.key(1).fold(draw)).backward(ex.asarray(g))
        grad = tensor.grad if which == "x" else layer.weight.grad
        found.append(grad.numpy())  # type: ignore[attr-defined]
    return np.array(found, np.float64), {"x": x, "w": w, "g": g}


def meant(which: str, raw: dict[str, Floats]) -> Array:
    g = raw["g"].astype(np.float64)
    return g @ raw["w"] if which == "x" else g.T @ raw["x"]


def errors(found: Array, wanted: Array) -> tuple[Array, Array]:
    """B = 1, 4, 16, ... and the relative squared errors of means of B, averaged over all groups."""
    sizes = 4 ** np.arange(int(np.log2(len(found)) / 2) + 1)
    means = [found.reshape(-1, size, *wanted.shape).mean(1) - wanted for size in sizes]
    relative = [np.square(m).sum((1, 2)).mean() / np.square(wanted).sum() for m in means]
    return sizes, np.array(relative)


def slope(sizes: Array, values: Array) -> float:
    """The exponent of B."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def measured(row: Row, which: str, draws: int) -> tuple[Array, Array, float]:
    """Sizes, errors, and how much of the gradient the mean of all draws is, less 1."""
    q = row.quantizer
    found, raw = gradients(ex.Recipe("table", dgrad=(q, q), wgrad=(q, q)), which, draws)
    wanted = meant(which, raw)
    alignment = float((found.mean(0) * wanted).sum() / np.square(wanted).sum() - 1)
    return *errors(found, wanted), alignment


def check_falls(row: Row, which: str, draws: int) -> None:
    sizes, found, alignment = measured(row, which, draws)
    assert slope(sizes, found) == pytest.approx(-1, abs=0.05), found
    np.testing.assert_allclose(found, row.errors[: len(found)], rtol=0.12)
    assert abs(alignment) < 0.008


@pytest.mark.parametrize("which", GRADIENTS)
@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_rows_fall_as_one_over_b(name: str, which: str) -> None:
    check_falls(STOCHASTIC[name], which, 64)


@pytest.mark.nightly
@pytest.mark.parametrize("which", GRADIENTS)
@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_rows_to_256(name: str, which: str) -> None:
    check_falls(STOCHASTIC[name], which, 256)


@pytest.mark.parametrize("which", GRADIENTS)
@pytest.mark.parametrize("name", NEAREST)
def test_rotated_nearest_falls_to_its_shrinkage(name: str, which: str) -> None:
    """A true rotation makes the errors of rounding to nearest differ; their common part stays."""
    row = NEAREST[name]
    _, found, alignment = measured(row, which, 64)
    np.testing.assert_allclose(found, row.errors[:4], rtol=0.15)
    assert alignment == pytest.approx(row.alignment, abs=0.008)


@pytest.mark.parametrize("which", GRADIENTS)
@pytest.mark.parametrize("name", PLATEAU)
def test_rows_that_never_fall(name: str, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "wrong" in name:
        monkeypatch.setattr(dispatch, "rotate", wrong_side)
    row = PLATEAU[name]
    _, found, alignment = measured(row, which, 16)
    np.testing.assert_allclose(found, found[0], rtol=1e-6)
    np.testing.assert_allclose(found, row.errors[:3], rtol=0.12)
    assert alignment == pytest.approx(row.alignment, abs=0.008)


def test_wrong_side_draws_are_one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs after H cancel in the product: rounding to nearest gives the same bits each time."""
    monkeypatch.setattr(dispatch, "rotate", wrong_side)
    q = PLATEAU["mxfp4 3/4 nearest, signs on the wrong side"].quantizer
    found, _ = gradients(ex.Recipe("wrong", dgrad=(q, q), wgrad=(q, q)), "x", 4)
    assert (found == found[0]).all()
    monkeypatch.undo()
    found, _ = gradients(ex.Recipe("right", dgrad=(q, q), wgrad=(q, q)), "x", 4)
    assert not (found[1:] == found[0]).all(axis=(1, 2)).any()


@pytest.mark.parametrize("which", GRADIENTS)
@pytest.mark.parametrize("name", ["mxfp4-sr", "mxfp4-rht-sr", "nvfp4", "mxfp4-naive"])
def test_the_named_recipes(name: str, which: str) -> None:
    """Stochastic ones fall toward g W and gᵀ x; nvfp4, whose W and x are rounded to nearest,
    toward g Q(W) and gᵀ Q(x); the naive one not at all."""
    recipe = ex.recipes.get(name)
    found, raw = gradients(recipe, which, 64)
    if name == "nvfp4" and which == "x":
        raw["w"] = ex.quantize(raw["w"], ex.nvfp4_2d).numpy()
    if name == "nvfp4" and which == "w":
        turned = ex.quantize(raw["x"], recipe.wgrad[1], axis=0)
        signs = ex.quantizer.draw_signs(recipe.wgrad[1].signs, 16)  # type: ignore[union-attr]
        back = ex.hadamard(ex.dequantize(turned), 16, axis=0).numpy()
        raw["x"] = back * np.resize(np.array(signs, np.float32), LONG)[:, None]
    sizes, values = errors(found, meant(which, raw))
    expected = 0.0 if name == "mxfp4-naive" else -1.0
    assert slope(sizes, values) == pytest.approx(expected, abs=0.05), values
