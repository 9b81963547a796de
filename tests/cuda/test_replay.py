"""A compiled step is the step: the same weights after as many calls, bit for bit."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.errors import GraphError
from extensor.models import LeNet5
from extensor.train.measure import weights_sha256
from tests.cuda.gpu import require_gpu

require_gpu()


def batches(count: int, size: int) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    return [
        (
            rng.standard_normal((size, 1, 28, 28)).astype(np.float32),
            rng.integers(0, 10, size).astype(np.int64),
        )
        for _ in range(count)
    ]


def train(recipe: str, optimizer: Any, compiled: bool, steps: int = 8) -> tuple[str, list[float]]:
    """(hash of the weights, losses) after some steps."""
    model = LeNet5(recipe=recipe, key=ex.key(0)).to("cuda")
    descent = optimizer(model.parameters())

    def step(images: Any, labels: Any, key: Any) -> ex.ExTensor:
        loss = ex.cross_entropy(model(images, key=key.fold(0)), labels)
        loss.backward(key=key.fold(1))
        descent.step()
        descent.zero_grad()
        return loss  # type: ignore[no-any-return]

    run: Any = ex.compile(step) if compiled else step
    losses = []
    for i, (images, labels) in enumerate(batches(steps, 32)):
        x, t = (ex.asarray(a, device="cuda") for a in (images, labels))
        losses.append(run(x, t, key=ex.key(1).fold(i)).item())
    return weights_sha256(model.parameters()), losses


OPTIMIZERS = {
    "sgd": lambda p: ex.optim.SGD(p, lr=ex.optim.schedules.cosine(0.1, steps=8), momentum=0.9),
    "adamw": lambda p: ex.optim.AdamW(p, lr=1e-3),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("recipe", ["fp32", "nvfp4-grad", "mxfp4-sr", "nvfp4"])
def test_replays_are_steps(recipe: str, optimizer: str) -> None:
    eager = train(recipe, OPTIMIZERS[optimizer], compiled=False)
    replayed = train(recipe, OPTIMIZERS[optimizer], compiled=True)
    assert replayed == eager
    assert len(set(eager[1])) == len(eager[1])


def test_each_shape_has_a_graph() -> None:
    double = ex.compile(lambda x: x * 2.0)
    for n in (3, 5, 3, 5, 3, 5, 3, 5):
        x = np.arange(n, dtype=np.float32) + n
        np.testing.assert_array_equal(double(x).numpy(), x * 2)
    assert len(double._graphs) == 2
    assert all(g.graph is not None for g in double._graphs.values())


def test_keys_are_new_in_each_replay() -> None:
    rounded = ex.compile(
        lambda x, key: ex.quantize(x, ex.mxfp4, rounding="stochastic", key=key.fold(3)) * 1.0
    )
    x = np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)
    for i in range(6):
        want = ex.quantize(x, ex.mxfp4, rounding="stochastic", key=ex.key(i).fold(3))
        np.testing.assert_array_equal(rounded(x, key=ex.key(i)).numpy(), want.numpy())


def test_what_waits_cannot_be_captured() -> None:
    step = ex.compile(lambda x: x * x.sum().item())
    step(np.ones(3, np.float32))
    step(np.ones(3, np.float32))
    with pytest.raises(GraphError, match="waits for the GPU"):
        step(np.ones(3, np.float32))
    np.testing.assert_array_equal(ex.asarray([1.0], device="cuda").numpy(), [1.0])


def test_fresh_signs_are_not_frozen() -> None:
    """A recipe that draws signs on the host would repeat them in every replay: it raises."""
    with pytest.raises(GraphError, match="on the host"):
        train("mxfp4-rht-sr", OPTIMIZERS["sgd"], compiled=True)
