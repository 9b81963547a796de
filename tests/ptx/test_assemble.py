"""All kernels of the package, for all of TARGETS that each declares."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from extensor.kernels.cuda import KERNELS, TARGETS
from tests.ptx.assemble import architecture, assemble, front_end, ptx_of, require_compiler
from tests.sources import modules

require_compiler()

FILES = {n: p for n, p in modules().items() if "cuda" in n.rsplit(".", 1)[-1]}
for _name in FILES:
    import_module(_name)


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_kernel(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = KERNELS[name]
    targets = [t for t in TARGETS if kernel.runs_on(t)]
    assert targets, f"{name} needs {kernel.needs}, which no target has"
    library = front_end(kernel, monkeypatch)
    for target in targets:
        done = assemble(ptx_of(library, target), target, tmp_path)
        assert done.returncode == 0, f"{architecture(target)}: {done.stderr}"


def test_every_kernel_is_declared() -> None:
    """`cuda.jit` stands in one place, so no kernel escapes this test."""
    places = [n for n, p in modules().items() if "cuda.jit" in p.read_text(encoding="utf-8")]
    assert places == ["extensor.kernels.cuda"]
    declared = {k.split("[")[0].rsplit(".", 1)[0] for k in KERNELS}
    mark = re.compile(r"^\s*@cuda_kernel\(", re.MULTILINE)
    using = {n for n, p in FILES.items() if mark.search(p.read_text(encoding="utf-8"))}
    assert using <= declared


def test_the_assembler_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken line of assembly fails here and not on a user's GPU."""
    name = "extensor.kernels.pack_cuda.pack_bytes"
    text = ptx_of(front_end(KERNELS[name], monkeypatch), TARGETS[1])
    text = text.replace("ret;", "no.such.instruction;")
    assert assemble(text, TARGETS[1], tmp_path).returncode != 0
