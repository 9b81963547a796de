"""The house: imports point down, and a few names appear in one place only.

These read every file of the package, so that a rule of the architecture is a fact about the code.
A function-level import counts as much as one at the top of a file.
"""

import ast
from pathlib import Path

import pytest

from tests.sources import decorators, imports, modules, tree

_TENSOR = (
    "tensor autograd held repr replay create info inplace constants functional recompute saved "
    "anomaly delayed"
)
_TOP = (
    "optim data io interop parallel differences ledger telemetry error_budget recipes testing "
    "train lab bench cli"
)
LAYERS = (
    "errors lazy",
    "formats",
    "jit scalar philox noise",
    "kernels backend capture dlpack ghost storage",
    "quantizer profiles recipe",
    "ops",
    _TENSOR,
    "functions linalg fft",
    "nn",
    "models",
    _TOP,
)
"""From the ground up. The parts of one line may import each other."""

TOP = len(LAYERS) - 1
"""Where the public names of `extensor` itself stand: only the top layer may import those."""
RANK = {part: rank for rank, line in enumerate(LAYERS) for part in line.split()}
PUBLIC = ("extensor", "extensor.__main__")
"""The list of public names and the entry point stand above all layers."""

MODULES = {name: path for name, path in modules().items() if name not in PUBLIC}
each_module = pytest.mark.parametrize("name", MODULES)


def part(name: str) -> str:
    """`extensor.kernels.pack.pack` is a name of the part `kernels`; `numpy` is of none."""
    top, _, rest = name.partition(".")
    return rest.split(".")[0] if top == "extensor" else ""


def imported(path: Path) -> set[str]:
    """The first names of all imports of a file."""
    return {name.split(".")[0] for _, name in imports(path)}


def inside(name: str, *places: str) -> bool:
    """Whether the module is one of the places or lies in one."""
    return any(name == place or name.startswith(place + ".") for place in places)


@each_module
def test_imports_point_down(name: str) -> None:
    assert part(name) in RANK, f"{name} stands in no layer: add it to LAYERS"
    for line, target in imports(MODULES[name]):
        if target.split(".")[0] != "extensor":
            continue
        rank = RANK.get(part(target), TOP)
        assert rank <= RANK[part(name)], f"{name}:{line} may not import {target}"


@each_module
def test_imports_are_absolute(name: str) -> None:
    for line, target in imports(MODULES[name]):
        top = target.split(".")[0]
        assert top not in ("", "optim", "data", "models"), f"{name}:{line}: import extensor.x"


@each_module
def test_a_library_appears_in_one_place(name: str) -> None:
    found = imported(MODULES[name])
    if not inside(name, "extensor.backend"):
        assert "cupy" not in found, "only extensor/backend.py knows cupy"
    if not inside(name, "extensor.interop.torch", "extensor.bench"):
        assert "torch" not in found, "only extensor/interop/torch.py and the benchmarks know torch"
    if inside(name, "extensor.formats"):
        assert found <= {"numpy", "ml_dtypes", "extensor", *STANDARD}, "a format is data"
    if inside(name, "extensor.optim"):
        known = {part(target) for _, target in imports(MODULES[name])}
        assert not known & {"nn", "models"}, "an optimizer sees parameters, never a layer"


STANDARD = {"collections", "dataclasses", "difflib", "enum", "fractions", "functools", "math"}
STANDARD |= {"types", "typing", "itertools"}

READERS = [name for name in MODULES if inside(name, "extensor.data")]


@pytest.mark.parametrize("name", READERS)
def test_data_never_sees_a_tensor(name: str) -> None:
    known = {part(target) for _, target in imports(MODULES[name])}
    assert not known & {"tensor", "autograd", "ops", "nn", "models"}


@each_module
def test_numba_compiles_by_the_rules(name: str) -> None:
    """A cached function is a `kernel`, and a kernel is a global of its module.

    Numba's own `cache=True` misses edits of other files (extensor/jit.py says why), and a bare
    `@njit` has another type than `@njit()` for mypy. Plain `@njit()` is for what kernels inline.
    """
    path = MODULES[name]
    globals_ = set(tree(path).body)
    for function, decorator, node in decorators(path):
        where = f"{name}:{function.lineno}: {function.name}"
        if decorator in ("njit", "jit", "vectorize", "guvectorize", "kernel"):
            assert isinstance(node, ast.Call), f"{where}: write @{decorator}()"
            options = {keyword.arg for keyword in node.keywords}
            assert decorator == "kernel" or "cache" not in options, f"{where}: use @kernel()"
        if decorator == "kernel" and inside(name, "extensor.kernels"):
            factory = function not in globals_
            assert not factory or is_plain_factory(path, function), f"{where}: make it global"


def is_plain_factory(path: Path, function: ast.FunctionDef) -> bool:
    """Whether the function around a kernel takes only numbers and strings, the legal cells."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef) and function in node.body:
            types = [arg.annotation for arg in (*node.args.args, *node.args.kwonlyargs)]
            return all(isinstance(t, ast.Name) and t.id in ("int", "float", "str") for t in types)
    return False
