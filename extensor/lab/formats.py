"""What the bits of each format can say: how far it reaches, and how finely.

>>> facts(E2M1)["binades"], facts(E2M1)["worst_step"]
(3.584962500721156, 0.2)
"""

from typing import Any

import numpy as np

from extensor.formats import (
    BF16,
    DTYPES,
    E2M1,
    E2M3,
    E3M2,
    E4M3,
    E5M2,
    E8M0,
    FP16,
    INT8,
    Block,
    Fixed,
    Float,
)
from extensor.lab.options import Options
from extensor.lab.picture import COLOURS, MARKERS, canvas, tidy
from extensor.lab.table import Table

ELEMENTS: tuple[Float | Fixed, ...] = (E2M1, E2M3, E3M2, INT8, E4M3, E5M2, E8M0, BF16, FP16)
"""The formats of the table, by bits."""
COLUMNS = {"format": "", "letters": "", "bits": "d", "codes": "d", "least": ".4g", "max": ".6g",
           "binades": ".1f", "worst_step": ".2%", "with_scales": ""}  # fmt: skip


def positive(fmt: Float | Fixed) -> Any:
    """The finite values above zero, ascending, float64.

    >>> positive(E2M1).tolist()
    [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    """
    values = np.unique(fmt.values)
    return values[(values > 0) & np.isfinite(values)]


def facts(fmt: Float | Fixed) -> dict[str, Any]:
    """A row: binades are log2(max / least); the worst step is the largest relative error that
    rounding to nearest makes between the least normal and the largest value."""
    values = positive(fmt)
    normal = values[values >= fmt.min_normal] if fmt != INT8 else values[values >= 1.0]
    steps = np.diff(normal) / (normal[1:] + normal[:-1])
    blocks = [b for b in DTYPES if isinstance(b, Block) and b.element == fmt]
    return {
        "format": fmt.name,
        "letters": fmt.short,
        "bits": fmt.bits,
        "codes": len(np.unique(fmt.values[np.isfinite(fmt.values)])),
        "least": float(values[0]),
        "max": float(values[-1]),
        "binades": float(np.log2(values[-1] / values[0])),
        "worst_step": float(steps.max()),
        "with_scales": ", ".join(f"{b.name} {b.bits_per_value:.4g}" for b in blocks),
    }


def measure(options: Options) -> Table:
    """The elements that blocks are made of, and the 16-bit floats beside them."""
    return Table(
        "formats",
        "how far each format reaches, and how finely",
        COLUMNS,
        [facts(fmt) for fmt in ELEMENTS],
        notes=(
            "binades: log2(max / least). worst step: the largest relative error of a value between",
            "the least normal and the largest one (for INT8: above 1). with scales: block formats",
            "of this element and their bits a value.",
        ),
        more={"grids": {f.short: positive(f).tolist() for f in ELEMENTS if f.bits <= 8}},
    )


def draw(table: Table) -> Any:
    """Left the grid of each format on one axis, right its range against its precision."""
    figure = canvas(12, 5)
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
    grids = table.more["grids"]
    for at, (name, values) in enumerate(reversed(grids.items())):
        shown = [v for v in values if 2.0**-18 <= v <= 2.0**17]
        left.vlines(shown, at - 0.33, at + 0.33, color=COLOURS[0], lw=0.9)
        count = f"{len(values)} values" + (
            "" if len(shown) == len(values) else ", beyond both ends"
        )
        left.text(2.0**17.3, at, count, va="center", fontsize=8)
    left.set_yticks(range(len(grids)), list(reversed(grids)))
    left.set_xscale("log", base=2)
    tidy(
        left, xlabel="value (positive half)", title="every value of a format", xlim=(2**-18, 2**23)
    )
    left.grid(axis="y", visible=False)
    for number, row in enumerate(table.rows):
        marker = MARKERS[number % len(MARKERS)]
        colour = COLOURS[number % len(COLOURS)]
        right.scatter(
            row["binades"], row["worst_step"], marker=marker, s=60, color=colour, zorder=3
        )
        label = f"{row['letters']}, {row['bits']} bits"
        right.annotate(label, (row["binades"], row["worst_step"]), xytext=(-8, 9),
                       textcoords="offset points", fontsize=8)  # fmt: skip
    right.set_yscale("log")
    right.set_xscale("log", base=2)
    right.xaxis.set_major_formatter("{x:g}")
    tidy(right, xlabel="binades: log2(max / least)", ylabel="largest relative rounding error",
         title="range against precision", xlim=(2.6, 700))  # fmt: skip
    figure.suptitle(table.title)
    return figure
