"""The same bits on any number of threads, and in every run."""

import os
import subprocess
import sys

import pytest

from tests.shared import ROOT

TRAIN = """
import hashlib, sys
import numpy as np
import extensor as ex
from extensor.optim import SGD
recipe, steps = sys.argv[1], int(sys.argv[2])
draw = np.random.default_rng(0)
x = draw.standard_normal((96, 1, 28, 28)).astype(np.float32)
labels = draw.integers(0, 10, 96)
model = ex.models.LeNet5(recipe=recipe, key=ex.key(0))
optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
for step in range(steps):
    at = slice(32 * (step % 3), 32 * (step % 3) + 32)
    y = model(x[at], key=ex.key(1).fold(step))
    ex.cross_entropy(y, ex.asarray(labels[at])).backward()
    optimizer.step()
    optimizer.zero_grad()
digest = hashlib.sha256()
for name, parameter in model.named_parameters():
    array = np.ascontiguousarray(parameter.numpy())
    assert np.isfinite(array).all(), name
    digest.update(array.tobytes())
print(digest.hexdigest())
"""


def weights(recipe: str, steps: int, threads: int) -> str:
    """The hash of the weights after so many steps in a process of its own."""
    environment = os.environ | {
        "NUMBA_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",
        "OPENBLAS_NUM_THREADS": "1",
    }
    run = subprocess.run(
        [sys.executable, "-c", TRAIN, recipe, str(steps)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.strip()) == 64
    return run.stdout.strip()


def test_thirty_steps_on_any_number_of_threads() -> None:
    assert len({weights("mxfp4-sr", 30, threads) for threads in (1, 2, 8)}) == 1


@pytest.mark.nightly
@pytest.mark.parametrize("recipe", ["mxfp4-sr", "mxfp4-rht-sr", "nvfp4", "mxfp4-sr-grad"])
def test_two_hundred_steps_on_any_number_of_threads(recipe: str) -> None:
    assert len({weights(recipe, 200, threads) for threads in (1, 2, 8)}) == 1
