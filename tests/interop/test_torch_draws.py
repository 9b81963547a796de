"""The bridge to PyTorch: random words by seed, name and step, also where a pass is repeated."""

import copy
import io
from dataclasses import replace
from typing import Any

import pytest

import extensor as ex
from extensor.errors import FormatError
from extensor.recipe import get

pytest.importorskip("torch", reason="PyTorch is not installed")

from tests.interop.bridge import (
    bridge,
    equal,
    key_of,
    nn,
    normal,
    small,
    torch,
    train,
    weights,
)


def test_a_seed_repeats_bit_for_bit() -> None:
    first, again, other = small(key=1), small(key=ex.key(1)), small(key=2)
    for model in (first, again, other):
        train(model, 3)
    assert weights(first) == weights(again) != weights(other)


def test_the_counters_are_in_the_checkpoint() -> None:
    whole = small()
    train(whole, 6)
    half = small()
    optimizer = train(half, 3)
    file = io.BytesIO()
    torch.save({"model": half.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file)
    resumed = small()
    resumed.load_state_dict(saved["model"])
    optimizer = torch.optim.Adam(resumed.parameters(), 0.01)
    optimizer.load_state_dict(saved["optimizer"])
    train(resumed, 3, 3, optimizer)
    assert weights(resumed) == weights(whole)


def test_a_step_that_is_said_needs_no_counter() -> None:
    def run(model: Any, steps: range) -> None:
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for step in steps:
            bridge.set_step(model, step)
            train(model, 1, step, optimizer)

    whole, half, resumed = small(), small(), small()
    run(whole, range(4))
    run(half, range(2))
    resumed.load_state_dict({n: t for n, t in half.state_dict().items() if "draws" not in n})
    run(resumed, range(2, 4))
    assert weights(resumed) == weights(whole)
    for step in (-1, 2**63):
        with pytest.raises(FormatError, match="set_step"):
            bridge.set_step(whole, step)


def test_evaluation_changes_nothing() -> None:
    model, x = small(), normal(9, 4, 1, 8, 8)
    train(model, 1)
    before = copy.deepcopy(model.state_dict())
    model.eval()
    with torch.no_grad():
        first = model(x)
    with torch.inference_mode():
        equal(first, model(x).clone())
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    equal(first, model.train()(x))  # the pass with a graph draws what the one without did


def test_layers_draw_by_their_names() -> None:
    alone = bridge.apply(nn.ModuleDict({"b": nn.Linear(8, 8)}), "mxfp4-sr")
    beside = bridge.apply(nn.ModuleDict({"a": nn.Linear(8, 8), "b": nn.Linear(8, 8)}), "mxfp4-sr")
    assert key_of(alone["b"]) == key_of(beside["b"]) != key_of(beside["a"])


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_pass_that_is_repeated_draws_the_same(reentrant: bool) -> None:
    stochastic = replace(get("mxfp4-sr"), fprop=get("mxfp4-sr").dgrad)
    results = []
    for repeated in (False, True):
        model, x = small(stochastic), normal(0, 4, 1, 8, 8).requires_grad_()
        for _ in range(2):
            if repeated:
                y = torch.utils.checkpoint.checkpoint(model, x, use_reentrant=reentrant)
            else:
                y = model(x)
            y.square().sum().backward()
        results.append([x.grad, *(p.grad for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        equal(a, b)
