"""Transforms and chains: composition, clipping, and a user's own stage."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from extensor.optim import (
    SGD,
    Adam,
    AdamW,
    ClipNorm,
    ClipValue,
    Decay,
    Moments,
    Momentum,
    Optimizer,
    Transform,
    chain,
    global_norm,
)
from extensor.optim.transform import Arrays, State
from tests.optim.boxes import Box, give, gradients, model, values


def test_every_stage_is_a_transform() -> None:
    """The protocol, and a repr that evaluates back."""
    for stage in (ClipNorm(1.0), ClipValue(0.5), Decay(0.1), Momentum(0.9, True), Moments()):
        assert isinstance(stage, Transform)
        assert repr(eval(repr(stage))) == repr(stage)
    nested = chain(ClipNorm(1.0), None, chain(Decay(0.1), Momentum(0.9)))
    assert repr(eval(repr(nested))) == repr(nested)


def test_the_named_optimizers_are_chains() -> None:
    """The same bits from the parts."""
    pairs: list[tuple[Callable[[dict[str, Box]], Optimizer], Transform]] = [
        (
            lambda p: SGD(p, 0.1, 0.9, True, 0.01, 1.0),
            chain(ClipNorm(1.0), Decay(0.01), Momentum(0.9, True)),
        ),
        (lambda p: Adam(p, 0.1, weight_decay=0.01), chain(Decay(0.01), Moments())),
        (lambda p: AdamW(p, 0.1, weight_decay=0.01), chain(Moments(), Decay(0.01))),
    ]
    for named, parts in pairs:
        a, b = model(), model()
        first, second = named(a), Optimizer(b, parts, 0.1)
        for grads in gradients(3):
            give(a, grads)
            give(b, grads)
            first.step()
            second.step()
        assert all(np.array_equal(x, values(b)[n]) for n, x in values(a).items())


class Freeze:
    """A user's own stage: nothing moves before a step."""

    def __init__(self, until: int) -> None:
        self.until = until

    def init(self, params: Arrays) -> State:
        """The number of updates seen, without an entry for biases."""
        return {"seen": {n: np.zeros((), np.int64) for n in params if n != "bias"}}

    def update(self, grads: Arrays, state: State, params: Arrays, step: int) -> None:
        """Zero the updates at first."""
        for count in state["seen"].values():
            count += 1
        if step < self.until:
            for u in grads.values():
                u[:] = 0


def test_a_stage_of_ones_own() -> None:
    """It needs two methods; its state is saved with the rest."""
    params, start = model(), values(model())
    optimizer = SGD(params, 0.1, clip=Freeze(2))
    moved = []
    for grads in gradients(3):
        give(params, grads)
        optimizer.step()
        moved.append(not np.array_equal(params["fc"].numpy(), start["fc"]))
    assert moved == [False, False, True]
    assert optimizer.state_dict()["seen.fc"] == 3 and "seen.bias" not in optimizer.state_dict()


def clip(stage: Transform, *arrays: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The arrays after one stage."""
    grads = {str(i): a.copy() for i, a in enumerate(arrays)}
    stage.update(grads, stage.init(grads), grads, 0)
    return list(grads.values())


def test_norm_is_of_all_gradients_together() -> None:
    """3 and 4 in different parameters have norm 5; below the limit nothing changes, to the bit."""
    a, b = np.full(1, 3, np.float32), np.full(1, 4, np.float32)
    assert global_norm({"a": a, "b": b}) == 5.0
    x, y = clip(ClipNorm(1.0), a, b)
    assert math.isclose(x[0], 0.6, rel_tol=1e-6) and math.isclose(y[0], 0.8, rel_tol=1e-6)
    assert [v.item() for v in clip(ClipNorm(5.1), a, b)] == [3.0, 4.0]
    assert [v.item() for v in clip(ClipNorm(1.0), a * 0, b * 0)] == [0.0, 0.0]


def test_norm_of_every_length() -> None:
    """Whole rows of lanes and each tail, against an exact sum; huge values do not overflow."""
    draw = np.random.default_rng(0)
    for n in [*range(131), 1000]:
        x = np.array(draw.normal(size=n), np.float32)
        exact = math.sqrt(math.fsum(float(v) ** 2 for v in x))
        assert math.isclose(global_norm({"x": x}), exact, rel_tol=1e-15)
    assert math.isclose(global_norm({"x": np.full(4, 2.0**127, np.float32)}), 2.0**128)


def test_a_gradient_that_is_no_number_is_not_hidden() -> None:
    """NaN spreads over all gradients, as the norm says; by value it stays where it is."""
    bad, good = np.array([np.nan, 1], np.float32), np.ones(1, np.float32)
    assert all(np.isnan(a).all() for a in clip(ClipNorm(1.0), bad, good))
    x, y = clip(ClipValue(0.5), bad, good)
    assert np.isnan(x[0]) and x[1] == 0.5 == y[0]
    lost = clip(ClipNorm(1.0), np.array([np.inf, 1], np.float32))[0]
    assert np.isnan(lost[0]) and lost[1] == 0


def test_value_clip_at_the_limit() -> None:
    """The limit itself, both signs, infinities and zeros of both signs."""
    x = np.array([0.5, -0.5, 0.75, -0.75, np.inf, -np.inf, 0.0, -0.0, 0.25], np.float32)
    want = np.array([0.5, -0.5, 0.5, -0.5, 0.5, -0.5, 0.0, -0.0, 0.25], np.float32)
    assert clip(ClipValue(0.5), x)[0].tobytes() == want.tobytes()


def test_one_parameter_of_no_entries() -> None:
    """Empty tensors are updated to empty tensors."""
    p = Box(np.zeros((0, 3), np.float32))
    p.grad = Box(np.zeros((0, 3), np.float32))
    Adam([p], clip=1.0).step()
    assert p.numpy().shape == (0, 3)
