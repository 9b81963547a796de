"""Every optimizer x every schedule against the published formula; closed forms; PyTorch."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from extensor.optim import SGD, Adam, AdamW, Optimizer
from extensor.optim.schedules import constant, cosine, step, warmup
from tests.optim.boxes import Box, give, gradients, model, values
from tests.optim.table import TABLE, Row

STEPS = 12
ULP = 2.0**-24

SCHEDULES: list[float | Callable[[int], float]] = [
    0.05,
    constant(0.05),
    step(0.1, every=3, factor=0.5),
    cosine(0.1, steps=10, final=0.01),
    warmup(cosine(0.1, steps=12), steps=4),
    lambda t: 0.1 / (1 + t),
]


@pytest.mark.parametrize(
    "lr", SCHEDULES, ids=["float", "constant", "step", "cosine", "warmup", "lambda"]
)
@pytest.mark.parametrize("row", TABLE, ids=str)
def test_formula(row: Row, lr: Any) -> None:
    """Each step stays within what its few float32 roundings explain of the float64 formula.

    ``p`` is rounded once a step, by at most 4 ULP where ``|p| < 8``; the few roundings in ``u``
    count times ``lr |u| < 1``, 4 ULP at most; errors add up over the steps.
    """
    params, stream = model(), gradients(STEPS)
    ours = row.ours(params, lr=lr, **row.options)
    start = {n: v.astype(np.float64) for n, v in values(params).items()}
    rate = lr if callable(lr) else constant(lr)
    for t, (grads, want) in enumerate(zip(stream, row.formula(start, stream, rate, **row.options))):
        give(params, grads)
        ours.step()
        for name, p in params.items():
            assert np.abs(want[name]).max() < 8
            bound = (t + 1) * 8 * ULP
            assert_allclose(p.numpy(), want[name], rtol=0, atol=bound, err_msg=f"{name}, {t}")
    assert ours.steps == STEPS and all(p.version == STEPS for p in params.values())


def test_the_table_discriminates() -> None:
    """Rows end at different values, so an option that is ignored cannot pass; two say nothing."""
    ends: dict[bytes, list[str]] = {}
    for row in TABLE:
        params = model()
        optimizer = row.ours(params, lr=0.05, **row.options)
        for grads in gradients(4):
            give(params, grads)
            optimizer.step()
        ends.setdefault(params["fc"].numpy().tobytes(), []).append(str(row))
    assert sorted(names for names in ends.values() if len(names) > 1) == [
        ["adam({})", "adamw({'weight_decay': 0.0})"],
        ["sgd({})", "sgd({'clip': 1000000.0})"],
    ]


def run(make: Callable[[list[Box]], Optimizer], g: float, steps: int) -> float:
    """Where one value that starts at 1 ends under a constant gradient."""
    p = Box(np.ones(1, np.float32))
    p.grad = Box(np.full(1, g, np.float32))
    optimizer = make([p])
    for _ in range(steps):
        optimizer.step()
    return float(p.numpy()[0])


CLOSED: list[tuple[str, Callable[[list[Box]], Optimizer], float, float, float]] = [
    # the name, the optimizer, the gradient, where 1 is after four steps, and within what
    ("p - 4 lr g", lambda p: SGD(p, 0.25), 0.5, 0.5, 0),
    ("sum of m = 1, 1.5, 1.75, 1.875", lambda p: SGD(p, 0.5, momentum=0.5), 1, -2.0625, 0),
    ("sum of 1.5, 1.75, 1.875, 1.9375", lambda p: SGD(p, 0.5, 0.5, nesterov=True), 1, -2.53125, 0),
    ("(1 - lr decay)^4", lambda p: SGD(p, 0.5, weight_decay=0.5), 0, 0.31640625, 0),
    ("AdamW without gradient", lambda p: AdamW(p, 0.5, weight_decay=0.5), 0, 0.31640625, 0),
    ("Adam without gradient", lambda p: Adam(p, 0.5), 0, 1.0, 0),
    ("Adam: lr a step", lambda p: Adam(p, 0.125), 1e-3, 1 - 0.5 / (1 + 1e-5), 1e-6),
    ("Adam: the other way", lambda p: Adam(p, 0.125), -100, 1.5, 1e-6),
    ("Adam, large eps: g / (|g| + eps)", lambda p: Adam(p, 0.125, eps=3.0), 1, 0.875, 1e-6),
    ("clip by norm", lambda p: SGD(p, 0.25, clip=0.5), -8, 1.5, 1e-6),
    ("a staircase", lambda p: SGD(p, step(0.5, every=2, factor=0.5)), 1, -0.5, 0),
]


@pytest.mark.parametrize(
    ("_name", "make", "g", "end", "within"), CLOSED, ids=[c[0] for c in CLOSED]
)
def test_closed_form(_name: str, make: Any, g: float, end: float, within: float) -> None:
    """Cases that can be done by hand; binary fractions are met exactly."""
    assert math.isclose(run(make, g, 4), end, rel_tol=0, abs_tol=within)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_recorded_torch(row: Row) -> None:
    """Where PyTorch ended, to the six recorded places."""
    params = model()
    ours = row.ours(params, lr=0.05, **row.options)
    for grads in gradients(STEPS):
        give(params, grads)
        ours.step()
    end = [params["gain"].numpy()[()], params["bias"].numpy()[1], params["fc"].numpy()[4, 26]]
    assert_allclose(end, row.end, rtol=0, atol=2e-6)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_torch(row: Row) -> None:
    """PyTorch in float32, where it is installed, ends at the same values but for rounding."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    options = dict(row.options)
    clip = options.pop("clip", None)
    params, stream = model(), gradients(STEPS)
    ours = row.ours(params, lr=0.05, **row.options)
    theirs = {n: torch.nn.Parameter(torch.tensor(v)) for n, v in values(params).items()}
    peer = getattr(torch.optim, row.ours.__name__)(theirs.values(), lr=0.05, **options)
    for grads in stream:
        give(params, grads)
        for n, p in theirs.items():
            p.grad = torch.tensor(grads[n])
        if isinstance(clip, float):
            torch.nn.utils.clip_grad_norm_(theirs.values(), clip)
        elif clip is not None:
            torch.nn.utils.clip_grad_value_(theirs.values(), clip.limit)
        ours.step()
        peer.step()
    for n, p in theirs.items():
        assert_allclose(params[n].numpy(), p.detach().numpy(), rtol=0, atol=STEPS * 64 * ULP)
