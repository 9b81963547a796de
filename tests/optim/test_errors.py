"""Bad input: each with its typed error that names the place and what is allowed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from extensor.errors import DTypeError, FormatError, ShapeError
from extensor.optim import SGD, Adam, AdamW, ClipNorm, ClipValue, Decay, Momentum, chain, schedules
from tests.optim.boxes import Box, model

NAN, INF = float("nan"), float("inf")
BASE = schedules.constant(0.1)


def box() -> list[Box]:
    """One parameter."""
    return [Box(np.ones(2, np.float32))]


def readonly() -> Box:
    """A parameter that cannot be written."""
    array = np.ones(3, np.float32)
    array.flags.writeable = False
    return Box(array)


TWICE = box() * 2

BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: SGD(box(), lr=-0.1), FormatError, "SGD: lr .*from 0 and finite; got -0.1"),
    (lambda: SGD(box(), lr=NAN), FormatError, "SGD: lr .*nan"),
    (lambda: SGD(box(), lr=INF), FormatError, "SGD: lr .*inf"),
    (lambda: SGD(box(), lr="fast"), FormatError, "SGD: lr .*'fast'"),  # type: ignore[arg-type]
    (lambda: SGD(box(), lr=True), FormatError, "SGD: lr .*True"),
    (lambda: SGD(box(), 0.1, momentum=1.0), FormatError, "SGD: momentum .*below 1.0; got 1.0"),
    (lambda: SGD(box(), 0.1, momentum=-0.5), FormatError, "SGD: momentum"),
    (lambda: SGD(box(), 0.1, nesterov=True), FormatError, "nesterov needs a momentum above 0"),
    (lambda: SGD(box(), 0.1, weight_decay=-1), FormatError, "SGD: weight_decay"),
    (lambda: SGD(box(), 0.1, clip=0), FormatError, "ClipNorm: limit .*above 0"),
    (lambda: SGD(box(), 0.1, clip="1"), FormatError, "ClipNorm: limit"),  # type: ignore[arg-type]
    (lambda: ClipValue(-1), FormatError, "ClipValue: limit"),
    (lambda: Adam(box(), betas=(0.9, 1.0)), FormatError, r"Adam: betas\[1\] .*got 1.0"),
    (lambda: Adam(box(), betas=(-0.1, 0.9)), FormatError, r"Adam: betas\[0\]"),
    (lambda: Adam(box(), betas=(0.9,)), FormatError, "two numbers"),
    (lambda: Adam(box(), betas=0.9), FormatError, "two numbers"),  # type: ignore[arg-type]
    (lambda: Adam(box(), eps=-1e-8), FormatError, "Adam: eps"),
    (lambda: AdamW(box(), weight_decay=NAN), FormatError, "AdamW: weight_decay"),
    (lambda: SGD([], 0.1), FormatError, "SGD: params is empty"),
    (lambda: SGD({}, 0.1), FormatError, "SGD: params is empty"),
    (lambda: SGD(TWICE, 0.1), FormatError, "'0' and '1' are one tensor"),
    (lambda: SGD(box()[0], 0.1), FormatError, "got one tensor"),  # type: ignore[arg-type]
    (lambda: SGD([np.ones(3)], 0.1), DTypeError, "parameter '0' must be a tensor; got ndarray"),
    (lambda: Adam({"w": Box(np.ones(3))}), DTypeError, "Adam: parameter 'w' is float64.*float32"),
    (lambda: SGD([Box(np.ones(6, "f")[::2])], 0.1), ShapeError, r"'0' of shape \(3,\) is a strid"),
    (lambda: SGD([readonly()], 0.1), ShapeError, "read-only"),
    (lambda: chain(Momentum(0.5), Decay(0.1), Momentum(0.9)).init({}), FormatError, "momentum"),
    (lambda: ClipNorm(0.0), FormatError, "ClipNorm: limit must be a number above 0 and finite"),
    (lambda: schedules.constant(-1), FormatError, "constant: lr"),
    (lambda: schedules.step(0.1, 0, 0.5), FormatError, "step: every .*at least 1; got 0"),
    (lambda: schedules.step(0.1, 5, 0), FormatError, "step: factor .*above 0"),
    (lambda: schedules.step(INF, 5, 0.5), FormatError, "step: lr"),
    (lambda: schedules.cosine(0.1, 2.5), FormatError, "cosine: steps"),  # type: ignore[arg-type]
    (lambda: schedules.cosine(0.1, 10, -1), FormatError, "cosine: final"),
    (lambda: schedules.warmup(BASE, 0), FormatError, "warmup: steps"),
    (lambda: schedules.warmup(0.1, 5), FormatError, r"write warmup\(constant"),  # type: ignore[arg-type]
    (lambda: BASE(-1), FormatError, "constant: step .*at least 0; got -1"),
    (lambda: BASE(0.5), FormatError, "constant: step"),  # type: ignore[arg-type]
    (lambda: schedules.from_dict({"name": "cosin"}), FormatError, "did you mean 'cosine'"),
    (lambda: schedules.from_dict({}), FormatError, "None is none of constant, step"),
    (lambda: schedules.from_dict({"name": "step", "lr": 1}), FormatError, "step does not take"),
    (lambda: schedules.from_dict([1]), FormatError, "expected a mapping"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("act", "error", "text"), BAD, ids=[b[2] for b in BAD])
def test_bad_input(act: Callable[[], Any], error: type[Exception], text: str) -> None:
    """The right type, and a message that says what came and what is allowed."""
    with pytest.raises(error, match=text):
        act()


def test_a_gradient_of_another_shape_changes_nothing() -> None:
    """ShapeError before any parameter, state or count is touched."""
    params = model()
    optimizer = SGD(params, 0.1, momentum=0.9)
    before = {n: p.numpy().copy() for n, p in params.items()}
    for name, p in params.items():
        p.grad = Box(np.ones((7, 7) if name == "fc" else p.numpy().shape, np.float32))
    with pytest.raises(ShapeError, match=r"SGD.step: the gradient of 'fc' .*\(7, 7\).*\(5, 27\)"):
        optimizer.step()
    assert optimizer.steps == 0 and not optimizer.state_dict()["momentum.conv"].any()
    assert all(np.array_equal(p.numpy(), before[n]) and not p.version for n, p in params.items())


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 2), (6,), (1, 2, 3)])
def test_a_gradient_that_numpy_would_take_is_refused(shape: tuple[int, ...]) -> None:
    """A shape that NumPy would stretch, or that has as many entries, is an error too."""
    p = Box(np.ones((2, 3), np.float32))
    p.grad = Box(np.ones(shape, np.float32))
    with pytest.raises(ShapeError, match="gradient of '0'"):
        SGD([p], 0.1).step()


def test_a_parameter_replaced_by_another_shape() -> None:
    """The state would not fit."""
    params = model()
    optimizer = SGD(params, 0.1)
    params["fc"].storage.array = np.ones((2, 2), np.float32)
    with pytest.raises(ShapeError, match=r"'fc' changed from shape \(5, 27\) to \(2, 2\)"):
        optimizer.step()
