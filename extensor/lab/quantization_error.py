"""Table A through the packed kernels: quantize, store, decode, compare.

A row is met when its squared error is within 1.5 % of the published one and its shrinkage within
0.3 thousandths (0.6 where draws are random).

>>> row = one(ROWS[1], normal(0, 64, 128), 0)
>>> row["quantizer"], 8 < row["mse"] < 20
('MXFP4 floor nearest', True)
"""

from typing import Any

import numpy as np

from extensor.formats import E2M1
from extensor.kernels.front import decode_elements, encode_elements, hadamard
from extensor.lab.options import Options
from extensor.lab.picture import COLOURS, canvas, tidy
from extensor.lab.published import ROWS, SHRINKAGE, TOLERANCE, Row
from extensor.lab.samples import Doubles, Floats, error, made, normal, octave, stored
from extensor.lab.table import Table
from extensor.noise import key

COLUMNS = {"quantizer": "", "mse": ".3f", "published": ".3f", "bits": ".3f", "shrinkage": ".2f",
           "published_shrinkage": ".2f", "paper": "", "within": ""}  # fmt: skip
ROWS_OF_128 = 1 << 14


def judged(choice: Any, x: Floats, seed: int) -> tuple[Floats, Doubles]:
    """What a quantizer is to store, and what it stores; a number is a bare scale.

    A quantizer that rotates is judged by the rotated numbers: a rotation keeps every length.
    """
    if isinstance(choice, float):
        codes = encode_elements((x / np.float32(choice)), E2M1)
        return x, np.asarray(decode_elements(codes, E2M1), np.float64) * choice
    meant = hadamard(x, choice.hadamard) if choice.hadamard else x
    return meant, stored(x, choice, key(seed).fold(1))


def one(row: Row, x: Floats, seed: int) -> dict[str, Any] | None:
    """A row of the table on these numbers; None where this version has no such quantizer."""
    choice = made(row.make)
    if choice is None:
        return None
    mse, shrinkage = (1e3 * value for value in error(*judged(choice, x, seed)))
    room = SHRINKAGE[getattr(choice, "needs_key", False)]
    met = abs(mse / row.mse - 1) <= TOLERANCE
    if row.shrinkage is not None:
        met = met and abs(shrinkage - row.shrinkage) <= room
    return {
        "quantizer": row.name,
        "mse": mse,
        "published": row.mse,
        "bits": float(-0.5 * np.log2(1e-3 * mse)),
        "shrinkage": shrinkage,
        "published_shrinkage": row.shrinkage,
        "paper": row.paper,
        "within": met,
    }


def measure(options: Options) -> Table:
    """All rows; ``full`` takes four times the numbers.

    Columns: ``mse`` and ``shrinkage`` in thousandths beside the published ones, ``bits`` is
    -½ log2 of the squared error, ``paper`` the figure as its paper prints it.
    """
    count = ROWS_OF_128 * (4 if options.full else 1)
    data = {True: octave(options.seed, count), False: normal(options.seed + 1, count, 128)}
    found = [(row, one(row, data[row.octave], options.seed)) for row in ROWS]
    return Table(
        "quantization-error",
        "errors of quantizers on normal numbers, thousandths of the power of the signal",
        COLUMNS,
        [row for _, row in found if row is not None],
        notes=(
            f"{count:,} rows of 128, deviations over an octave. Within: squared error to 1.5 %,",
            "the shrinkage to 0.3 (nearest) or 0.6 (stochastic) of what is published.",
        ),
        missing=[row.name for row, answer in found if answer is None],
    )


def draw(table: Table) -> Any:
    """Squared error of every row, its published figure as a ring; shrinkage beside it."""
    rows = sorted(table.rows, key=lambda row: float(row["mse"]))
    figure = canvas(10, 0.2 * len(rows) + 1.4)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.5, 1))
    at = np.arange(len(rows))
    ring = {"facecolors": "none", "edgecolors": "0.2", "s": 75, "label": "published"}
    dot = {"s": 22, "zorder": 3}
    drawn = [any(word in row["quantizer"] for word in ("stochastic", "EDEN")) for row in rows]
    colours = [COLOURS[int(yes)] for yes in drawn]
    left.scatter([row["published"] for row in rows], at, **ring)
    left.scatter([row["mse"] for row in rows], at, color=colours, **dot)
    shown = [(i, row) for i, row in enumerate(rows) if row["published_shrinkage"] is not None]
    right.scatter([row["published_shrinkage"] for _, row in shown], [i for i, _ in shown], **ring)
    right.scatter([row["shrinkage"] for row in rows], at, color=colours, **dot)
    right.axvline(0, color="0.4", lw=0.8)
    for colour, marker, label in ((0, "o", "nearest"), (1, "o", "with random draws")):
        left.scatter([], [], color=COLOURS[colour], marker=marker, label=label, **dot)
    left.legend(loc="lower right", frameon=False)
    left.set_yticks(at, [row["quantizer"] for row in rows], fontsize=8)
    left.set_ylim(-1, len(rows))
    tidy(left, xlabel="squared error, thousandths of the power", title="error")
    tidy(right, xlabel="shrinkage, thousandths", title="how much of x is lost along x")
    figure.suptitle(table.title)
    return figure
