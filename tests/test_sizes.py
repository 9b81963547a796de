"""Files stay small: the rule of ci/sizes.py, and that the rule can fail."""

import runpy
from pathlib import Path

import pytest

from tests.shared import ROOT

SIZES = ROOT / "ci" / "sizes.py"


def test_files_are_small() -> None:
    assert runpy.run_path(str(SIZES))["findings"]() == []


@pytest.mark.parametrize(
    ("docstring", "lines", "wrong"),
    [("A table.", 301, True), ("Over 300 lines: one table.", 301, False), ("A table.", 300, False)],
)
def test_a_long_file_needs_its_reason(
    tmp_path: Path, docstring: str, lines: int, wrong: bool
) -> None:
    (tmp_path / "ci").mkdir()
    (tmp_path / "extensor").mkdir()
    copy = tmp_path / "ci" / "sizes.py"
    copy.write_text(SIZES.read_text(encoding="utf-8"), encoding="utf-8")
    text = f'"""{docstring}"""\n' + "x = 1\n" * (lines - 1)
    (tmp_path / "extensor" / "long.py").write_text(text, encoding="utf-8")
    (tmp_path / "extensor" / "short.py").write_text("x = 1\n", encoding="utf-8")
    findings = runpy.run_path(str(copy))["findings"]()
    assert [finding.split(":")[0] for finding in findings] == ["extensor/long.py"] * wrong
