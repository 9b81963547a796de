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

HEAD = ["recipe", "accuracy %", "gap", "train loss", "loss gap", "saved", "gradients", "img/s"]


@dataclass(frozen=True)
class Compare(Task):
    """Train each recipe with the same seeds: same first weights, same order of images."""

    recipes: str = "fp32,mxfp4-naive,mxfp4-sr,nvfp4"
    """Names of recipes, separated by commas; gaps are to the first."""
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
    for name in names:
        get(name)
    options.settings(names[0], 0).resolved()
    folder = Folder(options.out or Path("runs") / f"compare-{options.model}-{options.data}")
    rows: dict[str, list[list[Row]]] = {name: [] for name in names}
    facts: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(options.seeds):
        for name in names:
            say(f"{name}, seed {seed}", True)
            trainer, recorder = Trainer(options.settings(name, seed)), Recorder()
            progress = Progress(trainer)
            try:
                outcome, clock = fit(trainer, [recorder, progress])
            finally:
                progress.close()
            rows[name].append(recorder.rows)
            facts[name].append(report(trainer, outcome, clock))
    results = [summary(name, facts[name], facts[names[0]]) for name in names]
    say(table(HEAD, [_cells(result) for result in results]), options.json)
    seeds = "1 seed" if options.seeds == 1 else f"{options.seeds} seeds"
    picture = folder.path / "compare.png"
    try:
        curves(picture, rows, f"{options.model} on {options.data}, {seeds}")
        say(f"saved to {picture}", options.json)
    except FormatError as error:
        say(str(error), options.json)
    if options.json:
        runs = [run for name in names for run in facts[name]]
        say_json({"results": results, "runs": runs, "out": str(folder.path)})
    return 0


def summary(
    name: str, runs: Sequence[dict[str, Any]], first: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Means over seeds; gaps are means of the differences to the first recipe, seed by seed.

    accuracy and accuracy_gap in percent (points), losses None where one is not a number.

    >>> a = {"test_accuracy": 0.98, "train_loss": 0.5, "images_per_second": 10.0}
    >>> a |= {"saved_nbytes": 8, "grad_nbytes": 4, "grad_dtype": "float32"}
    >>> summary("b", [a | {"test_accuracy": 0.97}], [a])["accuracy_gap"]
    -1.0
    """
    accuracy = [100 * run["test_accuracy"] for run in runs]
    gaps = [a - 100 * run["test_accuracy"] for a, run in zip(accuracy, first, strict=True)]
    losses = [run["train_loss"] for run in runs]
    pairs = list(zip(losses, (run["train_loss"] for run in first), strict=True))
    rates = [run["images_per_second"] for run in runs if run["images_per_second"]]
    whole = None not in losses
    return {
        "recipe": name,
        "seeds": len(runs),
        "accuracy": round(fmean(accuracy), 4),
        "accuracy_sd": round(stdev(accuracy), 4) if len(runs) > 1 else None,
        "accuracy_gap": round(fmean(gaps), 4),
        "train_loss": fmean(losses) if whole else None,
        "loss_gap": fmean(a - b for a, b in pairs) if whole and all(b for _, b in pairs) else None,
        "saved_nbytes": runs[0]["saved_nbytes"],
        "grad_dtype": runs[0]["grad_dtype"],
        "grad_nbytes": runs[0]["grad_nbytes"],
        "images_per_second": round(fmean(rates), 1) if rates else None,
    }


def _cells(result: dict[str, Any]) -> list[str]:
    sd, loss, gap = (result[name] for name in ("accuracy_sd", "train_loss", "loss_gap"))
    return [
        result["recipe"],
        f"{result['accuracy']:.2f}" + ("" if sd is None else f" ± {sd:.2f}"),
        f"{result['accuracy_gap']:+.2f}",
        "not a number" if loss is None else f"{loss:.4f}",
        "" if gap is None else f"{gap:+.4f}",
        nbytes(result["saved_nbytes"]),
        f"{result['grad_dtype']} {nbytes(result['grad_nbytes'])}",
        f"{result['images_per_second'] or 0:,.0f}",
    ]
