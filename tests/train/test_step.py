"""One step: what it learns, what it keeps packed, what it draws."""

import numpy as np
import pytest

from extensor.noise import Key
from extensor.ops.mode import grad_enabled
from extensor.tensor import ExTensor
from extensor.train import Recorder, Settings, Trainer, fit
from extensor.train.measure import memory_of, weights_sha256

RECIPES = [
    "fp32",
    "bf16",
    "mxfp8",
    "mxfp4-naive",
    "mxfp4-sr",
    "mxfp4-rht-sr",
    "nvfp4",
    "nvfp4-grad",
]


def stepped(settings: Settings, steps: int = 1) -> Trainer:
    trainer = Trainer(settings)
    batches = trainer.batches()
    for _ in range(steps):
        trainer.step(*next(batches))
    batches.close()
    return trainer


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_parameter_gets_a_gradient(recipe: str) -> None:
    memory = stepped(Settings(recipe=recipe)).memory
    assert memory is not None
    assert memory.without_gradient == ()
    assert (memory.grad_dtype, memory.grad_nbytes) == ("float32", 4 * 61_706)


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "mxfp8_e4m3"])
def test_gradients_wait_packed(name: str) -> None:
    memory = stepped(Settings(grad_storage=name)).memory
    assert memory is not None and memory.grad_dtype == name and memory.without_gradient == ()
    assert memory.grad_nbytes < 4 * 61_706 // 2


def test_learning_lowers_the_loss() -> None:
    recorder = Recorder()
    fit(Trainer(Settings(model="mlp", recipe="nvfp4", steps=45)), [recorder])
    losses = [row["loss"] for row in recorder.rows if row["kind"] == "train"]
    assert len(losses) == 45 and np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert [row["kind"] for row in recorder.rows].count("test") == 1


def test_no_two_steps_share_a_key() -> None:
    """Of different epochs too: else the same noise would come back with every epoch."""
    trainer, keys = Trainer(Settings(model="mlp", steps=95)), []
    forward = trainer.model.forward

    def spy(x: ExTensor, key: Key | None = None) -> ExTensor:
        if grad_enabled():
            keys.append(key)
        return forward(x, key=key)

    trainer.model.forward = spy  # type: ignore[method-assign]
    fit(trainer)
    assert len(keys) == len(set(keys)) == 95 and None not in keys


def test_equal_settings_give_equal_weights_and_seeds_differ() -> None:
    settings = Settings(model="mlp", recipe="mxfp4-rht-sr", augment=True)
    a, b = (stepped(settings, 3) for _ in range(2))
    c = stepped(Settings(model="mlp", recipe="mxfp4-rht-sr", augment=True, seed=1), 3)
    hashes = [weights_sha256(t.model.parameters()) for t in (a, b, c)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_packed_activation_is_smaller_than_float32() -> None:
    # batch 32 of an MLP: x of both layers packed along T instead of float32.
    plain, packed = (stepped(Settings(model="mlp", recipe=r)).memory for r in ("fp32", "mxfp4-sr"))
    assert plain is not None and packed is not None
    assert plain.saved_nbytes > 4 * 32 * (784 + 128)
    assert packed.saved_nbytes < plain.saved_nbytes // 3


def test_a_dead_parameter_is_named() -> None:
    trainer = Trainer(Settings(model="mlp"))
    (images, labels), *_ = [next(trainer.batches())]
    from extensor.ops import cross_entropy
    from extensor.tensor import asarray

    loss = cross_entropy(trainer.model(asarray(images)), labels)
    loss.backward()
    params = trainer.model.parameters()
    params["layers.0.bias"].grad = None
    assert memory_of(loss, params).without_gradient == ("layers.0.bias",)
