"""Anomaly mode names the op, the operand, the step, the first bad index, and the user's line."""

import re
import sys
from typing import Any

import numpy as np
import pytest

import extensor as ex


def leaf(*values: float) -> ex.ExTensor:
    return ex.asarray(list(values), requires_grad=True)


def line() -> int:
    return sys._getframe(1).f_lineno


def test_an_answer_of_finite_operands() -> None:
    x = leaf(1.0, 0.0, -1.0)
    with ex.detect_anomaly():
        y = x + 1.0
        with pytest.raises(ex.AnomalyError) as caught:
            here = line() + 1
            ex.log(y * 1.0 - 1.0)
    said = str(caught.value)
    assert said.startswith("log: answer[1] is -inf, of finite operands (float32[3])")
    assert "operand 0 0" in said and "op 4 of step 1" in said
    assert f"test_anomaly.py:{here} in test_an_answer_of_finite_operands" in said


def test_a_gradient_names_the_line_of_the_op() -> None:
    x = ex.asarray([[4.0, 1.0], [0.0, 0.0]], requires_grad=True)
    with ex.detect_anomaly():
        for _ in range(2):
            (x * 1.0).sum().backward()
        here = line() + 1
        y = ex.sqrt(x * 1.0)
        with pytest.raises(ex.AnomalyError) as caught:
            (y * 2.0).sum().backward()
    said = str(caught.value)
    assert said.startswith("backward of sqrt: the gradient[1, 0] of operand 0 is inf")
    assert "float32[2, 2], is finite" in said and "op 2 of step 3" in said
    assert f"test_anomaly.py:{here} " in said


def test_the_operand_and_what_stood_there() -> None:
    a, b = leaf(1e-30), leaf(1e-30)
    with ex.detect_anomaly(), pytest.raises(ex.AnomalyError) as caught:
        (a / (b * 1.0)).backward()
    assert "backward of div: the gradient[0] of operand 1 is" in str(caught.value)
    assert "operand 1 1e-30" in str(caught.value)


@pytest.mark.parametrize("recipe", [None, "nvfp4"])
def test_a_model_with_a_fault(recipe: str | None) -> None:
    model = ex.models.LeNet5(recipe=recipe, key=ex.key(0))
    x = np.zeros((2, 1, 28, 28), np.float32)

    def run() -> None:
        with ex.detect_anomaly():
            ex.cross_entropy(model(x, key=ex.key(1)), [0, 1]).backward()

    run()
    model.fc2.weight.storage.array[3, 5] = np.nan  # type: ignore[union-attr]
    with pytest.raises(ex.AnomalyError, match=r"a leaf of .* holds nan at \[3, 5\]"):
        run()


def test_what_passes() -> None:
    """Masks of -inf, NaN that came from outside, integers, and ops outside of the block."""
    x = leaf(1.0, 2.0)
    mask = ex.asarray([0.0, -np.inf])
    with ex.detect_anomaly():
        ex.softmax(x + mask).sum().backward()
        ex.where(ex.asarray([True, False]), x, ex.asarray(-np.inf))
        ex.asarray([np.nan]) * 2.0
        ex.argmax(x)
    assert x.grad is not None and np.isfinite(x.grad.numpy()).all()
    with np.errstate(all="ignore"):
        assert ex.log(ex.asarray([0.0])).item() == -np.inf


def test_an_op_from_before_the_block_and_a_bad_seed() -> None:
    x = leaf(0.0)
    y = ex.sqrt(x)
    with ex.detect_anomaly(), pytest.raises(ex.AnomalyError, match="an op before the block"):
        y.backward()
    with ex.detect_anomaly(), pytest.raises(ex.AnomalyError, match="that was given is nan"):
        y.backward([np.nan])


@pytest.mark.parametrize("dtype", [ex.bfloat16, ex.float8_e5m2, ex.float64])
def test_formats(dtype: Any) -> None:
    x = ex.asarray([1.0, 0.0], dtype)
    with ex.detect_anomaly(), pytest.raises(ex.AnomalyError, match=re.escape("answer[1] is inf")):
        ex.reciprocal(x)
