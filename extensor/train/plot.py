"""``curves.png``: loss and accuracy, or perplexity, by step; matplotlib is loaded only to draw."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import FormatError
from extensor.io.atomic import write_atomic
from extensor.train.fit import Row
from extensor.train.problem import Words

COLOURS = ("#0b6e99", "#d1495b", "#3a7d44", "#8e5ea2", "#c77d0a", "#5b6770", "#2aa198", "#a05195")
"""One a curve, dark enough for white paper."""
Runs = Mapping[str, Sequence[Sequence[Row]]]
"""For each label the rows of its runs (one run a seed)."""


def smooth(values: NDArray[Any], width: int) -> NDArray[Any]:
    """The mean of each value and the ``width - 1`` before it (fewer at the start).

    >>> smooth(np.array([1.0, 3.0, 5.0]), 2).tolist()
    [1.0, 2.0, 4.0]
    """
    sums = np.concatenate(([0.0], np.cumsum(values)))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def series(rows: Sequence[Row], kind: str, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Steps and values of one column of the rows of one kind; null (not a number) as NaN.

    >>> series([{"kind": "test", "step": 2, "loss": None}], "test", "loss")
    (array([2]), array([nan]))
    """
    chosen = [(r["step"], r[name]) for r in rows if r["kind"] == kind]
    steps, values = zip(*chosen, strict=True) if chosen else ((), ())
    return np.array(steps, np.int64), np.array(values, np.float64)  # None becomes NaN


def curves(path: Path, runs: Runs, title: str, words: Words) -> None:
    """Draw loss and figure (see ``Words``) of runs, as a picture in one file.

    One run: training as lines (pale: each step), and the data held back as dots. Several: for each
    label the mean of training losses over its runs, and the mean of the figures on the data held
    back with their deviation.

    Raises ``FormatError`` where matplotlib is not installed, ``CheckpointError`` where the file
    cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise FormatError(
            "plot: matplotlib is not installed; run: pip install 'extensor[plot]'"
        ) from error
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    alone = len(runs) == 1 and all(len(seeds) == 1 for seeds in runs.values())
    for number, (label, seeds) in enumerate(runs.items()):
        colour = COLOURS[number % len(COLOURS)]
        if alone:
            _draw(left, seeds[0], "loss", words.held, colour, 1.0)
            _draw(right, seeds[0], words.figure, words.held, colour, words.factor)
        else:
            _draw_means(left, right, seeds, label, words, colour)
    left.set(xlabel="step", ylabel="cross-entropy" if alone else "training loss", yscale="log")
    right.set(xlabel="step", ylabel=words.label if alone else f"{words.held} {words.label}")
    if words.factor == 100:
        right.set_ylim(*_limits(runs, words))
    else:
        right.set_yscale("log", base=2)
        right.yaxis.set_major_formatter("{x:g}")
    right.legend(loc="best" if words.factor != 100 else "lower right", frameon=False)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format="png")
    write_atomic(path, [picture.getvalue()])


def _draw(axes: Any, rows: Sequence[Row], name: str, held: str, colour: str, factor: float) -> None:
    steps, values = series(rows, "train", name)
    axes.plot(steps, factor * values, color=colour, alpha=0.2, lw=0.7)
    axes.plot(steps, factor * _mean(values), color=colour, lw=1.6, label="training")
    tests, answers = series(rows, held, name)
    axes.plot(tests, factor * answers, "o-", color="0.2", ms=4, lw=1, label=held)


def _draw_means(
    left: Any, right: Any, seeds: Sequence[Sequence[Row]], label: str, words: Words, colour: str
) -> None:
    steps = series(seeds[0], "train", "loss")[0]
    losses = np.mean([series(rows, "train", "loss")[1] for rows in seeds], axis=0)
    left.plot(steps, _mean(losses), color=colour, lw=1.4)
    tests = series(seeds[0], words.held, words.figure)[0]
    answers = np.array([series(rows, words.held, words.figure)[1] for rows in seeds])
    answers *= words.factor
    spread = answers.std(0, ddof=min(1, len(seeds) - 1))
    how = {"fmt": "o-", "color": colour, "ms": 4, "lw": 1.2, "capsize": 3}
    right.errorbar(tests, answers.mean(0), spread, label=label, **how)


def _mean(values: NDArray[Any]) -> NDArray[Any]:
    return smooth(values, max(1, len(values) // 30))


def _limits(runs: Runs, words: Words) -> tuple[float, float]:
    """Room for every percentage of the data held back and for the upper part of training."""
    tests = [series(rows, words.held, words.figure)[1] for seeds in runs.values() for rows in seeds]
    low = words.factor * min((float(t.min()) for t in tests if len(t)), default=0.0)
    return max(0.0, min(90.0, low - 5.0)), 100.5
