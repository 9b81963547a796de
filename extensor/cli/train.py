"""``extensor train MODEL``: train, watch, save, resume."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import tyro

from extensor.cli.options import parse
from extensor.cli.progress import Progress
from extensor.cli.text import nbytes, say, say_json
from extensor.recipe import get
from extensor.telemetry import Telemetry
from extensor.train import Settings, Trainer, fit
from extensor.train.checkpoint import resume, save
from extensor.train.fit import Clock, number
from extensor.train.folder import Folder
from extensor.train.measure import weights_sha256
from extensor.train.metrics import Metrics
from extensor.train.problem import Outcome


@dataclass(frozen=True)
class Train(Settings):
    """Train a model under a recipe: three GEMMs a layer, each operand in the format it names."""

    model: Annotated[str, tyro.conf.Positional] = "lenet"
    """lenet or mlp for images, gpt for text."""
    threads: int | None = None
    """Threads of the kernels; without it all of the machine."""
    out: Path | None = None
    """Folder for metrics, checkpoint and curves; without it runs/MODEL-DATA-RECIPE."""
    resume: bool = False
    """Go on from the checkpoint in the folder, bit for bit as if it had never stopped."""
    telemetry: int = 0
    """Every so many steps, what quantizing does to each operand, to telemetry.jsonl; 0: never.
    `extensor telemetry RUN` prints it."""
    json: bool = False
    """Print one JSON object last; everything else goes to stderr."""

    @property
    def settings(self) -> Settings:
        """What decides the numbers, without where and how they are shown."""
        return Settings(**{f.name: getattr(self, f.name) for f in fields(Settings)})

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        data = self.settings.resolved().data
        return self.out or Path("runs") / f"{self.model}-{data}-{get(self.recipe).name}"

    def again(self, **changed: Any) -> str:
        """The command line that goes on with this run."""
        more = {"threads": self.threads, "out": self.out, "telemetry": self.telemetry or None}
        asked = {k: v for k, v in more.items() if v is not None} | {"resume": True}
        return self.settings.command(**asked, **changed)


def run(words: Sequence[str]) -> int:
    """Train; 130 where Ctrl-C stopped it, with the checkpoint kept."""
    options = parse(Train, words, "train")
    trainer = Trainer(options.settings)
    folder = Folder(options.folder)
    changed = resume(folder.checkpoint, trainer) if options.resume else []
    metrics = Metrics(folder.metrics, trainer.position.step)
    seen = Metrics(folder.telemetry, trainer.position.step) if options.telemetry else None
    if seen is not None:
        trainer.telemetry = Telemetry(options.telemetry, seen.row)
    _introduce(options, trainer, changed)
    progress = Progress(trainer)

    def keep() -> None:
        metrics.flush()
        if seen is not None:
            seen.flush()
        save(folder.checkpoint, trainer)

    try:
        outcome, clock = fit(trainer, [metrics, progress], keep)
    except KeyboardInterrupt:
        progress.close()
        _stopped(options, trainer, folder)
        return 130
    finally:
        progress.close()
        metrics.close()
        if seen is not None:
            seen.close()
    _finish(options, trainer, folder, outcome, clock)
    return 0


def _introduce(options: Train, trainer: Trainer, changed: list[str]) -> None:
    say(str(trainer.recipe), options.json)
    size = sum(p.size for p in trainer.model.parameters().values())
    say(
        f"{options.model}, {size:,} parameters; {trainer.problem.sizes(trainer.data, trainer.test)}"
        f"; {trainer.total:,} steps",
        options.json,
    )
    if options.resume:
        say(f"going on after step {trainer.position.step:,}", options.json)
    for change in changed:
        say(f"note: {change}: the run goes on, but as another one", options.json)


def _stopped(options: Train, trainer: Trainer, folder: Folder) -> None:
    where = f"checkpoint in {folder.path}" if folder.checkpoint.exists() else "nothing saved yet"
    print(f"stopped after step {trainer.position.step:,}; {where}", file=sys.stderr)
    if folder.checkpoint.exists():
        print(f"resume with: {options.again()}", file=sys.stderr)


def _finish(
    options: Train, trainer: Trainer, folder: Folder, outcome: Outcome, clock: Clock
) -> None:
    facts = report(trainer, outcome, clock) | {"out": str(folder.path)}
    learned = trainer.problem
    held = outcome.loss, learned.figure(outcome.loss, outcome.accuracy)
    what = f"{options.model} on {trainer.data.name}, {trainer.recipe.name}, seed {options.seed}"
    trouble = folder.draw(f"{what}: {learned.title(*held)}", learned.words)
    say(_summary(options, trainer, folder, facts, learned.headline(*held)), options.json)
    if trouble is not None:
        say(trouble, options.json)
    if options.json:
        say_json(facts)


def report(trainer: Trainer, outcome: Outcome, clock: Clock) -> dict[str, Any]:
    """All that is to say of a run when it is done, ready for JSON."""
    import numba

    settings, memory, at = trainer.settings, trainer.memory, trainer.position
    words, figure = trainer.problem.words, trainer.problem.figure
    facts = {
        f"{words.held}_{words.figure}": number(figure(outcome.loss, outcome.accuracy)),
        f"{words.held}_loss": number(outcome.loss),
        "train_loss": number(at.train_loss),
        f"train_{words.figure}": number(figure(at.train_loss, at.train_accuracy)),
        words.rate: None if clock.rate is None else round(clock.rate, 1),
        "recipe": trainer.recipe.name,
        "recipe_hash": trainer.recipe.hash,
        "device": trainer.device,
        "seed": settings.seed,
        "weights_sha256": weights_sha256(trainer.model.parameters()),
        "model": settings.model,
        "data": trainer.data.name,
        "steps": at.step,
        "epochs": at.epoch,
        "batch_size": settings.batch_size,
        "threads": numba.config.NUMBA_NUM_THREADS,  # type: ignore[attr-defined]
        "parameters": sum(p.size for p in trainer.model.parameters().values()),
    }
    return facts | (memory._asdict() if memory is not None else {})


def _summary(
    options: Train, trainer: Trainer, folder: Folder, facts: dict[str, Any], headline: str
) -> str:
    words = trainer.problem.words
    rate = facts[words.rate]
    speed = f"{rate:,.0f} {words.items}/s" if rate else "no step was left to make"
    loss = facts["train_loss"]
    shown = "not a number" if loss is None else f"{loss:.4f}"
    lines = [f"{headline}, train loss {shown}, {speed}"]
    if trainer.memory is not None:
        m = trainer.memory
        lines.append(
            f"gradients     {m.grad_dtype}, {nbytes(m.grad_nbytes)} "
            f"(float32 takes {nbytes(4 * facts['parameters'])}); "
            f"saved for backward {nbytes(m.saved_nbytes)} a step"
        )
        if m.without_gradient:
            lines.append(f"no gradient   {', '.join(m.without_gradient)}")
    if trainer.telemetry is not None:
        t = trainer.telemetry
        lines.append(
            f"telemetry     {t.samples} samples in {t.seconds:.2f} s; "
            f"extensor telemetry {folder.path} prints them"
        )
    more = 2 * (trainer.settings.epochs or 1)
    longer = {"steps": 2 * options.steps} if options.steps else {"epochs": more}
    lines += [
        f"weights       sha256 {facts['weights_sha256'][:16]}",
        f"saved to      {folder.path}",
        f"go on with    {options.again(**longer)}",
    ]
    return "\n".join(lines)
