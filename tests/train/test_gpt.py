"""Training on text: the same loop, files and resume as for images, by other names."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.cli import main
from extensor.errors import CheckpointError, FormatError
from extensor.io.tree import load
from extensor.recipe import get
from extensor.tensor import ExTensor
from extensor.train import Recorder, Settings, Trainer, fit
from extensor.train.checkpoint import resume, save
from extensor.train.measure import weights_sha256
from extensor.train.metrics import Metrics, read
from tests.train.test_resume import StopAt

SMALL: dict[str, Any] = {"context": 16, "layers": 2, "heads": 2, "width": 32, "batch_size": 8}
FLAGS = [word for name, n in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(n))]
WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog")


@pytest.fixture(scope="module")
def verse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text of 2,000 characters that has something to learn."""
    folder = tmp_path_factory.mktemp("verse")
    drawn = np.random.default_rng(0).choice(WORDS, 600)
    (folder / "input.txt").write_text(" ".join(drawn.tolist())[:2000], encoding="utf-8")
    return folder


def settings(verse: Path, **changes: Any) -> Settings:
    """A small run on the text: 14 steps an epoch."""
    own = {"steps": 20, "data_dir": str(verse), "warmup": 2, **SMALL, **changes}
    return Settings(model="gpt", **own)


def hash_of(trainer: Trainer) -> str:
    return weights_sha256(trainer.model.parameters())


def test_defaults_are_those_of_text() -> None:
    chosen = Settings(model="gpt").resolved()
    assert (chosen.data, chosen.optimizer, chosen.clip) == ("shakespeare", "adamw", 1.0)
    assert None not in (chosen.context, chosen.layers, chosen.heads, chosen.width, chosen.warmup)
    assert Settings(model="gpt", data="text", optimizer="sgd").resolved().lr == 0.1
    images = Settings().resolved()
    assert (images.data, images.optimizer, images.clip, images.warmup) == ("digits", "sgd", None, 0)
    assert images.context is images.layers is images.dropout is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(model="gtp"), "did you mean 'gpt'"),
        (Settings(model="gpt", data="digits"), "allowed: shakespeare, text"),
        (Settings(model="lenet", data="shakespeare"), "allowed: digits, mnist, fashion"),
        (Settings(model="gpt", data="shakespear"), "did you mean 'shakespeare'"),
        (Settings(model="mlp", context=9), "--context is for gpt, not for mlp"),
        (Settings(model="gpt", augment=True), "--augment is for lenet and mlp, not for gpt"),
        (Settings(model="gpt", heads=0), "--heads 0; allowed: 1 or more"),
        (Settings(evaluate_every=0), "--evaluate-every 0; allowed: 1 or more"),
        (Settings(model="gpt", dropout=-0.5), "--dropout -0.5; allowed: 0 or more"),
    ],
)
def test_what_does_not_belong_together_is_refused(settings: Settings, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        settings.resolved()


def test_an_own_file_needs_its_name(verse: Path) -> None:
    with pytest.raises(FormatError, match="--data-dir FILE"):
        Trainer(Settings(model="gpt", data="text", **SMALL))
    own = replace(settings(verse), data="text", data_dir=str(verse / "input.txt"))
    assert Trainer(own).data.name == "input.txt"


def test_learning_lowers_both_losses(verse: Path) -> None:
    recorder = Recorder()
    outcome, clock = fit(Trainer(settings(verse, steps=60, lr=0.01)), [recorder])
    train = [row for row in recorder.rows if row["kind"] == "train"]
    held = [row for row in recorder.rows if row["kind"] == "validation"]
    assert train[0]["loss"] == pytest.approx(math.log(26), abs=0.6)
    assert outcome.loss < 0.7 * train[0]["loss"] and held[-1]["loss"] < held[0]["loss"]
    assert [row["step"] for row in held] == [14, 28, 42, 56, 60]
    assert {row["tokens"] for row in held} == {192}  # twelve windows of the last 200
    assert train[0]["tokens"] == 8 * 16 and train[0]["tokens_per_second"] > 0
    for row in (*train, *held):
        assert row["perplexity"] == pytest.approx(math.exp(row["loss"]))
        assert not {"accuracy", "images", "images_per_second"} & set(row)
    assert clock.rate is not None and outcome.answers == 192


def test_the_validation_loss_is_the_mean_over_its_windows(verse: Path) -> None:
    trainer = Trainer(settings(verse))
    held, losses = trainer.test, []
    for start in range(0, 192, 16):
        tokens, targets = held.windows(np.array([start]))
        losses.append(ex.cross_entropy(trainer.model(tokens), ex.asarray(targets)).item())
    assert trainer.evaluate().loss == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("recipe", ["mxfp4-sr", "nvfp4", "mxfp8-grad"])
def test_no_gemm_of_a_step_falls_back(verse: Path, recipe: str) -> None:
    trainer = Trainer(settings(verse, recipe=recipe))
    batches = trainer.batches()
    with ex.trace() as calls:
        trainer.step(*next(batches))
    batches.close()
    assert [call for call in calls if call.fallback] == []
    packed = [call for call in calls if call.op == "matmul" and call.kinds == ("blocked",) * 2]
    assert len(packed) == len(get(recipe).quantizes) * (2 * 4 + 1)
    memory = trainer.memory
    assert memory is not None and memory.without_gradient == ()


@pytest.mark.parametrize("stops", [(5,), (14,), (3, 17)])
def test_going_on_is_bit_identical(verse: Path, tmp_path: Path, stops: tuple[int, ...]) -> None:
    run = settings(verse, recipe="mxfp4-sr", dropout=0.1, evaluate_every=5)
    whole, metrics = Trainer(run), Metrics(tmp_path / "whole.jsonl")
    outcome, _ = fit(whole, [metrics])
    metrics.close()
    path, rows = tmp_path / "checkpoint.safetensors", tmp_path / "cut.jsonl"
    for number, stop in enumerate((*stops, None)):
        trainer = Trainer(run)
        if number:
            assert resume(path, trainer) == []
        metrics = Metrics(rows, trainer.position.step)
        if stop is None:
            again, _ = fit(trainer, [metrics])
        else:
            with pytest.raises(KeyboardInterrupt):
                fit(trainer, [metrics, StopAt(stop)], lambda: save(path, trainer))  # noqa: B023
        metrics.close()
    assert hash_of(trainer) == hash_of(whole) and again == outcome
    assert trainer.position == whole.position
    held = [row["step"] for row in read(rows) if row["kind"] == "validation"]
    assert held == [5, 10, 14, 15, 20]
    for mine, other in zip(read(rows), read(tmp_path / "whole.jsonl"), strict=True):
        assert mine | {"tokens_per_second": 0} == other | {"tokens_per_second": 0}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"heads": 4}, "heads 2, not 4"),
        ({"context": 8}, "context 16, not 8"),
        ({"layers": 1}, "layers 2, not 1"),
        ({"dropout": 0.5}, "dropout 0.0, not 0.5"),
    ],
)
def test_another_model_is_refused(
    verse: Path, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save(path, Trainer(settings(verse)))
    with pytest.raises(CheckpointError, match=named):
        resume(path, Trainer(settings(verse, **change)))


def test_another_text_is_refused(verse: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save(path, Trainer(settings(verse)))
    text = (verse / "input.txt").read_text(encoding="utf-8")
    (tmp_path / "input.txt").write_text(text[:-1] + "z", encoding="utf-8")
    resume(path, Trainer(settings(tmp_path)))  # the last tenth is not trained on
    (tmp_path / "input.txt").write_text("z" + text[1:], encoding="utf-8")
    with pytest.raises(CheckpointError, match="1,800 characters"):
        resume(path, Trainer(settings(tmp_path)))


def test_the_command_line(verse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "gpt", "--data-dir", str(verse), "--recipe", "nvfp4", *FLAGS]
    words += ["--out", str(tmp_path)]
    assert main([*words, "--steps", "15", "--json"]) == 0
    shown = capsys.readouterr()
    facts = json.loads(shown.out)
    assert facts["data"] == "shakespeare" and facts["steps"] == 15 and facts["seed"] == 0
    assert facts["validation_perplexity"] == pytest.approx(math.exp(facts["validation_loss"]))
    assert facts["train_perplexity"] == pytest.approx(math.exp(facts["train_loss"]))
    assert facts["tokens_per_second"] > 0 and facts["without_gradient"] == []
    for part in ("nats, perplexity", "tokens/s", "tok/s", "epoch  2/2", "1,800 to train on"):
        assert part in shown.err
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"metrics.jsonl", "checkpoint.safetensors", "curves.png"}
    tree: Any = load(tmp_path / "checkpoint.safetensors")
    model = ex.models.GPT(
        len(set("".join(WORDS))) + 1, **{k: SMALL[k] for k in SMALL if k != "batch_size"}
    )
    model.load_state_dict(tree["model"])
    assert isinstance(model.generate(ex.asarray([[0]]), 2, ex.key(0)), ExTensor)
    assert main([*words, "--steps", "16", "--resume"]) == 0
    assert "going on after step 15" in capsys.readouterr().out


def test_recipes_are_compared_by_the_validation_loss(
    verse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", "--model", "gpt", "--data-dir", str(verse), *FLAGS, "--steps", "3"]
    words += ["--recipes", "fp32,nvfp4", "--seeds", "2", "--out", str(tmp_path), "--json"]
    assert main(words) == 0
    shown = capsys.readouterr()
    facts = json.loads(shown.out)
    first, second = facts["results"]
    runs = facts["runs"]
    losses = [run["validation_loss"] for run in runs]
    assert first["validation_loss_gap"] == first["loss_gap"] == 0.0
    assert second["validation_loss"] == pytest.approx(sum(losses[2:]) / 2, abs=1e-4)
    gap = (losses[2] - losses[0] + losses[3] - losses[1]) / 2
    assert second["validation_loss_gap"] == pytest.approx(gap, abs=1e-4)
    assert "validation loss" in shown.err and "tok/s" in shown.err
    assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")
