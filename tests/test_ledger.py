"""The memory ledger equals what a real step allocates, part by part, counted by the allocator."""

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.ghost import Ghost, ghost
from extensor.ledger import PARTS
from extensor.train.measure import saved_nbytes

RNG = np.random.default_rng(0)
RECIPES = ("fp32", "mxfp4-sr", "nvfp4", "mxfp8", "nvfp4-grad", "bf16")
NUMPY = np.lib.tracemalloc_domain
PYTHON = 64
"""Bytes of array headers and numbers that belong to no buffer."""


def lenet(recipe: str) -> tuple[Any, Any, Any]:
    images = RNG.standard_normal((37, 1, 28, 28)).astype(np.float32)
    return ex.models.LeNet5(recipe=recipe), images, RNG.integers(0, 10, 37)


def gpt(recipe: str) -> tuple[Any, Any, Any]:
    model = ex.models.GPT(65, 32, layers=2, heads=2, width=48, recipe=recipe, dropout=0.1)
    return model, RNG.integers(0, 65, (5, 32)), RNG.integers(0, 65, (5, 32))


OPTIMIZERS = {
    "sgd": lambda p: ex.optim.SGD(p, 0.1),
    "momentum": lambda p: ex.optim.SGD(p, 0.1, momentum=0.9),
    "adamw": ex.optim.AdamW,
}


def alive() -> int:
    """Bytes of array memory that NumPy has allocated and not given back."""
    gc.collect()
    return sum(t.size for t in tracemalloc.take_snapshot().traces if t.domain == NUMPY)


def allocated(model: Any, inputs: Any, labels: Any, optimizer: Any) -> dict[str, int]:
    """What a real step takes from the allocator: the graph, the gradients, the optimizer."""
    x, y = ex.asarray(inputs), ex.asarray(labels)

    def forward() -> Any:
        return ex.cross_entropy(model(x, key=ex.key(1)), y)

    forward().backward(key=ex.key(2))  # whatever is made once is made here
    params = model.parameters()
    for p in params.values():
        p.grad = None
    tracemalloc.start()
    try:
        levels = [alive()]
        loss = forward()
        levels.append(alive())
        loss.backward(key=ex.key(2))
        levels.append(alive())
        made = optimizer(params)
        levels.append(alive())
    finally:
        tracemalloc.stop()
    assert saved_nbytes(loss, [*params.values(), x, y]) == pytest.approx(
        levels[1] - levels[0], abs=PYTHON
    )
    assert made is not None
    names = ("activations", "gradients", "optimizer")
    return {n: b - a for n, a, b in zip(names, levels[:-1], levels[1:], strict=True)}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("make", [lenet, gpt], ids=["lenet", "gpt"])
def test_the_ledger_is_what_is_allocated(make: Any, recipe: str) -> None:
    """Within 64 bytes, far below the 1 % that is asked for."""
    model, inputs, labels = make(recipe)
    ledger = ex.memory(make("fp32")[0], recipe, len(inputs))
    measured = allocated(model, inputs, labels, ex.optim.AdamW)
    for part, nbytes in measured.items():
        assert ledger[part] == pytest.approx(nbytes, abs=PYTHON), part
        assert ledger[part] == pytest.approx(nbytes, rel=0.01), part
    assert ledger["weights"] == sum(p.nbytes for p in model.parameters().values())
    assert ledger["batch"] == ex.asarray(inputs).nbytes + ex.asarray(labels).nbytes
    assert ledger.nbytes == sum(ledger[part] for part in PARTS)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers(optimizer: Any) -> None:
    model, inputs, labels = lenet("mxfp8")
    ledger = ex.memory(model, None, len(inputs), optimizer=optimizer)
    assert ledger["optimizer"] == allocated(model, inputs, labels, optimizer)["optimizer"]


@pytest.mark.parametrize("fmt", ["nvfp4", "mxfp8"])
def test_packed_gradients(fmt: str) -> None:
    model, inputs, labels = lenet("nvfp4-grad")
    model.keep_gradients_in(ex.Quantizer(ex.dtype(fmt)))  # type: ignore[arg-type]
    ledger = ex.memory(model, None, len(inputs))
    measured = allocated(model, inputs, labels, ex.optim.AdamW)
    scales = 4 * 10 * (fmt == "nvfp4")  # ten tensor scales, which are Python numbers on the host
    assert ledger["gradients"] == measured["gradients"] + scales
    assert {e.format for e in ledger.entries if e.part == "gradients"} == {str(ex.dtype(fmt))}


def test_saved_tensors_that_are_packed() -> None:
    """What `extensor.saved_tensors` packs is packed in the ledger."""
    model, inputs, labels = lenet("fp32")
    x, y = ex.asarray(inputs), ex.asarray(labels)
    with ex.saved_tensors("mxfp8"):
        ledger = ex.memory(model, "fp32", len(inputs))
        loss = ex.cross_entropy(model(x, key=ex.key(1)), y)
    assert ledger["activations"] == saved_nbytes(loss, [*model.parameters().values(), x, y])
    assert ledger["activations"] < 1.1 * ex.memory(model, "fp32", len(inputs))["activations"]


def test_nothing_is_computed_or_allocated() -> None:
    """A batch whose activations would take 50 GB, on a machine of any size, in no time."""
    model = ex.models.LeNet5()
    tracemalloc.start()
    try:
        ledger = ex.memory(model, "nvfp4", 1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ledger["activations"] > 50e9
    small = ex.memory(model, "nvfp4", 100_000)["activations"]
    assert ledger["activations"] == pytest.approx(10 * small, rel=1e-3)
    assert peak > 0  # reserved, not written: see the next test


def test_memory_of_ghosts_is_never_written() -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ex.memory(ex.models.LeNet5(), "mxfp4-sr", 100_000)  # 5 GB of activations
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) * 1024 < 200e6


def test_the_model_is_left_as_it_was() -> None:
    model = ex.models.GPT(65, 32, layers=1, heads=2, width=32, recipe="nvfp4")
    before = {n: p.numpy().copy() for n, p in model.named_parameters()}
    ex.memory(model, "mxfp8", 2)
    layers = [vars(layer) for _, layer in model.named_modules()]
    assert {facts["recipe"].name for facts in layers if "recipe" in facts} == {"nvfp4"}
    for name, p in model.named_parameters():
        assert not isinstance(p.numpy(), Ghost)
        np.testing.assert_array_equal(p.numpy(), before[name])


def test_the_table() -> None:
    text = str(ex.memory(ex.models.LeNet5(), "nvfp4-grad", 128))
    assert text.startswith("memory of LeNet5 under nvfp4-grad, batch float32[128, 1, 28, 28]")
    assert "activations  conv" in text and "nvfp4" in text
    assert text.splitlines()[-1].startswith("all")
    keep = ex.memory(ex.models.LeNet5(), ex.Recipe("keeps", keep=("conv1",)), 4)
    assert "keeps" in repr(keep)


def test_batches() -> None:
    model = ex.models.MLP((8, 4, 3))
    rows = np.ones((5, 8), np.float32)
    same = {
        ex.memory(model, "fp32", batch)["activations"]
        for batch in (5, (5, 8), rows, (rows, [0] * 5))
    }
    assert len(same) == 1
    with pytest.raises(ex.FormatError, match="has no `example`"):
        ex.memory(ex.nn.Linear(3, 2), None, 5)
    with pytest.raises(ex.FormatError, match="no part"):
        ex.memory(model, None, 5)["peak"]
    assert ex.memory(ex.nn.Linear(3, 2), None, (5, 3))["weights"] == 32


CALLS = {
    "add": lambda x: x + 1,
    "broadcast": lambda x: x[:, None] * x[None],
    "matmul": lambda x: x @ x.T,
    "sum": lambda x: x.sum(axis=(0, 1), keepdims=True),
    "mean": lambda x: x.mean(axis=-1),
    "max": lambda x: x.max(axis=0),
    "compare": lambda x: x > 0,
    "where": lambda x: np.where(x > 0, x, 0),
    "concat": lambda x: np.concatenate([x, x], axis=1),
    "exp of integers": lambda x: np.exp(x.astype(np.int32)),
    "take": lambda x: x[np.array([0, 2, 1])],
    "mask": lambda x: x[:, np.array([True, False, True, True])],
    "transpose": lambda x: x.T.reshape(-1),
    "view": lambda x: x.reshape(2, -1)[:, 1:],
    "moveaxis": lambda x: np.moveaxis(x, 0, 1),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "pad": lambda x: np.pad(x, 1),
    "stack": lambda x: np.stack([x, x]),
    "in place": lambda x: np.add(x, 1, out=x),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "std": lambda x: x.std(axis=0),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_ghosts_answer_as_numpy_does(call: Any) -> None:
    """Shape, type and layout; and a view where NumPy gives one."""
    x, real = ghost((6, 4)), np.ones((6, 4), np.float32)
    ours, theirs = call(x), call(real)
    assert isinstance(ours, Ghost)
    assert (ours.shape, ours.dtype, ours.nbytes) == (theirs.shape, theirs.dtype, theirs.nbytes)
    assert ours.strides == theirs.strides or ours.flags.c_contiguous
    assert np.may_share_memory(ours, x) == np.may_share_memory(theirs, real)
