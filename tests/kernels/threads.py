"""Runs a piece of code under several numbers of threads and compares the bits it shows."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROLOGUE = """
import hashlib
import numpy as np
from tests.kernels.sums import normal
def show(*arrays):
    for a in arrays:
        print(hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest())
"""


def same_on_any_threads(code: str) -> None:
    """``code`` calls ``show(array, ...)``; ``np`` and ``normal`` are there."""
    shown = []
    for threads in ("1", "2", "3"):
        environment = os.environ | {"NUMBA_NUM_THREADS": threads, "OMP_WAIT_POLICY": "passive"}
        run = subprocess.run(
            [sys.executable, "-c", PROLOGUE + code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        shown.append(run.stdout)
    assert shown[0]
    assert shown[0] == shown[1] == shown[2]
