"""``extensor compare``: several recipes on the same seeds, a table and a plot."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from extensor.cli.options import parse
from extensor.cli.progress import Progress
from extensor.cli.text import nbytes, say, say_json, table
from extensor.cli.train import report
from extensor.errors import FormatError
from extensor.recipe import get
from extensor.train import Recorder, Settings, Task, Trainer, fit
from extensor.train.fit import Row
from extensor.train.folder import Folder
from extensor.train.plot import curves
from extensor.train.problem import Words
from extensor.train.problems import problem_of


@dataclass(frozen=True)
class Compare(Task):
    """Train each recipe with the same seeds: same first weights, same order of images."""

    recipes: str = "fp32,mxfp4-naive,mxfp4-sr,nvfp4"
    """Recipes separated by commas, by name or by file (.toml, .json); gaps are to the first."""
    seeds: int = 3
    """How many seeds: 0, 1, 2, ..."""
    threads: int | None = None
    """Threads of the kernels; without it all of the machine."""
    out: Path | None = None
    """Folder for compare.png; without it runs/compare-MODEL-DATA."""
    json: bool = False
    """Print one JSON object last; everything else goes to stderr."""

    def settings(self, recipe: str, seed: int) -> Settings:
        """One of the runs."""
        own = {f.name: getattr(self, f.name) for f in fields(Task)}
        return Settings(**own, recipe=recipe, seed=seed)


def run(words: Sequence[str]) -> int:
    """Train them all, seed by seed, and print the table."""
    options = parse(Compare, words, "compare")
    names = [name.strip() for name in options.recipes.split(",") if name.strip()]
    if not names or len(set(names)) != len(names) or options.seeds < 1:
        raise FormatError(
            f"compare: --recipes {options.recipes!r} --seeds {options.seeds}; allowed: different "
            "names separated by commas, and 1 seed or more"
        )
    files = {get(name).name: name for name in names}
    if len(files) != len(names):
        raise FormatError(
            f"compare: --recipes {options.recipes!r}: two of them are called alike; give each file "
            "a name of its own (name = ...)"
        )
    names = list(files)
    data = options.settings(files[names[0]], 0).resolved().data
    called = problem_of(options.settings(files[names[0]], 0)).words
    folder = Folder(options.out or Path("runs") / f"compare-{options.model}-{data}")
    rows: dict[str, list[list[Row]]] = {name: [] for name in names}
    facts: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(options.seeds):
        for name in names:
            say(f"{name}, seed {seed}", True)
            trainer, recorder = Trainer(options.settings(files[name], seed)), Recorder()
            progress = Progress(trainer)
            try:
                outcome, clock = fit(trainer, [recorder, progress])
            finally:
                progress.close()
            rows[name].append(recorder.rows)
            facts[name].append(report(trainer, outcome, clock))
    results = [summary(name, facts[name], facts[names[0]], called) for name in names]
    say(table(_head(called), [_cells(result, called) for result in results]), options.json)
    seeds = "1 seed" if options.seeds == 1 else f"{options.seeds} seeds"
    picture = folder.path / "compare.png"
    try:
        curves(picture, rows, f"{options.model} on {data}, {seeds}", called)
        say(f"saved to {picture}", options.json)
    except FormatError as error:
        say(str(error), options.json)
    if options.json:
        runs = [run for name in names for run in facts[name]]
        say_json({"results": results, "runs": runs, "out": str(folder.path)})
    return 0


def summary(
    name: str, runs: Sequence[dict[str, Any]], first: Sequence[dict[str, Any]], words: Words
) -> dict[str, Any]:
    """Means over seeds; gaps are means of the differences to the first recipe, seed by seed.

    What is judged (see ``Words``): accuracy and accuracy_gap in percent (points) for images,
    validation_loss and validation_loss_gap in nats for texts. None where a loss is not a number.

    >>> from extensor.train.images import IMAGES
    >>> a = {"test_accuracy": 0.98, "train_loss": 0.5, "images_per_second": 10.0}
    >>> a |= {"saved_nbytes": 8, "grad_nbytes": 4, "grad_dtype": "float32"}
    >>> summary("b", [a | {"test_accuracy": 0.97}], [a], IMAGES.words)["accuracy_gap"]
    -1.0
    """
    figures, gaps = _gaps(words.judged_fact, words.judged_factor, runs, first)
    losses, loss_gaps = _gaps("train_loss", 1.0, runs, first)
    rates = [run[words.rate] for run in runs if run[words.rate]]
    spread = stdev(figures) if figures and len(figures) > 1 else None
    return {
        "recipe": name,
        "seeds": len(runs),
        words.judged: round(fmean(figures), 4) if figures else None,
        f"{words.judged}_sd": None if spread is None else round(spread, 4),
        f"{words.judged}_gap": round(fmean(gaps), 4) if gaps else None,
        "train_loss": fmean(losses) if losses else None,
        "loss_gap": fmean(loss_gaps) if loss_gaps else None,
        "saved_nbytes": runs[0]["saved_nbytes"],
        "grad_dtype": runs[0]["grad_dtype"],
        "grad_nbytes": runs[0]["grad_nbytes"],
        words.rate: round(fmean(rates), 1) if rates else None,
    }


def _gaps(
    fact: str, factor: float, runs: Sequence[dict[str, Any]], first: Sequence[dict[str, Any]]
) -> tuple[list[float], list[float]]:
    """A fact of every run, and its difference to the first recipe; empty where one is None."""
    own, base = ([run[fact] for run in some] for some in (runs, first))
    values = [factor * value for value in own] if None not in own else []
    if not values or None in base:
        return values, []
    return values, [a - factor * b for a, b in zip(values, base, strict=True)]


def _head(words: Words) -> list[str]:
    judged = words.judged.replace("_", " ") + (" %" if words.judged_factor == 100 else "")
    rest = ["train loss", "loss gap", "saved", "gradients"]
    return ["recipe", judged, "gap", *rest, f"{words.item}/s"]


def _cells(result: dict[str, Any], words: Words) -> list[str]:
    digits, missing = words.judged_digits, "not a number"
    figure, sd, gap = (result[f"{words.judged}{end}"] for end in ("", "_sd", "_gap"))
    shown = missing if figure is None else f"{figure:.{digits}f}"
    loss, loss_gap = result["train_loss"], result["loss_gap"]
    return [
        result["recipe"],
        shown + ("" if sd is None else f" ± {sd:.{digits}f}"),
        "" if gap is None else f"{gap:+.{digits}f}",
        missing if loss is None else f"{loss:.4f}",
        "" if loss_gap is None else f"{loss_gap:+.4f}",
        nbytes(result["saved_nbytes"]),
        f"{result['grad_dtype']} {nbytes(result['grad_nbytes'])}",
        f"{result[words.rate] or 0:,.0f}",
    ]
