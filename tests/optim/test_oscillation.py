"""Q-EMA and OsciReset: by a written-out loop, on a weight that oscillates, through a checkpoint."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.optim import QEMA, SGD, Adam, OsciReset
from tests.recipes.steps import normal

FP4 = ex.Quantizer(ex.mxfp4)
KINDS: dict[str, Any] = {
    "qema": lambda inner, **more: QEMA(inner, FP4, **{"decay": 0.9, "after": 3, **more}),
    "reset": lambda inner, **more: OsciReset(inner, FP4, **{"period": 4, "threshold": 1.0, **more}),
}


def steps(optimizer: Any, w: ex.ExTensor, first: int, count: int) -> None:
    """Descend along reproducible gradients."""
    for step in range(first, first + count):
        w.grad = ex.asarray(0.2 * normal(100 + step, *w.shape))
        optimizer.step()
        optimizer.zero_grad()


def weight() -> ex.ExTensor:
    return ex.asarray(normal(0, 8, 64), requires_grad=True)


def quantized(w: Any, rounding: str = "nearest_even") -> Any:
    return ex.quantize(w, ex.mxfp4, rounding=rounding).numpy()


def test_qema_by_hand() -> None:
    w, plain = weight(), weight()
    optimizer, inner = QEMA(SGD({"w": w}, 0.1), FP4, decay=0.9, after=3), SGD({"w": plain}, 0.1)
    mean = plain.numpy().copy()
    for step in range(8):
        steps(optimizer, w, step, 1)
        steps(inner, plain, step, 1)
        exact = plain.numpy()
        mean += np.float32(1 - 0.9) * (exact - mean)
        low, high = quantized(exact, "down"), quantized(exact, "up")
        nearer = np.where(abs(mean - low) < abs(mean - high), low, high)
        seen = w.numpy()
        if step < 2:
            np.testing.assert_array_equal(seen, exact)
            continue
        tie = abs(mean - low) == abs(mean - high)
        np.testing.assert_array_equal(seen[~tie], nearer[~tie])
        np.testing.assert_array_equal(quantized(seen), seen)  # the recipe stores it as it is
        assert ((seen != quantized(exact)).mean() > 0) == bool((nearer != quantized(exact)).any())


@pytest.mark.parametrize("fmt", [ex.mxfp4, ex.nvfp4, ex.nvfp4_2d])
def test_what_qema_shows_is_stored_as_it_is(fmt: ex.Block) -> None:
    how = ex.Quantizer(fmt)
    w = weight()
    steps(QEMA(SGD({"w": w}, 0.1), how, decay=0.5, after=1), w, 0, 3)
    np.testing.assert_allclose(ex.quantize(w.numpy(), how).numpy(), w.numpy(), rtol=1e-6)


def test_a_weight_that_swings_keeps_its_code() -> None:
    """Around 2.5, the middle of codes 2 and 3: rounding jumps each step, Q-EMA does not."""
    w = ex.asarray([[6.0, 2.44]], requires_grad=True)
    optimizer, seen = QEMA(SGD({"w": w}, 1.0), FP4, decay=0.99, after=1), []
    for step in range(20):
        w.grad = ex.asarray([[0.0, -0.1 if step % 2 == 0 else 0.1]])
        optimizer.step()
        seen.append(w.tolist()[0][1])
    assert set(seen) == {2.0}
    exact = optimizer.state["qema_exact.w"][0, 1]
    assert {float(quantized([[6.0, e]])[0, 1]) for e in (exact, exact + 0.1)} == {2.0, 3.0}


def test_reset_by_hand() -> None:
    w, plain = weight(), weight()
    optimizer = OsciReset(SGD({"w": w}, 0.1), FP4, period=4, threshold=2.0, start=2)
    inner = SGD({"w": plain}, 0.1)
    moved, jumped = np.zeros((8, 64), np.float32), np.zeros((8, 64), np.float32)
    for step in range(10):
        before = plain.numpy().copy()
        steps(optimizer, w, step, 1)
        steps(inner, plain, step, 1)
        now = plain.numpy().copy()
        if step >= 2:
            moved += abs(now - before)
            jumped += abs(quantized(now) - quantized(before))
        if step in (5, 9):
            wild = jumped > 2 * moved
            assert optimizer.resets == wild.sum() > 0
            plain.storage.array[...] = np.where(wild, quantized(now), now)  # type: ignore[union-attr]
            moved[...], jumped[...] = 0, 0
        np.testing.assert_array_equal(w.numpy(), plain.numpy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inner", [SGD, Adam])
@pytest.mark.parametrize("stop", [2, 5])
def test_going_on_is_bit_identical(kind: str, inner: Any, stop: int) -> None:
    whole, half = weight(), weight()
    steps(KINDS[kind](inner({"w": whole}, 0.1)), whole, 0, 11)
    first = KINDS[kind](inner({"w": half}, 0.1))
    steps(first, half, 0, stop)
    again = ex.asarray(half.numpy().copy(), requires_grad=True)
    second = KINDS[kind](inner({"w": again}, 0.1))
    second.load_state_dict(first.state_dict())
    steps(second, again, stop, 11 - stop)
    assert second.steps == 11
    np.testing.assert_array_equal(again.numpy(), whole.numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_of_another_is_refused(kind: str) -> None:
    w = weight()
    optimizer = KINDS[kind](SGD({"w": w}, 0.1))
    with pytest.raises(ex.CheckpointError, match="missing"):
        optimizer.load_state_dict(SGD({"w": w}, 0.1).state_dict())
    state = optimizer.state_dict()
    name = next(iter(optimizer.state))
    with pytest.raises(ex.CheckpointError, match="shape"):
        optimizer.load_state_dict(state | {name: np.zeros(3, np.float32)})


def test_only_matrices_whose_names_match() -> None:
    model = ex.models.MLP((32, 16, 4), key=ex.key(0))
    inner = SGD(model.parameters(), 0.1)
    assert list(QEMA(inner, FP4).weights()) == ["layers.0.weight", "layers.1.weight"]
    assert list(OsciReset(inner, FP4, only="layers.1*").weights()) == ["layers.1.weight"]
    with pytest.raises(ex.FormatError, match="names no weight"):
        QEMA(inner, FP4, only=("layers.0.bias",))


@pytest.mark.parametrize(
    "how",
    [
        ex.Quantizer(ex.mxfp4, rounding="stochastic"),
        ex.Quantizer(ex.mxfp4, hadamard=32),
        ex.Quantizer(ex.mxfp4, prescale=0.75),
    ],
)
def test_a_quantizer_of_the_weight_alone(how: ex.Quantizer) -> None:
    with pytest.raises(ex.FormatError, match="allowed: the quantizer of the weights in fprop"):
        OsciReset(SGD({"w": weight()}, 0.1), how)


@pytest.mark.parametrize(
    "more", [{"decay": 1.0}, {"after": 0}, {"period": 0}, {"threshold": 0}, {"start": -1}]
)
def test_numbers_out_of_range(more: dict[str, Any]) -> None:
    kind = QEMA if set(more) & {"decay", "after"} else OsciReset
    with pytest.raises(ex.FormatError, match=next(iter(more))):
        kind(SGD({"w": weight()}, 0.1), FP4, **more)
