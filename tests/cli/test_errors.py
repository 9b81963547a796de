"""Mistakes on the command line: one clear line, exit code 2, nothing written, no traceback."""

import os
from pathlib import Path

import pytest

from extensor.cli import main
from tests.cli.shell import shell


def mistake(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr of a command that must refuse."""
    assert main(words) == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert line.startswith("extensor: ") and shown.out == ""
    return line


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["trian", "lenet"], "did you mean 'train'?"),
        (["train", "lennet"], "did you mean 'lenet'?"),
        (["train", "lenet", "--data", "mnits"], "did you mean 'mnist'?"),
        (["train", "lenet", "--recipe", "mxpf4-sr"], "did you mean 'mxfp4-sr'?"),
        (["train", "lenet", "--grad-storage", "nvpf4"], "did you mean 'nvfp4'?"),
        (["train", "lenet", "--grad-storage", "int8"], "int8 has no blocks"),
        (["train", "lenet", "--optimizer", "agd"], "did you mean 'sgd'?"),
        (["train", "lenet", "--keep", "conv3"], "'conv3' names no layer"),
        (["train", "lenet", "--device", "gpu"], "unknown 'gpu'; allowed: cpu, cuda"),
        (["train", "lenet", "--device", "cuda"], "cuda"),
        (["train", "lenet", "--momentum", "1.5"], "momentum"),
        (["compare", "--recipes", "fp32,nvfp5"], "did you mean 'nvfp4'?"),
        (["compare", "--recipes", ""], "different names separated by commas"),
        (["compare", "--seeds", "0"], "1 seed or more"),
    ],
)
def test_one_line_says_what_is_wrong(
    words: list[str],
    text: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert text in mistake(words, capsys)
    assert os.listdir(tmp_path) == []


def test_an_unwritable_folder_is_found_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a file")
    for out in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/nothing")):
        line = mistake(["train", "mlp", "--steps", "1", "--out", str(out)], capsys)
        assert str(out) in line and "--out" in line
    (tmp_path / "run" / "metrics.jsonl").mkdir(parents=True)
    line = mistake(["train", "mlp", "--steps", "1", "--out", str(tmp_path / "run")], capsys)
    assert "metrics.jsonl" in line


def test_resume_needs_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = mistake(["train", "mlp", "--out", str(tmp_path), "--resume"], capsys)
    assert "there is no" in line and "leave out --resume" in line


def test_missing_data_says_where_it_looked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTENSOR_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr("extensor.data.mnist_family.download", _no_network)
    words = ["train", "mlp", "--data", "mnist", "--data-dir", str(tmp_path), "--out", "x"]
    assert str(tmp_path) in mistake(words, capsys)


def _no_network(*_: object) -> Path:
    from extensor.errors import FormatError

    raise FormatError("cannot download: no network")


@pytest.mark.parametrize("threads", ["0", "many", "-2"])
def test_threads_are_checked_before_anything_starts(threads: str) -> None:
    code, out, err = shell(["train", "mlp", "--threads", threads])
    assert (code, out) == (2, "") and err.startswith(f"extensor: --threads {threads}: allowed")


def test_an_unknown_option_is_explained() -> None:
    code, _, err = shell(["train", "mlp", "--optimzer", "adam"])
    assert code == 2 and "--optimizer" in err and "Traceback" not in err


def test_a_kernel_that_does_not_compile_shows_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from numba.core.errors import TypingError

    def broken(words: list[str]) -> int:
        raise TypingError("Failed in nopython mode\nwith many lines")

    monkeypatch.setattr("extensor.cli.formats.run", broken)
    assert main(["formats"]) == 1
    err = capsys.readouterr().err
    assert "Failed in nopython mode" in err and "many lines" not in err
    monkeypatch.setenv("EXTENSOR_DEBUG", "1")
    with pytest.raises(TypingError):
        main(["formats"])
