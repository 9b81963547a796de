"""The published comparison of FP4 recipes beside what our kernels make of each.

Published: how much more loss than bfloat16, in thousandths of a nat, a Llama-like model of 30
million parameters has after 25, 98 and 787 tokens a parameter (C4; arXiv 2601.22813, runs of the
repository IST-DASLab/Quartet-II; one run a figure). Measured here: relative squared errors of the
same recipe in one linear layer on normal numbers. Nothing was trained for this table.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from extensor.formats import MXFP4, NVFP4, NVFP4_2D
from extensor.lab.linear_layer import one as layer
from extensor.lab.options import Options
from extensor.lab.picture import COLOURS, MARKERS, canvas, tidy
from extensor.lab.samples import made
from extensor.lab.table import Table
from extensor.quantizer import Quantizer
from extensor.recipe import Recipe, get

FORWARD, BACKWARD, WHOLE = "forward", "backward", "both"
SHAPE, STEPS = (256, 256, 256), 16
COLUMNS = {"scheme": "", "passes": "", "gap_25": ".1f", "gap_98": ".1f", "gap_787": ".1f",
           "y": ".2f", "dx": ".2f", "dw": ".2f", "mean_dw": ".2f"}  # fmt: skip


class Row(NamedTuple):
    """A scheme, the recipe that is it, and its published gaps at 25, 98 and 787 tokens each."""

    name: str
    passes: str
    make: Callable[[], Recipe]
    gaps: tuple[float, float, float]


def forward(x: Quantizer, w: Quantizer) -> Recipe:
    """A recipe that quantizes the forward product alone.

    >>> forward(Quantizer(NVFP4), Quantizer(NVFP4)).quantizes
    ('fprop',)
    """
    return Recipe("forward", fprop=(x, w))


def backward(quantizer: Quantizer, **more: Any) -> Recipe:
    """A recipe that quantizes the four operands of the backward products alike.

    >>> backward(Quantizer(NVFP4)).quantizes
    ('dgrad', 'wgrad')
    """
    return Recipe("backward", dgrad=(quantizer,) * 2, wgrad=(quantizer,) * 2, **more)


_nv, _tile = Quantizer(NVFP4), Quantizer(NVFP4_2D)
_three = Quantizer(MXFP4, scale_rule="floor", prescale=0.75, hadamard=32)
_SR = "stochastic"
ROWS = (
    Row("NVFP4 1x16", FORWARD, lambda: forward(_nv, _nv), (40.6, 61.0, 82.3)),
    Row("NVFP4 1x16, four over six", FORWARD,
        lambda: forward(*(Quantizer(NVFP4, scale_rule="four_over_six"),) * 2), (38.2, 55.8, 72.1)),
    Row("NVFP4 16x16", FORWARD, lambda: forward(_tile, _tile), (49.0, 69.5, 96.2)),
    Row("NVFP4 1x16, H16", FORWARD,
        lambda: forward(*(replace(_nv, hadamard=16),) * 2), (44.1, 70.3, 92.7)),
    Row("NVFP4 stochastic", BACKWARD,
        lambda: backward(replace(_nv, rounding=_SR, headroom=16 / 17)), (14.9, 11.0, 10.6)),
    Row("MS-EDEN", BACKWARD,
        lambda: backward(Quantizer(NVFP4, scale_rule="eden", hadamard=128)), (6.5, 4.5, 5.1)),
    Row("MXFP4 3/4 stochastic, H32", BACKWARD,
        lambda: backward(replace(_three, rounding=_SR)), (14.9, 12.2, 10.0)),
    Row("MXFP4 3/4 nearest, H32", BACKWARD, lambda: backward(_three), (6.6, 6.0, 7.0)),
    Row("MXFP4 3/4 nearest, signs on the wrong side", BACKWARD,
        lambda: backward(_three, sign_side="after"), (6.8, 8.1, 13.3)),
    Row("nvfp4 (NVIDIA)", WHOLE, lambda: get("nvfp4"), (54.8, 78.7, 104.6)),
    Row("nvfp4-4over6", WHOLE, lambda: get("nvfp4-4over6"), (56.5, 74.9, 100.1)),
    Row("quartet2", WHOLE, lambda: get("quartet2"), (43.0, 59.1, 74.9)),
)  # fmt: skip
"""The schemes of the paper's comparison that the recipes here can say."""


def measure(options: Options) -> Table:
    """Every scheme: published gaps, and errors in thousandths; ``mean_dw`` of 16 gradients."""
    rows, missing = [], []
    for row in ROWS:
        recipe = made(row.make)
        if recipe is None:
            missing.append(row.name)
            continue
        found = layer(recipe, SHAPE, STEPS, options.seed)
        gaps = dict(zip(("gap_25", "gap_98", "gap_787"), row.gaps, strict=True))
        errors = {name: 1e3 * found[name] for name in ("y", "dx", "dw", "mean_dw")}
        rows.append({"scheme": row.name, "passes": row.passes, **gaps, **errors})
    return Table(
        "paper-table",
        "published loss above bfloat16 (thousandths of a nat) beside the errors of our kernels",
        COLUMNS,
        rows,
        notes=(
            "gap N: arXiv 2601.22813, 30 M parameters, N tokens a parameter. y, dx, dw: relative",
            f"squared errors in thousandths; mean dw: of the mean of {STEPS} gradients.",
        ),
        missing=missing,
    )


def draw(table: Table) -> Any:
    """Published gap by measured error: forward schemes by y, backward schemes by the mean of dW."""
    figure = canvas(12, 4.8)
    left, right = figure.subplots(1, 2)
    for axes, passes, name in ((left, FORWARD, "y"), (right, BACKWARD, "mean_dw")):
        rows = [row for row in table.rows if row["passes"] == passes]
        for number, label in enumerate(("25", "98", "787")):
            points = [(row[name], row[f"gap_{label}"]) for row in rows]
            axes.plot(*np.transpose(points), MARKERS[number], color=COLOURS[number], ms=7,
                      label=f"{label} tokens a parameter")  # fmt: skip
        middle = 1.2 * min(row[name] for row in rows) + 0.2 * max(row[name] for row in rows)
        for row in rows:
            side, away = ("left", 9) if row[name] < middle else ("right", -9)
            axes.annotate(row["scheme"], (row[name], row["gap_787"]), xytext=(away, 2),
                          textcoords="offset points", fontsize=8, ha=side)  # fmt: skip
        axes.margins(0.22, 0.15)
        axes.set_ylim(0)
        tidy(axes, ylabel="published loss above bf16, mnats")
    left.set(xlabel="measured error of y, thousandths", title="forward pass in FP4")
    right.set(xlabel="measured error of the mean of 16 dW, thousandths",
              title="backward pass in FP4")  # fmt: skip
    right.set_xscale("log")
    left.legend(frameon=False, loc="lower right")
    figure.suptitle(table.title)
    return figure
