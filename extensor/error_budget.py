"""``explain_error``: which layer and which operand of a recipe costs how much loss.

One quantizer is switched on at a time, all others are off. An operand of fprop costs what it adds
to the loss of the batch. An operand of dgrad or wgrad changes the gradient only; it costs what a
step along its gradient reaches less than the same step along the exact one:

    cost = L(w - h ĝ) - L(w - h g),    h = share · L(w) / |g|²

so that the exact step takes ``share`` of the loss away, to first order. Both losses are without
quantizers. Stochastic quantizers, and rotations with fresh signs, are averaged over draws.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import FormatError
from extensor.nn import Module
from extensor.nn.under import takers, under
from extensor.noise import Key
from extensor.noise import key as make_key
from extensor.ops import cross_entropy
from extensor.ops.forward_basis import turned_back, values_of
from extensor.ops.mode import no_grad
from extensor.ops.operands import Place, operand, taken_by
from extensor.quantizer import Quantizer
from extensor.recipe import Operand, Recipe, get
from extensor.recipe.operand import show
from extensor.storage import Blocked, Native, Storage
from extensor.tensor import ExTensor, asarray

Loss = Callable[[Any, Any], ExTensor]
ALL = Place("all layers", "all", "")
"""The row of the whole recipe."""


@dataclass(frozen=True)
class Cost:
    """What one operand costs.

    place, how
        The layer, the GEMM and the operand; its quantizer in words.
    loss
        Added loss, in the units of the loss; mean over draws.
    spread
        Standard error of that mean; None for a single draw.
    gradient
        ``|ĝ - g| / |g|`` over all parameters, root mean square over draws.
    draws
        How many draws.
    """

    place: Place
    how: str
    loss: float
    spread: float | None
    gradient: float
    draws: int


@dataclass(frozen=True)
class ErrorBudget:
    """The costs, the largest first; ``print`` it for the table.

    loss
        Of the batch without quantizers.
    share
        What an exact step takes away of it.
    whole
        The cost of the whole recipe forward, and the error of its gradient.
    """

    recipe: str
    loss: float
    share: float
    costs: tuple[Cost, ...]
    whole: Cost

    def __str__(self) -> str:
        head = ("layer", "GEMM", "of", "how", "costs in loss", "±", "gradient off by")
        rows = [head, *(_cells(cost) for cost in (*self.costs, self.whole))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 4 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        first = (
            f"{self.recipe}: loss {self.loss:.4f} without quantizers; each row has one quantizer "
            f"on\n(dgrad, wgrad: after one step that takes {100 * self.share:g} % off the loss)"
        )
        return "\n".join([first, *lines])


def _cells(cost: Cost) -> tuple[str, ...]:
    spread = "" if cost.spread is None else f"{cost.spread:.1e}"
    gradient = f"{100 * cost.gradient:.1f} %"
    return (*cost.place, cost.how, f"{cost.loss:+.6f}", spread, gradient)


def explain_error(
    model: Module,
    recipe: Recipe | str,
    batch: tuple[Any, Any],
    *,
    loss: Loss = cross_entropy,
    draws: int = 4,
    share: float = 0.1,
    key: Key | None = None,
) -> ErrorBudget:
    """Switch one quantizer of a recipe on at a time, and say what it costs.

    model
        Any model; its parameters, gradients and recipes are afterwards as they were.
    recipe
        The recipe, its name or its file, put on every layer but those it keeps.
    batch
        What the model reads, and the labels.
    loss
        A function of the model's answer and the labels.
    draws
        How often a stochastic quantizer is tried.

    FormatError for no draws, a share that is not between 0 and 1, or a recipe that quantizes no
    layer of this model.

    >>> import extensor as ex
    >>> model = ex.models.MLP((8, 16, 4), key=ex.key(0))
    >>> x = np.random.default_rng(0).standard_normal((32, 8)).astype(np.float32)
    >>> budget = explain_error(model, "mxfp4-sr", (x, np.arange(32) % 4))
    >>> len(budget.costs), sorted({cost.place.layer for cost in budget.costs})
    (10, ['layers.0', 'layers.1'])
    """
    chosen = get(recipe) if isinstance(recipe, str) else recipe
    if draws < 1 or not 0 < share < 1:
        raise FormatError(
            f"explain_error: draws={draws}, share={share}; allowed: 1 draw or more, a share "
            "between 0 and 1"
        )
    with _borrowed(model, chosen):
        return _Trial(model, batch, loss, key or make_key(0)).budget(chosen, draws, share)


@contextmanager
def _borrowed(model: Module, recipe: Recipe) -> Iterator[None]:
    """In the block the model is under the recipe, in training; then all is as it was."""
    before = {layer: layer.recipe for layer in takers(model).values()}  # type: ignore[attr-defined]
    params = model.parameters()
    grads = {name: (p.grad, p.grad_quantizer) for name, p in params.items()}
    modes = {module: module.training for _, module in model.named_modules()}
    try:
        under(model, recipe)
        model.train().keep_gradients_in(None)
        yield
    finally:
        for layer, own in before.items():
            layer.recipe = own  # type: ignore[attr-defined]
        for name, p in params.items():
            p.grad, p.grad_quantizer = grads[name]
        for module, mode in modes.items():
            module.training = mode


Grads = dict[str, NDArray[np.float64]]


class _Trial:
    """A model on a batch with some of its quantizers on."""

    def __init__(self, model: Module, batch: tuple[Any, Any], loss: Loss, key: Key) -> None:
        self.model, self.loss, self.key = model, loss, key
        self.params = model.parameters()
        device = next(iter(self.params.values())).device
        self.inputs, self.labels = (asarray(part, device=device) for part in batch)
        self.seen: dict[Place, Operand] = {}

    def budget(self, recipe: Recipe, draws: int, share: float) -> ErrorBudget:
        """All costs."""
        loss, exact = self.step(frozenset(), self.key)
        if not self.seen:
            raise FormatError(
                f"explain_error: recipe {recipe.name} quantizes no layer of this model; allowed: a "
                "recipe with a quantizer on a layer that it does not keep"
            )
        square = sum(float((g * g).sum()) for g in exact.values())
        length = share * loss / square if square > 0 else 0.0
        ahead = self.moved(exact, length)
        costs = []
        for place, q in self.seen.items():
            keys = [self.key.fold(i) for i in range(draws if _draws(recipe, place, q) else 1)]
            costs.append(self.cost(place, show(q), keys, (loss, exact, length, ahead)))
        costs.sort(key=lambda cost: -cost.loss)
        keys = [self.key.fold(i) for i in range(draws if recipe.needs_key else 1)]
        whole = self.cost(ALL, recipe.name, keys, (loss, exact, length, ahead))
        return ErrorBudget(recipe.name, loss, share, tuple(costs), whole)

    def cost(
        self, place: Place, how: str, keys: Sequence[Key], plain: tuple[float, Grads, float, float]
    ) -> Cost:
        """One row: the operand alone, under each key."""
        loss, exact, length, ahead = plain
        on = frozenset(self.seen) if place is ALL else frozenset([place])
        added, off = [], []
        for key in keys:
            own, grads = self.step(on, key)
            forward = place is ALL or place.gemm == "fprop"
            added.append(own - loss if forward else self.moved(grads, length) - ahead)
            off.append(_distance(grads, exact) ** 2)
        spread = stdev(added) / math.sqrt(len(added)) if len(added) > 1 else None
        return Cost(place, how, fmean(added), spread, math.sqrt(fmean(off)), len(keys))

    def step(self, on: frozenset[Place], key: Key) -> tuple[float, Grads]:
        """Loss and gradients with these operands quantized."""
        for p in self.params.values():
            p.grad = None
        with taken_by(self._taker(on)):
            y = self.loss(self.model(self.inputs, key=key), self.labels)
            y.backward()
        grads = {
            name: p.grad.numpy().astype(np.float64)
            for name, p in self.params.items()
            if p.grad is not None
        }
        return float(y.item()), grads

    def moved(self, grads: Grads, length: float) -> float:
        """The loss without quantizers, after a step along these gradients."""
        kept = {name: self.params[name].numpy().copy() for name in grads}
        try:
            for name, g in grads.items():
                self._put(name, (kept[name] - length * g).astype(np.float32))
            with no_grad(), taken_by(self._taker(frozenset())):
                return float(self.loss(self.model(self.inputs, key=self.key), self.labels).item())
        finally:
            for name, values in kept.items():
                self._put(name, values)

    def _put(self, name: str, values: NDArray[np.float32]) -> None:
        p = self.params[name]
        p.storage.array[...] = asarray(values, device=p.device).array()  # type: ignore[union-attr]
        p.bump()

    def _taker(self, on: frozenset[Place]) -> Any:
        def take(place: Place, x: Any, q: Operand, axis: int, key: Key | None) -> Storage:
            if q is None:
                return Native(x)
            self.seen.setdefault(place, q)
            if place not in on:
                return Native(x)
            stored = operand(x, q, axis, key)
            transform = stored.transform if isinstance(stored, Blocked) else None
            return Native(turned_back(values_of(stored), transform, axis))

        return take


def _draws(recipe: Recipe, place: Place, q: Operand) -> bool:
    """Whether chance has a part in what is stored."""
    if not isinstance(q, Quantizer):
        return False
    return q.needs_key or bool(q.hadamard and recipe.fresh(place.gemm))


def _distance(grads: Grads, exact: Grads) -> float:
    """|ĝ - g| / |g| over all parameters."""
    far = sum(float(((grads[name] - g) ** 2).sum()) for name, g in exact.items())
    own = sum(float((g * g).sum()) for g in exact.values())
    return math.sqrt(far / own) if own > 0 else 0.0
