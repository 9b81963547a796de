"""A run that is stopped and goes on is the run that never stopped, bit for bit."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from extensor.errors import CheckpointError
from extensor.train import Settings, Trainer, fit
from extensor.train.checkpoint import recipe_in, resume, save
from extensor.train.fit import Row
from extensor.train.measure import weights_sha256
from extensor.train.metrics import Metrics, read

RUN = Settings(model="mlp", steps=55, recipe="mxfp4-sr", grad_storage="nvfp4", clip=5.0)
"""An epoch of digits has 45 steps: both epochs are cut."""


class StopAt:
    """Presses Ctrl-C at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def row(self, row: Row) -> None:
        if (row["kind"], row["step"]) == ("train", self.step):
            signal.raise_signal(signal.SIGINT)


def hash_of(trainer: Trainer) -> str:
    return weights_sha256(trainer.model.parameters())


def without_time(rows: list[Row]) -> list[Row]:
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("stops", [(7,), (45,), (3, 50)])
def test_going_on_is_bit_identical(tmp_path: Path, optimizer: str, stops: tuple[int, ...]) -> None:
    settings = replace(RUN, optimizer=optimizer, augment=optimizer == "adam")
    whole, metrics = Trainer(settings), Metrics(tmp_path / "whole.jsonl")
    outcome, _ = fit(whole, [metrics])
    metrics.close()

    path, rows = tmp_path / "checkpoint.safetensors", tmp_path / "cut.jsonl"
    for number, stop in enumerate((*stops, None)):
        trainer = Trainer(settings)
        if number:
            assert resume(path, trainer) == []
            assert trainer.position.step == stops[number - 1]
        metrics = Metrics(rows, trainer.position.step)
        observers: list[Any] = [metrics] if stop is None else [metrics, StopAt(stop)]
        if stop is None:
            again, _ = fit(trainer, observers)
        else:
            with pytest.raises(KeyboardInterrupt):
                fit(trainer, observers, lambda: save(path, trainer))  # noqa: B023
        metrics.close()
    assert hash_of(trainer) == hash_of(whole)
    assert again == outcome
    assert trainer.position == whole.position
    assert without_time(read(rows)) == without_time(read(tmp_path / "whole.jsonl"))


def test_a_finished_run_says_the_same_again(tmp_path: Path) -> None:
    settings = replace(RUN, steps=5)
    first, path = Trainer(settings), tmp_path / "checkpoint.safetensors"
    outcome, _ = fit(first, (), lambda: save(path, first))
    second = Trainer(settings)
    resume(path, second)
    again, clock = fit(second)
    assert again == outcome and clock.rate is None
    assert second.position.train_loss == first.position.train_loss
    assert recipe_in(path) == first.recipe


def test_settings_that_may_change_are_named(tmp_path: Path) -> None:
    first, path = Trainer(replace(RUN, steps=1)), tmp_path / "checkpoint.safetensors"
    save(path, first)
    longer = Trainer(replace(RUN, steps=2, lr=0.5, data_dir="elsewhere"))
    assert resume(path, longer) == ["steps 1 -> 2", "lr 0.02 -> 0.5"]


@pytest.mark.parametrize(
    ("change", "both"),
    [
        ({"model": "lenet"}, ("mlp", "lenet")),
        ({"recipe": "nvfp4"}, ("mxfp4-sr", "nvfp4")),
        ({"keep": ("layers.0",)}, ("mxfp4-sr (", "mxfp4-sr keeping layers.0")),
        ({"seed": 1}, ("seed 0", "not 1")),
        ({"batch_size": 16}, ("32", "16")),
        ({"optimizer": "adam"}, ("sgd", "adam")),
        ({"grad_storage": None}, ("nvfp4", "None")),
        ({"augment": True}, ("False", "True")),
    ],
)
def test_another_run_is_refused(
    tmp_path: Path, change: dict[str, object], both: tuple[str, str]
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save(path, Trainer(replace(RUN, steps=1)))
    other = Trainer(replace(RUN, steps=1, **change))  # type: ignore[arg-type]
    before = hash_of(other)
    with pytest.raises(CheckpointError) as caught:
        resume(path, other)
    assert all(word in str(caught.value) for word in both)
    assert hash_of(other) == before and other.position.step == 0


def test_other_data_is_refused(tmp_path: Path) -> None:
    path, first = tmp_path / "checkpoint.safetensors", Trainer(replace(RUN, steps=1))
    first.data = first.data.take(100)
    save(path, first)
    with pytest.raises(CheckpointError, match="100 images"):
        resume(path, Trainer(replace(RUN, steps=1)))


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path, trainer = tmp_path / "checkpoint.safetensors", Trainer(replace(RUN, steps=1))
    with pytest.raises(CheckpointError, match="there is no"):
        resume(path, trainer)
    save(path, trainer)
    whole = path.read_bytes()
    for wrong in (b"", whole[: len(whole) // 2], whole[:-9] + b"\xff" + whole[-8:]):
        path.write_bytes(wrong)
        with pytest.raises(CheckpointError):
            resume(path, trainer)
    from extensor.io.tree import save as save_tree

    save_tree(path, {"model": trainer.model.state_dict()})
    with pytest.raises(CheckpointError, match="no checkpoint of a run"):
        resume(path, trainer)


def test_metrics_survive_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "train", "step": 1}\n{"kind": "train", "st')
    assert [row["step"] for row in read(path)] == [1]
    metrics = Metrics(path, 1)
    metrics.row({"kind": "train", "step": 2})
    metrics.close()
    assert [row["step"] for row in read(path)] == [1, 2]
