"""What `import extensor` loads: the core, and nothing that only a command or an extra needs."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from extensor.kernels import front

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
    "extensor.kernels.cast",
    "extensor.kernels.quantize",
    "extensor.jit",
    "extensor.scalar",
    "extensor.philox",
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


def test_the_table_of_kernels_is_what_the_type_checker_reads() -> None:
    """`extensor.kernels.front` names each function twice: for Python, and for mypy."""
    source = Path(front.__file__).read_text(encoding="utf-8")
    typed = re.findall(r"from extensor\.kernels\.(\S+) import (\w+) as \2", source)
    assert typed == [(place, name) for place, names in front.PLACES.items() for name in names]
    for name in (name for names in front.PLACES.values() for name in names):
        kernel = getattr(front, name)
        assert callable(getattr(import_module(kernel.module), kernel.name)), name
