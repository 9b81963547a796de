"""``extensor lab``: its list, its tables, its pictures, its JSON, and what it refuses."""

import json
from pathlib import Path

import pytest

from extensor.cli import main
from extensor.cli.lab import shown
from extensor.lab import EXPERIMENTS, experiment
from extensor.lab.options import Options
from extensor.lab.table import Table

SMALL = {"linear-layer": ["--recipes", "nvfp4,mxfp4-sr", "--shapes", "64x64x32"]}
QUICK = ("formats", "cast-or-scale", "recommend", "scaling-law", "linear-layer", "witnesses")
"""Those that take about a second."""


def test_without_a_name_it_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)


@pytest.mark.parametrize("name", QUICK)
def test_a_table_and_a_picture(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    assert main(["lab", name, *SMALL.get(name, []), "--out", str(tmp_path / "new"), "--json"]) == 0
    out = capsys.readouterr()
    facts = json.loads(out.out.splitlines()[-1])
    assert facts["experiment"] == name and facts["rows"] and facts["outside"] == []
    assert (tmp_path / "new" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert facts["title"] in out.err and str(tmp_path) in out.err


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_each_has_its_two_functions_and_says_what_it_is(name: str) -> None:
    module = experiment(name)
    assert callable(module.measure) and callable(module.draw) and (module.__doc__ or "").strip()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hadamar-variance"], "did you mean 'hadamard-variance'?"),
        (["nothing"], "known: formats"),
        (["linear-layer", "--shapes", "8x8"], "allowed: TxKxN"),
        (["linear-layer", "--recipes", "nvfp5"], "did you mean 'nvfp4'?"),
        (["recommend", "--parameters", "0"], "allowed: 1e3 to 1e13 parameters"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) == 1


def test_a_missed_figure_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    module = experiment("formats")
    rows = [{"format": "x", "within": False}]
    table = Table("formats", "t", {"format": ""}, rows, missing=["y"])
    monkeypatch.setattr(module, "measure", lambda options: table)
    assert main(["lab", "formats"]) == 1
    text = shown(table)
    assert "outside the published tolerance: x" in text and "not in this version: y" in text


def test_a_missing_quantizer_is_named_not_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from extensor.lab import quantization_error
    from extensor.lab.published import Row

    def missing() -> None:
        raise TypeError("not in this version")

    monkeypatch.setattr(quantization_error, "ROWS", (Row("of tomorrow", missing, 1.0),))
    table = quantization_error.measure(Options())
    assert list(table.missing) == ["of tomorrow"] and not table.rows
