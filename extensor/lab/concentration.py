"""Table B: do gradients of a real linear layer average to the right ones?

The relative squared error of the mean of B gradients, of one layer on one batch with B keys. It
falls as 1/B where rounding is unbiased. Where it is not, a plateau remains, about the square of the
bias; where all draws are alike, it does not fall at all. The error depends on the formats alone,
not on the sizes: for independent operands of relative error m it is 2 m + m² at B = 1.

Published: normal numbers, 256 x 1024 (NVFP4 with scales x 17/16, its rows by arXiv 2601.22813,
appendix A; the rest an independent NumPy implementation of arXiv 2502.20586 and 2505.14669).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from extensor.formats import MXFP4, NVFP4
from extensor.lab.mean import GRADIENTS, alignment, averaged, gradients, slope
from extensor.lab.options import Options
from extensor.lab.picture import canvas, line, tidy
from extensor.lab.samples import made
from extensor.lab.table import Table
from extensor.quantizer import Quantizer
from extensor.recipe import Recipe

FALLS, SHRINKS, STAYS = "falls as 1/B", "falls to its bias", "never falls"
"""What a row must do."""
DRAWS = 64
COLUMNS = {"quantizer": "", "gradient": "", "slope": ".3f", "B_1": ".2e", "last_B": "d",
           "error": ".2e", "published": ".2e", "alignment": "+.1e", "published_alignment": "+.1e",
           "must": "", "within": ""}  # fmt: skip


class Row(NamedTuple):
    """A row of table B: how a recipe is made of it, and what is published for B = 1, 4, 16, ..."""

    name: str
    make: Callable[[], Any]
    errors: tuple[float, ...]
    alignment: float
    must: str


def _mx(rule: str = "floor", **more: Any) -> Callable[[], Recipe]:
    return lambda: recipe(Quantizer(MXFP4, scale_rule=rule, **more))


def _nv(**more: Any) -> Callable[[], Recipe]:
    return lambda: recipe(Quantizer(NVFP4, **more))


def recipe(quantizer: Quantizer) -> Recipe:
    """The recipe with this quantizer on the four operands of the backward GEMMs.

    >>> recipe(Quantizer(MXFP4)).quantizes
    ('dgrad', 'wgrad')
    """
    return Recipe("concentration", dgrad=(quantizer, quantizer), wgrad=(quantizer, quantizer))


def wrong_side() -> Recipe:
    """x H diag(s) where x diag(s) H is meant: the signs cancel in the product, nothing varies."""
    quantizer = Quantizer(MXFP4, scale_rule="floor", prescale=0.75, hadamard=32)
    return replace(recipe(quantizer), sign_side="after")


_SR = "stochastic"
ROWS = (
    Row("NVFP4 stochastic, scales x 17/16", _nv(rounding=_SR, headroom=16 / 17),
        (4.81e-2, 1.19e-2, 3.0e-3, 7.4e-4, 1.85e-4), 0.0, FALLS),
    Row("NVFP4 stochastic, scales up", _nv(rounding=_SR, scale_rounding="up"),
        (4.4e-2, 1.1e-2, 2.8e-3, 6.9e-4, 1.7e-4), 0.0, FALLS),
    Row("MS-EDEN", _nv(scale_rule="eden", hadamard=128),
        (1.97e-2, 4.95e-3, 1.23e-3, 3.1e-4, 7.7e-5), -1.2e-3, FALLS),
    Row("MXFP4 3/4 stochastic", _mx(prescale=0.75, rounding=_SR),
        (5.7e-2, 1.42e-2, 3.6e-3, 8.9e-4, 2.2e-4), 0.0, FALLS),
    Row("MXFP4 3/4 stochastic, rotated", _mx(prescale=0.75, rounding=_SR, hadamard=64),
        (5.7e-2, 1.42e-2, 3.6e-3, 8.9e-4, 2.2e-4), 0.0, FALLS),
    Row("MXFP4 rceil stochastic", _mx("rceil", rounding=_SR),
        (5.7e-2, 1.42e-2, 3.6e-3, 8.9e-4, 2.2e-4), 0.0, FALLS),
    Row("NVFP4 nearest, rotated", _nv(hadamard=32),
        (1.80e-2, 4.6e-3, 1.2e-3, 3.7e-4, 1.5e-4), -9.0e-3, SHRINKS),
    Row("MXFP4 3/4 nearest, rotated", _mx(prescale=0.75, hadamard=32),
        (2.73e-2, 7.2e-3, 2.0e-3, 7.4e-4, 4.2e-4), -1.8e-2, SHRINKS),
    Row("MXFP4 floor nearest, rotated", _mx(hadamard=32),
        (2.62e-2, 7.7e-3, 3.1e-3, 1.9e-3, 1.6e-3), -3.9e-2, SHRINKS),
    Row("NVFP4 four over six stochastic",
        _nv(scale_rule="four_over_six", rounding=_SR, headroom=16 / 17),
        (3.61e-2, 1.01e-2, 3.7e-3, 2.07e-3, 1.67e-3), 1.5e-2, SHRINKS),
    Row("MXFP4 3/4 nearest, signs on the wrong side", wrong_side, (2.73e-2,) * 5, -1.8e-2, STAYS),
    Row("MXFP4 floor nearest", _mx(), (2.62e-2,) * 5, -3.7e-2, STAYS),
)  # fmt: skip
"""All rows."""


def one(row: Row, which: str, draws: int, seed: int) -> dict[str, Any] | None:
    """A row for the gradient of x or w; None where this version has no such quantizer.

    within
        ``falls``: the slope is -1 ± 0.05 and the mean is aligned to 0.008. ``falls to its bias``:
        the last error is at most twice the published plateau and at least half of it. ``never
        falls``: all errors are equal. In all cases the error at B = 1 is to 15 % the published one.
    """
    tried = made(row.make)
    if tried is None:
        return None
    found, wanted = gradients(tried, which, draws, seed)
    sizes, errors = averaged(found, wanted)
    steep, off = slope(sizes, errors), alignment(found, wanted)
    last = row.errors[len(errors) - 1]
    met = abs(errors[0] / row.errors[0] - 1) <= 0.15 and abs(off - row.alignment) <= 0.008
    if row.must == FALLS:
        met = met and abs(steep + 1) <= 0.05
    elif row.must == SHRINKS:
        met = met and 0.5 <= errors[-1] / last <= 2
    else:
        met = met and max(errors) <= min(errors) * (1 + 1e-6)
    return {
        "quantizer": row.name,
        "gradient": which,
        "slope": steep,
        "B_1": errors[0],
        "last_B": sizes[-1],
        "error": errors[-1],
        "published": last,
        "alignment": off,
        "published_alignment": row.alignment,
        "must": row.must,
        "within": bool(met),
        "errors": errors,
        "sizes": sizes,
        "all_published": list(row.errors),
    }


def measure(options: Options) -> Table:
    """Every row, for both gradients; ``full`` averages up to 256 draws instead of 64."""
    draws = 256 if options.full else DRAWS
    rows, missing = [], []
    for row in ROWS:
        answers = [one(row, which, draws, options.seed) for which in GRADIENTS]
        rows += [answer for answer in answers if answer is not None]
        missing += [row.name] * (answers[0] is None)
    return Table(
        "concentration",
        "relative squared error of the mean of B gradients of a linear layer",
        COLUMNS,
        rows,
        notes=(
            "Both operands of both backward GEMMs are quantized alike; each draw has its own key.",
            "alignment: <mean, exact> / <exact, exact> - 1, the bias along the gradient.",
        ),
        missing=missing,
    )


def draw(table: Table) -> Any:
    """Error by B of the gradient of w: on the left what falls for ever, on the right what stops."""
    figure = canvas(12, 5)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, kinds in ((left, (FALLS,)), (right, (SHRINKS, STAYS))):
        rows = [r for r in table.rows if r["gradient"] == "w" and r["must"] in kinds]
        for number, row in enumerate(rows):
            axes.plot(row["sizes"], row["errors"], label=row["quantizer"], **line(number, ms=6))
            known = row["all_published"][: len(row["sizes"])]
            axes.plot(row["sizes"], known, "o", mfc="none", mec="0.3", ms=10, mew=0.7)
        sizes = np.array(rows[0]["sizes"]) if rows else np.array([1.0, 64.0])
        axes.plot(sizes, 0.012 / sizes, ":", color="0.5", lw=1)
        axes.text(sizes[-1], 0.0125 / sizes[-1], "1/B", color="0.4", ha="right", va="top")
        axes.plot([], [], "o", mfc="none", mec="0.3", ms=10, label="published")
        axes.set_xscale("log", base=4)
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes], minor=False)
        axes.set_yscale("log")
        tidy(axes, xlabel="gradients averaged, B")
        axes.legend(frameon=False, fontsize=8, loc="lower left")
    left.set(ylabel="relative squared error of the mean", title="unbiased: 1/B, for ever")
    right.set(title="biased: down to a plateau, or not at all")
    figure.suptitle(table.title)
    return figure
