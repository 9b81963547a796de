"""One training step of LeNet-5: ours in several recipes, and PyTorch eager in float32."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import get_num_threads

import extensor as ex
from extensor.bench import peers
from extensor.bench.timing import Row, interleave, row

RECIPES = ("fp32", "mxfp4-sr-grad", "nvfp4-grad", "mxfp4-sr", "nvfp4")


def our_step(batch: int, recipe: str) -> Callable[[], float]:
    """A step on fixed random images: forward, backward, SGD with momentum; returns the loss."""
    model = ex.models.LeNet5(recipe=recipe, key=ex.key(0))
    optimizer = ex.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    rng = np.random.default_rng(0)
    x = ex.asarray(rng.standard_normal((batch, 1, 28, 28)).astype(np.float32))
    labels = ex.asarray(rng.integers(0, 10, batch))
    state = {"step": 0}

    def step() -> float:
        key = ex.key(7).fold(state["step"])
        state["step"] += 1
        loss: Any = ex.cross_entropy(model(x, key=key), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.item())

    return step


def lenet(batches: tuple[int, ...] = (64, 256)) -> list[Row]:
    """Seconds of a step; ``batch / seconds`` is images a second."""
    rows = []
    for batch in batches:
        candidates: dict[str, Callable[[], Any]] = {r: our_step(batch, r) for r in RECIPES}
        torch = peers.torch_lenet(batch, get_num_threads())
        if torch is not None:
            candidates["torch eager fp32"] = torch
        repeated = {n: _times(run, 10) for n, run in candidates.items()}
        times = {n: t / 10 for n, t in interleave(repeated, rounds=15).items()}
        for recipe in RECIPES:
            peer = "torch eager fp32" if recipe == "fp32" else None
            rows.append(row(f"lenet {recipe} batch {batch}", times, recipe, None, peer))
    return rows


def _times(run: Callable[[], Any], count: int) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(count):
            run()

    return repeat
