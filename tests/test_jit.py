"""A cached kernel sees an edit of anything that it inlines, and is a warm hit otherwise.

The edit is made in a small package of the same shape, with its own copy of `extensor/jit.py`, and
run in fresh processes that share one cache folder.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from numba.core.dispatcher import Dispatcher

from extensor.jit import Kernel
from tests.sources import MODULES_WITH_KERNELS, PACKAGE, decorators, modules, tree

SCALAR = """
from numba import njit

@njit()
def step(x):
    return x + 1
"""

KERNELS = """
from numba import prange

from mini.jit import kernel
from mini.scalar import step

@kernel()
def serial(x):
    return step(x)

@kernel(parallel=True)
def threads(x):
    for i in prange(x.size):
        x[i] = step(x[i])
    return x[0]

def times(n):
    @kernel()
    def scaled(x):
        return step(x) * n
    return scaled
"""

RUN = """
import numpy as np
from mini.kernels.add import serial, threads, times

three = times(3)
results = serial(1), threads(np.ones(4, np.int64)), three(1)
hits = [sum(k.stats.cache_hits.values()) for k in (serial, threads, three)]
print(*results, *hits)
"""


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """The package `mini`: the real jit.py, one scalar, three kernels that inline it."""
    root = tmp_path / "mini"
    for folder in (root, root / "formats", root / "kernels"):
        folder.mkdir()
        (folder / "__init__.py").write_text("")
    (root / "jit.py").write_text((PACKAGE / "jit.py").read_text(encoding="utf-8"))
    (root / "philox.py").write_text("")
    (root / "scalar.py").write_text(SCALAR)
    (root / "kernels" / "add.py").write_text(KERNELS)
    return root


def run(mini: Path) -> list[int]:
    """Three results and three counts of cache hits, from a process of its own."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(mini.parent / "cache")}
    env["PYTHONPATH"] = str(mini.parent)
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_an_edited_scalar_is_seen_by_every_kernel(mini: Path) -> None:
    assert run(mini) == [2, 2, 6, 0, 0, 0]
    assert run(mini) == [2, 2, 6, 1, 1, 1]
    (mini / "scalar.py").write_text(SCALAR.replace("x + 1", "x + 9"))
    assert run(mini) == [10, 10, 30, 0, 0, 0]
    (mini / "scalar.py").write_text(SCALAR)
    assert run(mini)[:3] == [2, 2, 6]


def test_a_file_that_no_kernel_inlines_keeps_the_cache_warm(mini: Path) -> None:
    run(mini)
    (mini / "tensor.py").write_text("x = 1\n")
    assert run(mini)[3:] == [1, 1, 1]


@pytest.mark.parametrize("name", MODULES_WITH_KERNELS)
def test_every_cached_function_carries_the_hash(name: str) -> None:
    """No cached machine code of this package is without `_source` in its cache key."""
    module = importlib.import_module(name)
    path = modules()[name]
    found = {
        function.name
        for function, decorator, _ in decorators(path)
        if decorator == "kernel" and function in tree(path).body
    }
    for attribute, value in vars(module).items():
        if isinstance(value, Dispatcher | Kernel) and value.__module__ == name:
            cached = type(cast(Any, value)._cache).__name__ != "NullCache"
            keyed = "_source" in cast(Any, value).py_func.__code__.co_freevars
            assert cached == keyed, f"{name}.{attribute} is cached without the hash of its sources"
            assert cached == (attribute in found), attribute


def test_an_import_makes_no_dispatcher_of_a_kernel() -> None:
    """What is not called costs nothing: half a millisecond each, for the package's many."""
    script = (
        "import gc, extensor, extensor.kernels.quantize.dispatch; from extensor.jit import Kernel; "
        "kernels = [k for k in gc.get_objects() if type(k) is Kernel]; "
        "assert len(kernels) > 20; print(sum(k._dispatcher is not None for k in kernels))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "0\n", done.stderr
