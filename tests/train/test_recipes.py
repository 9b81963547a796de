"""Training under recipes from files, and under recipes that change on the way."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import extensor as ex
from extensor.cli import main
from extensor.errors import CheckpointError
from extensor.recipe import NAMED
from extensor.telemetry import Telemetry
from extensor.train import Settings, Trainer, fit
from extensor.train.checkpoint import recipe_in, resume, save
from extensor.train.measure import weights_sha256
from extensor.train.metrics import read

RUN = Settings(model="mlp", steps=12)
OWN = replace(
    NAMED["nvfp4"],
    name="own",
    keep_last=1,
    phases=((0.5, NAMED["mxfp4-sr-grad"]), (9, ex.Recipe())),
)


def trained(settings: Settings, telemetry: Telemetry | None = None) -> str:
    trainer = Trainer(settings)
    trainer.telemetry = telemetry
    fit(trainer)
    return weights_sha256(trainer.model.parameters())


@pytest.mark.parametrize("ending", ["json", "toml"])
@pytest.mark.parametrize("recipe", [NAMED["mxfp4-rht-sr"], NAMED["tetrajet"], OWN], ids=str)
def test_a_recipe_from_a_file_trains_bit_identically(
    recipe: ex.Recipe, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"mine.{ending}"
    recipe.save(path)
    monkeypatch.setitem(NAMED, "original", recipe)
    assert trained(replace(RUN, recipe=str(path))) == trained(replace(RUN, recipe="original"))


def test_phases_change_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMED, "own", OWN)
    trainer, names = Trainer(replace(RUN, recipe="own")), []
    batches = trainer.batches()
    for batch in batches:
        trainer.step(*batch)
        first, last = (layer.recipe for layer in trainer.model.layers)  # type: ignore[attr-defined]
        names.append(first.name)
        assert last is None
        if trainer.done:
            break
    batches.close()
    assert names == ["own"] * 6 + ["mxfp4-sr-grad"] * 3 + ["custom"] * 3
    one = trained(replace(RUN, recipe="own"))
    assert one != trained(replace(RUN, recipe="nvfp4", keep_last=1))


def test_going_on_in_another_phase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMED, "own", OWN)
    settings, path = replace(RUN, recipe="own"), tmp_path / "checkpoint.safetensors"
    whole, half = Trainer(settings), Trainer(settings)
    fit(whole)
    batches = half.batches()
    for _, batch in zip(range(7), batches, strict=False):
        half.step(*batch)
    batches.close()
    save(path, half)
    assert recipe_in(path) == OWN
    again = Trainer(settings)
    resume(path, again)
    assert fit(again)[0] == whole.evaluate()
    weights = [weights_sha256(t.model.parameters()) for t in (whole, again)]
    assert weights[0] == weights[1]


def test_another_recipe_does_not_go_on(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save(path, Trainer(replace(RUN, recipe="nvfp4")))
    same = replace(RUN, recipe="nvfp4")
    for other in (replace(same, keep_first=1), replace(same, recipe="nvfp4-4over6")):
        with pytest.raises(CheckpointError, match="recipe"):
            resume(path, Trainer(other))


def test_telemetry_changes_nothing() -> None:
    for recipe in ("nvfp4", "quartet2", "fp8"):
        settings, telemetry = replace(RUN, recipe=recipe), Telemetry(every=4)
        assert trained(settings, telemetry) == trained(settings)
        assert telemetry.samples == 3
        assert sorted({row["step"] for row in telemetry.rows}) == [1, 5, 9]


def run(capsys: Any, *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_the_command_line(tmp_path: Path, capsys: Any) -> None:
    """A recipe file, telemetry, its table; compare with a file."""
    file, out = tmp_path / "mine.toml", tmp_path / "run"
    file.write_text('name = "mine"\nbase = "mxfp4-sr"\nkeep_first = 1\n', encoding="utf-8")
    common = ("--model", "mlp", "--steps", "5")
    facts = run(capsys, "train", "mlp", "--steps", "5", "--recipe", str(file), "--out", str(out),
                "--telemetry", "2")  # fmt: skip
    assert facts["recipe"] == "mine"
    assert recipe_in(out / "checkpoint.safetensors").keep_first == 1
    rows = read(out / "telemetry.jsonl")
    assert [row["step"] for row in rows if row["gemm"] == "fprop"] == [1, 1, 3, 3, 5, 5]
    assert {row["layer"] for row in rows} == {"layers.1"}
    seen = run(capsys, "telemetry", str(out))
    assert seen["steps"] == [1, 3, 5] and len(seen["rows"]) == 6
    assert main(["telemetry", str(out), "--step", "3"]) == 0
    assert "mxfp4 even nearest" in capsys.readouterr().out
    assert main(["telemetry", str(out), "--step", "4"]) == 2
    assert "allowed: 1, 3, 5" in capsys.readouterr().err
    both = run(capsys, "compare", *common, "--recipes", f"fp32,{file}", "--seeds", "1",
               "--out", str(tmp_path / "compare"))  # fmt: skip
    assert [row["recipe"] for row in both["results"]] == ["fp32", "mine"]
