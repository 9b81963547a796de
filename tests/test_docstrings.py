"""Every public function and class says what it is and shows it: a docstring with a running example.

The examples themselves run as doctests of their modules (`pyproject.toml`). Rows of the op table
have their one sentence, and an example that the documentation computes from a sample.
"""

import inspect
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import extensor as ex
from extensor.ops.registry import Op

MODULES = ("", "nn", "optim", "data", "io", "linalg", "fft", "models", "recipes", "testing")


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The functions and classes that a module of the package offers."""
    lazy = getattr(module, "_LAZY", {})
    for name in sorted({*vars(module), *lazy}):
        thing = getattr(module, name)
        if name.startswith("_") or isinstance(thing, (ModuleType, Op)):
            continue
        home = module.__name__ if not hasattr(module, "__path__") else "extensor"
        ours = getattr(thing, "__module__", "").startswith(home)
        if ours and (inspect.isfunction(thing) or inspect.isclass(thing)):
            yield name, thing


THINGS = {
    f"{module or 'ex'}.{name}": thing
    for module in MODULES
    for name, thing in public(import_module(f"extensor.{module}".rstrip(".")))
}


@pytest.mark.parametrize("name", sorted(THINGS))
def test_it_has_an_example(name: str) -> None:
    """Errors apart: they say what went wrong, and nobody calls them."""
    thing = THINGS[name]
    text = inspect.getdoc(thing) or ""
    assert text, f"{name} has no docstring"
    if not (inspect.isclass(thing) and issubclass(thing, Exception)):
        assert ">>>" in text, f"{name} has no example"


def test_rows_say_what_they_compute() -> None:
    """One sentence each."""
    assert all(row.doc for row in ex.OPS.values())
