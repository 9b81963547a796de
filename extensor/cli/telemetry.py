"""``extensor telemetry RUN``: what quantizing did to each operand, from RUN/telemetry.jsonl."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from extensor.cli.options import parse
from extensor.cli.text import say, say_json, table
from extensor.errors import FormatError
from extensor.train.metrics import read

HEAD = ("layer", "GEMM", "of", "how", "cosine", "gain", "bias", "SQNR dB", "clipped %",
        "underflow %", "flipped %", "scales")  # fmt: skip
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Show:
    """Print a sample of a run that was trained with --telemetry."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of the run."""
    step: int | None = None
    """The sample to print; without it the last one."""
    json: bool = False
    """Print one JSON object last: all rows of that sample."""


def run(words: Sequence[str]) -> int:
    """Print the table of one sample."""
    options = parse(Show, words, "telemetry")
    path = options.run / "telemetry.jsonl"
    rows = read(path)
    steps = sorted({row["step"] for row in rows})
    if not steps:
        raise FormatError(f"telemetry: no rows in {path}; train with --telemetry 100")
    step = steps[-1] if options.step is None else options.step
    if step not in steps:
        raise FormatError(f"telemetry: step {step} was not sampled; allowed: {_few(steps)}")
    chosen = [row for row in rows if row["step"] == step]
    say(f"step {step}, sample {1 + steps.index(step)} of {len(steps)}", options.json)
    say(table(HEAD, [cells(row) for row in chosen], left=4), options.json)
    if options.json:
        say_json({"step": step, "steps": steps, "rows": chosen})
    return 0


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row of the table.

    >>> row = dict.fromkeys(("cosine", "gain", "bias", "sqnr_db", "flipped"))
    >>> row |= {"layer": "fc1", "gemm": "fprop", "operand": "w", "how": "mxfp4", "clipped": 0.5,
    ...         "underflowed": 0.0, "scales": {"-7": 1, "-5": 2}}
    >>> cells(row)[-4:]
    ['50.00', '0.00', '-', '2^-7 ▅▁█ 2^-5']
    """
    shares = ("clipped", "underflowed", "flipped")
    return [
        row["layer"], row["gemm"], row["operand"], row["how"],
        _number(row["cosine"], ".4f"), _number(row["gain"], ".4f"), _number(row["bias"], "+.1e"),
        _number(row["sqnr_db"], ".2f"),
        *(_number(None if row[n] is None else 100 * row[n], ".2f") for n in shares),
        bars(row["scales"]),
    ]  # fmt: skip


def bars(scales: Mapping[str, int]) -> str:
    """A histogram in one line: the least and the largest power of two, a bar for each between.

    >>> bars({"3": 7}), bars({})
    ('2^3', '-')
    """
    counts = {int(e): n for e, n in scales.items() if e != "zero"}
    zeros = f"{scales['zero']} zero " if "zero" in scales else ""
    if not counts:
        return zeros.strip() or "-"
    low, high, most = min(counts), max(counts), max(counts.values())
    if low == high:
        return f"{zeros}2^{low}"
    heights = [counts.get(e, 0) / most for e in range(low, high + 1)]
    return f"{zeros}2^{low} {''.join(BARS[round(h * (len(BARS) - 1))] for h in heights)} 2^{high}"


def _number(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)


def _few(steps: Sequence[int]) -> str:
    shown = [str(s) for s in steps]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:4], "...", *shown[-3:]])
