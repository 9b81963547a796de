"""State: a round trip goes on bit for bit; skipped parameters; memory orders; packed gradients."""

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from extensor.errors import CheckpointError
from extensor.optim import SGD, Adam, AdamW
from extensor.optim.schedules import cosine, warmup
from tests.optim.boxes import SHAPES, Box, give, gradients, model, values
from tests.optim.table import TABLE, Row

LR = warmup(cosine(0.1, steps=8), steps=3)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_round_trip_goes_on_bit_for_bit(row: Row) -> None:
    """4 steps, saved, loaded into a new optimizer, 4 more: the bits of 8 steps in one run."""
    whole, stream = model(), gradients(8)
    one = row.ours(whole, lr=LR, **row.options)
    for t, grads in enumerate(stream):
        if t == 4:
            saved, weights = one.state_dict(), values(whole)
        give(whole, grads)
        one.step()
    part = {n: Box(v) for n, v in weights.items()}
    two = row.ours(part, lr=LR, **row.options)
    two.load_state_dict(saved)
    assert two.lr == LR(4)
    for grads in stream[4:]:
        give(part, grads)
        two.step()
    for a, b in ((values(whole), values(part)), (one.state_dict(), two.state_dict())):
        assert a.keys() == b.keys()
        assert all(a[key].tobytes() == b[key].tobytes() for key in a)


def test_state_dict_is_a_copy_with_names_and_shapes() -> None:
    """Keys are readable, arrays have the parameter's shape, and later steps leave them alone."""
    params = model()
    optimizer = SGD(params, 0.1, momentum=0.9)
    give(params, gradients(1)[0])
    optimizer.step()
    state = optimizer.state_dict()
    assert {k: v.shape for k, v in state.items()} == {
        "step": (),
        **{f"momentum.{n}": s for n, s in SHAPES.items()},
    }
    before = state["momentum.fc"].copy()
    optimizer.step()
    assert np.array_equal(state["momentum.fc"], before)
    listed = Adam(list(params.values()))
    assert {"mean.0", "square.3", "count.1"} <= listed.state_dict().keys()
    assert all(v.dtype in (np.float32, np.int64) for v in listed.state_dict().values())


def altered(state: dict[str, NDArray[np.float32]], how: str) -> dict[str, NDArray[np.float32]]:
    """The state of another optimizer."""
    key = "momentum.fc"
    if how == "missing":
        del state[key]
    if how == "extra":
        state["mean.fc"] = state[key]
    if how == "shape":
        state[key] = state[key].T
    if how == "dtype":
        state[key] = state[key].astype(np.float64)
    if how == "negative":
        state["step"] -= 5
    return state


@pytest.mark.parametrize("how", ["missing", "extra", "shape", "dtype", "negative"])
def test_a_wrong_state_is_refused_and_nothing_overwritten(how: str) -> None:
    """CheckpointError that names the entry; the optimizer is as it was."""
    params = model()
    optimizer = SGD(params, 0.1, momentum=0.9)
    give(params, gradients(1)[0])
    optimizer.step()
    before = optimizer.state_dict()
    state = altered({k: np.array(v + 1) for k, v in before.items()}, how)
    name = {"negative": "step", "extra": "mean.fc"}.get(how, "momentum.fc")
    with pytest.raises(CheckpointError, match=f"SGD.load_state_dict.*{name}"):
        optimizer.load_state_dict(state)
    after = optimizer.state_dict()
    assert all(np.array_equal(before[k], after[k]) for k in before)


def test_without_gradient_nothing_moves() -> None:
    """grad None: no decay, no momentum, no count, no bump; the others are not disturbed."""
    for make in (SGD, AdamW):
        params, alone = model(), model()
        first = make(params, lr=0.1, weight_decay=0.1)
        second = make({"fc": alone["fc"]}, lr=0.1, weight_decay=0.1)
        start = values(params)
        for grads in gradients(3):
            give(params, {"fc": grads["fc"]})
            give(alone, {"fc": grads["fc"]})
            first.step()
            second.step()
        assert np.array_equal(params["fc"].numpy(), alone["fc"].numpy())
        assert all(np.array_equal(params[n].numpy(), start[n]) for n in ("conv", "bias", "gain"))
        assert params["conv"].version == 0 and params["fc"].version == 3


def test_adam_counts_each_parameter() -> None:
    """A parameter that waited gets the bias correction of its own first step."""
    params = model()
    optimizer = Adam(params, lr=0.5)
    for grads in gradients(3):
        give(params, {"fc": grads["fc"]})
        optimizer.step()
    before = params["gain"].numpy().copy()
    give(params, {"gain": np.array(0.25, np.float32)})
    optimizer.step()
    assert abs(before - params["gain"].numpy() - 0.5) < 1e-6


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_memory_order_does_not_matter(row: Row) -> None:
    """Fortran-ordered parameters and gradients give the bits of C-ordered ones."""
    a, b = model(), {n: Box(np.asfortranarray(p.numpy())) for n, p in model().items()}
    b["conv"] = Box(
        np.ascontiguousarray(a["conv"].numpy().transpose(2, 0, 3, 1)).transpose(1, 3, 0, 2)
    )
    b["gain"] = Box(b["gain"].numpy().reshape(()).copy())
    first, second = row.ours(a, lr=LR, **row.options), row.ours(b, lr=LR, **row.options)
    for t, grads in enumerate(gradients(4)):
        give(a, grads)
        give(b, {n: np.asfortranarray(g) if t % 2 else g for n, g in grads.items() if g.ndim})
        b["gain"].grad = Box(grads["gain"])
        first.step()
        second.step()
        if "clip" not in row.options:
            assert all(a[n].numpy().tobytes() == b[n].numpy().tobytes() for n in a)
    one, two = first.state_dict(), second.state_dict()
    for key in one:
        np.testing.assert_allclose(one[key], two[key], rtol=1e-6, atol=1e-6)
    assert not b["fc"].numpy().flags.c_contiguous


def test_a_replaced_array_is_followed() -> None:
    """A model that loads its weights anew (in another memory order) keeps its optimizer."""
    a, b = model(), model()
    first, second = SGD(a, 0.1, 0.9), SGD(b, 0.1, 0.9)
    for order, grads in zip("FCFF", gradients(4), strict=True):
        give(a, grads)
        give(b, grads)
        first.step()
        second.step()
        b["fc"].storage.array = np.array(b["fc"].numpy(), order=order)  # type: ignore[call-overload]
    assert np.array_equal(a["fc"].numpy(), b["fc"].numpy())


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_gradients_of_other_dtypes_are_read_as_float32(dtype: type) -> None:
    """Half, bfloat16 and double gradients: widened or rounded once."""
    p = Box(np.zeros(2, np.float32))
    p.grad = Box(np.array([0.5, -1.5], dtype))
    SGD([p], lr=1.0).step()
    assert p.numpy().tolist() == [-0.5, 1.5]


def test_gradient_is_not_written() -> None:
    """The chain works in its own buffers: a gradient is as it was after the step."""
    params, grads = model(), gradients(1)[0]
    kept = {n: g.copy() for n, g in grads.items()}
    give(params, grads)
    SGD(params, 0.1, 0.9, weight_decay=0.1, clip=0.5).step()
    assert all(np.array_equal(grads[n], kept[n]) for n in grads)


def test_zero_grad_forgets() -> None:
    """All gradients None."""
    params = model()
    give(params, gradients(1)[0])
    SGD(params, 0.1).zero_grad()
    assert all(p.grad is None for p in params.values())
