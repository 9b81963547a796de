"""``extensor train``: what it prints, what it writes, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from extensor.cli import main
from extensor.io.tree import load, load_metadata
from extensor.recipe import Recipe, get
from extensor.train.metrics import read
from tests.cli.shell import SMALL, shell

PROMISED = ["test_accuracy", "train_loss", "images_per_second", "recipe", "device", "seed"]
PROMISED += ["weights_sha256"]
MLP = ["train", "mlp", "--recipe", "nvfp4-grad", "--steps", "50"]


def test_a_run_in_its_own_process(tmp_path: Path) -> None:
    code, out, err = shell([*MLP, *SMALL, "--out", str(tmp_path / "run"), "--json"])
    assert code == 0, err
    (line,) = out.splitlines()
    facts = json.loads(line)
    assert set(PROMISED) <= set(facts)
    assert facts["recipe"] == "nvfp4-grad" and facts["device"] == "cpu" and facts["seed"] == 0
    assert facts["steps"] == 50 and facts["threads"] == 2 and len(facts["weights_sha256"]) == 64
    assert facts["test_accuracy"] > 0.8 and facts["without_gradient"] == []
    assert "epoch  2/2" in err and "img/s" in err and "acc " in err and "loss " in err
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"metrics.jsonl", "checkpoint.safetensors", "curves.png"}


def test_what_a_run_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MLP, "--out", str(tmp_path), "--keep", "layers.1"]) == 0
    shown = capsys.readouterr()
    assert "test accuracy" in shown.out and "sha256" in shown.out
    assert f"--out {tmp_path} --resume" in shown.out and "(keeps layers.1)" in shown.out
    rows = read(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows if row["kind"] == "train"] == list(range(1, 51))
    assert [(row["step"], row["images"]) for row in rows if row["kind"] == "test"] == [
        (45, 360),
        (50, 360),
    ]
    assert {"loss", "accuracy", "lr", "epoch", "images_per_second"} <= set(rows[0])
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    tree: Any = load(tmp_path / "checkpoint.safetensors")
    texts = load_metadata(tmp_path / "checkpoint.safetensors")
    recipe = Recipe.from_json(texts["recipe"])
    assert recipe.keep == ("layers.1",) and recipe.hash == texts["recipe_hash"]
    assert recipe.wgrad == get("nvfp4-grad").wgrad
    assert tree["run"]["position"]["step"] == 50 and set(tree["optimizer"]) > {"step"}
    assert tree["model"]["layers.0.weight"].shape == (128, 784)


def test_gradient_storage_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "mlp", "--steps", "3", "--grad-storage", "mxfp4", "--out", str(tmp_path)]
    assert main([*words, "--json"]) == 0
    shown = capsys.readouterr()
    facts = json.loads(shown.out)
    assert facts["grad_dtype"] == "mxfp4" and facts["grad_nbytes"] < 60_000
    assert "gradients     mxfp4, " in shown.err and "float32 takes 407.1 kB" in shown.err


def test_resume_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = [*MLP[:-1], "46", "--out", str(tmp_path)]
    assert main([*run[:-3], "46", *run[-2:]]) == 0
    first = (tmp_path / "checkpoint.safetensors").read_bytes()
    assert main([*run, "--resume"]) == 0
    assert "no step was left to make" in capsys.readouterr().out
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == first
    assert main(["train", "mlp", "--out", str(tmp_path), "--resume"]) == 2
    assert "recipe 'nvfp4-grad (" in capsys.readouterr().err


def test_without_matplotlib_a_run_ends_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert main(["train", "mlp", "--steps", "1", "--out", str(tmp_path)]) == 0
    assert "pip install 'extensor[plot]'" in capsys.readouterr().out
    assert not (tmp_path / "curves.png").exists()


def test_a_diverging_run_still_ends_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "mlp", "--steps", "30", "--lr", "1e30", "--out", str(tmp_path), "--json"]
    with pytest.warns(RuntimeWarning):
        assert main(words) == 0
    facts = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert facts["train_loss"] is None


@pytest.mark.parametrize("model", ["mlp", "lenet"])
def test_threads_do_not_change_the_weights(tmp_path: Path, model: str) -> None:
    words = ["train", model, "--recipe", "mxfp4-sr", "--steps", "6", "--json", "--deterministic"]
    hashes = set()
    for threads in ("1", "2", "8"):
        code, out, err = shell([*words, "--threads", threads, "--out", str(tmp_path)])
        assert code == 0, err
        facts = json.loads(out)
        assert facts["threads"] == int(threads)
        hashes.add(facts["weights_sha256"])
    assert len(hashes) == 1
