"""What `import extensor` loads: the core, and nothing that only a command or an extra needs."""

import subprocess
import sys

import pytest

HEAVY = [
    "matplotlib",
    "PIL",
    "safetensors",
    "scipy",
    "sklearn",
    "torch",
    "tqdm",
    "tyro",
    "cupy",
    "extensor.bench",
    "extensor.cli",
    "extensor.lab",
    "extensor.testing",
    "numba.cuda.dispatcher",
]
"""Each of these costs a good part of the 60 ms that `import extensor` may add."""


def loaded(code: str) -> set[str]:
    """The names of the modules that a fresh process has loaded after the code."""
    code += "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_is_light() -> None:
    extra = loaded("import extensor") - loaded("import numpy, numba")
    assert not extra & set(HEAVY)


@pytest.mark.parametrize("name", ["data", "io", "models", "nn", "optim", "recipes"])
def test_the_parts_are_there_without_an_import(name: str) -> None:
    """`ex.optim` works after `import extensor as ex` alone."""
    assert f"extensor.{name}" in loaded(f"import extensor as ex\nex.{name}")
