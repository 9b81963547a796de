"""How the mean of B draws of a gradient approaches what it should be, through the real layer."""

from typing import Any

import numpy as np

from extensor.lab.samples import Doubles, normal
from extensor.nn import Linear
from extensor.noise import key
from extensor.recipe import Recipe
from extensor.tensor import asarray

LONG, SHORT = 512, 48
"""The axis that a product sums over, and the two others."""
GRADIENTS = ("x", "w")


def gradients(
    recipe: Recipe, which: str, draws: int, seed: int = 0, long: int = LONG, short: int = SHORT
) -> tuple[Doubles, Doubles]:
    """``draws`` gradients of one linear layer for x or for w, and the exact one, float64.

    The layer and its inputs are those of the seed; every draw has another key. The axis that is
    summed is ``long``, the others are ``short``.

    >>> found, wanted = gradients(Recipe(), "x", 2, long=64, short=8)
    >>> found.shape, bool(np.allclose(found, wanted, atol=1e-4))
    ((2, 8, 8), True)
    """
    t, n = (short, long) if which == "x" else (long, short)
    x, w, g = (normal(3 * seed + i, *s) for i, s in enumerate(((t, short), (n, short), (t, n))))
    layer = Linear(short, n, bias=False, recipe=recipe)
    layer.weight.storage.array[...] = w  # type: ignore[union-attr]
    tensor = asarray(x, requires_grad=True)
    found = []
    for draw in range(draws):
        tensor.grad = layer.weight.grad = None
        layer(tensor, key=key(seed).fold(draw)).backward(asarray(g))
        grad: Any = tensor.grad if which == "x" else layer.weight.grad
        found.append(grad.numpy())
    wide = g.astype(np.float64)
    return np.array(found, np.float64), wide @ w if which == "x" else wide.T @ x


def averaged(found: Doubles, wanted: Doubles) -> tuple[list[int], list[float]]:
    """B = 1, 4, 16, ... and the relative squared errors of means of B, over all groups of B.

    >>> averaged(np.ones((4, 1, 1)), np.full((1, 1), 2.0))
    ([1, 4], [0.25, 0.25])
    """
    sizes = [4**i for i in range(int(np.log2(len(found)) / 2) + 1)]
    means = [found.reshape(-1, size, *wanted.shape).mean(1) - wanted for size in sizes]
    power = np.square(wanted).sum()
    return sizes, [float(np.square(m).sum((1, 2)).mean() / power) for m in means]


def slope(sizes: Any, errors: Any) -> float:
    """The exponent of B that fits best.

    >>> round(slope([1, 4, 16], [1.0, 0.25, 0.0625]), 9)
    -1.0
    """
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


def alignment(found: Doubles, wanted: Doubles) -> float:
    """How much of the gradient the mean of all draws is, less 1: the bias along it.

    >>> alignment(np.full((2, 1, 1), 0.9), np.ones((1, 1))).__round__(6)
    -0.1
    """
    return float((found.mean(0) * wanted).sum() / np.square(wanted).sum() - 1)
