"""The source files of the package as trees, for the tests that read code instead of running it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.shared import ROOT

PACKAGE = ROOT / "extensor"


@cache
def modules() -> dict[str, Path]:
    """Dotted name: file, for every module of extensor (optim, data and models by their links)."""
    found = {}
    for top in (PACKAGE, *(path for path in PACKAGE.iterdir() if path.is_symlink())):
        for path in top.rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return dict(sorted(found.items()))


@cache
def tree(path: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that a file imports, at any depth of its code.

    `from extensor.ops import matmul` gives `extensor.ops.matmul`: the module, or a name in it. A
    relative import gives a name that begins with a dot.
    """
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            stem = "." * node.level + (node.module or "")
            for alias in node.names:
                yield node.lineno, f"{stem}.{alias.name}"


def decorators(path: Path) -> Iterator[tuple[ast.FunctionDef, str, ast.expr]]:
    """(function, last name of the decorator, decorator) for every decorated function of a file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(called, ast.Name | ast.Attribute):
                    name = called.id if isinstance(called, ast.Name) else called.attr
                    yield node, name, decorator


MODULES_WITH_KERNELS = [
    name
    for name, path in modules().items()
    if any(decorator in ("kernel", "njit") for _, decorator, _ in decorators(path))
]
"""The modules that hold compiled functions."""
