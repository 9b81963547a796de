"""Settings of the whole test run, and where the recorded vectors lie.

The environment is set before NumPy and Numba load, because both read it once: OpenMP threads that
wait instead of spin, two Numba threads, one BLAS thread. A value set outside wins.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("NUMBA_NUM_THREADS", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shared import path_of


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """`shared("vectors/hadamard.npz")`: a recorded file; skips the test where it is absent.

    The folder is EXTENSOR_SHARED, else `shared` beside the repository.
    """

    def find(name: str) -> Path:
        path = path_of(name)
        if not path.exists():
            pytest.skip(f"recorded file {name} is absent: set EXTENSOR_SHARED to its folder")
        return path

    return find
