"""Grouped, dilated, one- and three-dimensional and transposed convolutions under recipes."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor import ops
from tests.recipes.steps import normal

WORDS: list[dict[str, Any]] = [
    {"stride": 2, "padding": 1},
    {"groups": 2},
    {"dilation": 2, "padding": "same"},
    {"groups": 4, "dilation": 2},
]


def gradients(y: ex.ExTensor, *leaves: ex.ExTensor) -> list[Any]:
    y.backward(ex.asarray(normal(2, *y.shape)))
    return [y.numpy(), *(t.grad.numpy() for t in leaves if t.grad is not None)]


def operands(rank: int, groups: int) -> list[ex.ExTensor]:
    shapes = [(3, 4, *(12, 9, 6)[:rank]), (8, 4 // groups, *(3, 3, 2)[:rank])]
    return [ex.asarray(normal(i, *s), requires_grad=True) for i, s in enumerate(shapes)]


@pytest.mark.parametrize("name", ["nvfp4", "mxfp4-sr", "mxfp4-rht-sr", "mxfp8", "bf16"])
@pytest.mark.parametrize("how", [{}, {"stride": (2, 1), "padding": (1, 0)}], ids=str)
def test_the_composition_is_the_row(name: str, how: dict[str, Any]) -> None:
    """patches, linear, permute: bit for bit what the `conv` row gives for plain images."""
    recipe, key, results = ex.recipes.get(name), ex.key(3), []
    for kind in ("row", "composition"):
        x, w = operands(2, 1)
        if kind == "row":
            y = ops.conv_under(x, w, recipe=recipe, key=key, **how)
        else:
            rows = ops.patches(x, kernel=(3, 3), **how)
            y = ops.linear(rows, w.reshape(8, -1), recipe=recipe, key=key)
            size = ex.conv2d(x.detach(), w.detach(), **how).shape[2:]
            y = y.reshape(3, *size, 8).permute(axes=(0, 3, 1, 2))
        results.append(gradients(y, x, w))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["nvfp4", "mxfp4-sr", "mxfp4-rht-sr", "mxfp8", "nvfp4-grad"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("how", WORDS, ids=str)
def test_a_recipe_stays_near_the_plain_convolution(
    name: str, rank: int, how: dict[str, Any]
) -> None:
    recipe, results = ex.recipes.get(name), []
    for under in (True, False):
        x, w = operands(rank, how.get("groups", 1))
        if under:
            with ex.trace() as calls:
                y = ops.conv_under(x, w, recipe=recipe, key=ex.key(1), **how)
        else:
            y = getattr(ex, f"conv{rank}d")(x, w, **how)
        results.append(gradients(y, x, w))
    if not name.endswith("-grad"):
        products = [c for c in calls if c.op == "matmul"]
        assert {c.kernel for c in products} == {"packed x packed"}
        assert len(products) == how.get("groups", 1)
    limit = 3e-3 if name == "mxfp8" else 0.15
    for found, plain in zip(*results, strict=True):
        assert np.square(found - plain).sum() < limit * np.square(plain).sum()


@pytest.mark.parametrize("name", ["nvfp4", "mxfp8", "fp32"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "how", [{}, {"groups": 2, "stride": 2, "padding": 1, "output_padding": 1}], ids=str
)
def test_transposed(name: str, rank: int, how: dict[str, Any]) -> None:
    recipe, results = ex.recipes.get(name), []
    for under in (True, False):
        shapes = [(3, 4, *(5, 4, 3)[:rank]), (4, 6, *(3, 3, 2)[:rank])]
        x, w = (ex.asarray(normal(i, *s), requires_grad=True) for i, s in enumerate(shapes))
        if under:
            y = ops.conv_transpose_under(x, w, recipe=recipe, key=ex.key(1), **how)
        else:
            y = getattr(ex, f"conv_transpose{rank}d")(x, w, **how)
        results.append(gradients(y, x, w))
    limit = {"fp32": 1e-10, "mxfp8": 3e-3}.get(name, 0.15)
    for found, plain in zip(*results, strict=True):
        assert np.square(found - plain).sum() < limit * np.square(plain).sum()


def test_groups_draw_differently() -> None:
    """Equal channels and equal weights, stochastically rounded: every group has its own key."""
    images, weights = np.repeat(normal(0, 1, 1, 40), 2, axis=1), np.repeat(normal(1, 1, 1, 3), 2, 0)
    for name, drawn in (("mxfp4-naive", False), ("mxfp4-sr", True)):
        x, w = (ex.asarray(a, requires_grad=True) for a in (images, weights))
        y = ops.conv_under(x, w, recipe=ex.recipes.get(name), key=ex.key(0), groups=2)
        y.backward(ex.asarray(np.repeat(normal(2, 1, 1, 38), 2, axis=1)))
        assert x.grad is not None and w.grad is not None
        assert (y.numpy()[:, 0] == y.numpy()[:, 1]).all()  # the forward product draws nothing
        for found in (x.grad.numpy()[0], w.grad.numpy()):
            assert (found[0] != found[1]).any() == drawn


def test_errors() -> None:
    x, w = operands(2, 1)
    with pytest.raises(ex.ShapeError, match="conv2d: shapes"):
        ops.conv_under(x, w, recipe=ex.recipes.get("nvfp4"), groups=3)
    with pytest.raises(ex.ShapeError, match="conv2d"):
        ops.conv_under(np.ones((2, 2)), w, recipe=ex.recipes.get("nvfp4"))
    with pytest.raises(ex.ShapeError, match="conv_transpose2d: shapes"):
        ops.conv_transpose_under(x, w, recipe=ex.recipes.get("nvfp4"))
    with pytest.raises(ex.KeyMissingError):
        ops.conv_under(x, w, recipe=ex.recipes.get("mxfp4-sr"), dilation=2)
