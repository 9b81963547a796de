"""The commands that only look: the start screen, the formats, the helps, the comparison."""

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from extensor.cli import COMMANDS, main
from extensor.cli.environment import GUARD, prepare, wanted
from extensor.cli.formats import facts
from extensor.formats import DTYPES, find
from extensor.ops import OPS
from tests.cli.shell import shell


def test_the_start_screen_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    text = "\n".join(lines)
    assert "cpu: yes" in text and f"{len(OPS)}, with" in text
    assert all(fmt.name in text for fmt in DTYPES)
    assert "extensor train lenet" in text


def test_a_missing_extra_is_named_with_its_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ['nowhere>=1; extra == "plot"', 'numpy<9; extra == "data"', "numba>=0.61"]
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    assert main([]) == 0
    text = capsys.readouterr().out
    assert "missing: pip install 'extensor[plot]'" in text
    assert next(line for line in text.splitlines() if line.startswith("data")).endswith("installed")


def test_it_runs_as_a_module() -> None:
    code, out, err = shell([])
    assert (code, err) == (0, "") and out.startswith("extensor ")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)
    for name in COMMANDS:
        with pytest.raises(SystemExit) as caught:
            main([name, "--help"])
        assert caught.value.code == 0 and "--json" in capsys.readouterr().out


def test_formats_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats", "--json"]) == 0
    rows = {row["format"]: row for row in json.loads(capsys.readouterr().out)["formats"]}
    assert list(rows) == [fmt.name for fmt in DTYPES]
    # OCP MX v1.0, tables 1 and 5; arXiv 2509.25149, section 2.
    assert (rows["mxfp4"]["bits"], rows["mxfp4"]["bytes_a_block"]) == (4.25, 17)
    assert (rows["nvfp4"]["bits"], rows["nvfp4"]["scale"]) == (4.5, "E4M3 x float32")
    assert (rows["float8_e4m3fn"]["max"], rows["float8_e5m2"]["max"]) == (448, 57344)
    assert rows["mxfp6_e3m2"]["bytes_a_block"] == 25 and rows["nvfp4_2d"]["block"] == "16x16"


def test_formats_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 140 for line in lines)
    assert [line.split()[0] for line in lines[1 : 1 + len(DTYPES)]] == [d.name for d in DTYPES]


@pytest.mark.parametrize("name", ["float4_e2m1fn", "float6_e3m2fn", "float8_e5m2", "mx_int8"])
def test_binades_count_the_powers_of_two(name: str) -> None:
    fmt = find(name)
    values = [v for v in fmt.values.tolist() if 0 < v < float("inf")]  # type: ignore[attr-defined]
    powers = [e for e in range(-40, 40) if min(values) <= 2.0**e <= fmt.max]  # type: ignore[attr-defined]
    assert facts(fmt)["binades"] == len(powers)


def test_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "--model", "mlp", "--recipes", "fp32,mxfp4-sr", "--seeds", "2"]
    assert main([*words, "--steps", "20", "--out", str(tmp_path), "--json"]) == 0
    shown = capsys.readouterr()
    facts = json.loads(shown.out)
    first, second = facts["results"]
    assert (first["recipe"], second["recipe"]) == ("fp32", "mxfp4-sr")
    assert first["accuracy_gap"] == first["loss_gap"] == 0.0
    assert second["saved_nbytes"] < first["saved_nbytes"] / 3
    runs = facts["runs"]
    assert [(r["recipe"], r["seed"]) for r in runs] == [
        (name, seed) for name in ("fp32", "mxfp4-sr") for seed in (0, 1)
    ]
    mean = sum(100 * r["test_accuracy"] for r in runs[2:]) / 2
    assert second["accuracy"] == pytest.approx(mean, abs=1e-3) and second["accuracy_sd"] >= 0
    assert "mxfp4-sr" in shown.err and "±" in shown.err
    assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_the_environment_is_set_once(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, words: started.append(words))
    monkeypatch.delenv(GUARD, raising=False)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    prepare(["train", "--threads", "5", "--deterministic"])
    assert [words[0] for words in started] == [sys.executable]
    import os

    assert os.environ["NUMBA_NUM_THREADS"] == "5" and os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert GUARD in os.environ
    prepare(["train", "--threads", "6"])  # the new process: not again
    assert len(started) == 1 and GUARD not in os.environ
    for name, value in wanted(["train"], os.environ).items():
        monkeypatch.setenv(name, value)
    prepare(["train"])
    assert len(started) == 1


def test_what_the_user_has_set_stays() -> None:
    chosen = wanted(["train"], {"OPENBLAS_NUM_THREADS": "7", "OMP_WAIT_POLICY": "active"})
    assert chosen["OPENBLAS_NUM_THREADS"] == "7" and chosen["OMP_WAIT_POLICY"] == "active"
