"""The examples of README and docs run: what a reader copies works."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

from tests.shared import ROOT

FENCE = re.compile(r"^```(?:python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path) -> list[str]:
    """The Python blocks of a page."""
    return FENCE.findall(path.read_text(encoding="utf-8"))


PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if blocks(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path) -> None:
    """Each block is a doctest, and the blocks of a page share their names."""
    if any("import torch" in block for block in blocks(page)):
        pytest.importorskip("torch", reason="PyTorch is not installed")
    names: dict[str, object] = {}
    parser, report = doctest.DocTestParser(), list[str]()
    for number, block in enumerate(blocks(page)):
        case = parser.get_doctest(block, {}, f"{page.name} block {number}", str(page), None)
        case.globs = names
        doctest.DocTestRunner(verbose=False).run(case, out=report.append, clear_globs=False)
    assert not report, "".join(report)


def test_the_example_of_the_readme_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is short, and the accuracy that it prints is that of a network that learned."""
    (example,) = blocks(ROOT / "README.md")
    assert len([line for line in example.splitlines() if line]) <= 15
    (tmp_path / "readme.py").write_text(example, encoding="utf-8")
    runpy.run_path(str(tmp_path / "readme.py"))
    found = re.search(r"([\d.]+)%", capsys.readouterr().out)
    assert found and float(found[1]) > 85
