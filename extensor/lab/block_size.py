"""How long should a block be, and what should its scale be? Error against bits a value.

>>> cell(16, "FP32", octave(0, 64))["bits"]
6.0
"""

from typing import Any

from extensor.formats import E2M1, E4M3, E8M0, FP32, Block, Float
from extensor.lab.options import Options
from extensor.lab.picture import canvas, line, tidy
from extensor.lab.samples import Floats, error, octave, stored
from extensor.lab.table import Table
from extensor.quantizer import Quantizer

LENGTHS = (8, 16, 32, 64, 128)
SCALES: dict[str, tuple[Float, str | None, tuple[float | None, ...]]] = {
    "FP32": (FP32, None, (7.011, 8.864, 10.220, 11.171, 11.857)),
    "E4M3": (E4M3, None, (None, 9.052, 10.333, None, None)),
    "E8M0 rceil": (E8M0, "rceil", (12.136, 12.850, 13.667, 14.576, 15.566)),
    "E8M0 even": (E8M0, "even", (None, None, 12.613, None, None)),
    "E8M0 floor": (E8M0, "floor", (14.337, 13.703, 13.357, 13.267, 13.384)),
}
"""Format of the scale, its rule, and the published squared errors in thousandths."""
COLUMNS = {"scale": "", "length": "d", "bits": ".4g", "mse": ".3f", "published": ".3f",
           "snr_db": ".2f", "within": ""}  # fmt: skip
TOLERANCE = 0.015


def cell(length: int, name: str, x: Floats) -> dict[str, Any]:
    """A row of the table for these numbers, rows of 128."""
    import numpy as np

    scale, rule, known = SCALES[name]
    fmt = Block(E2M1, (1, length), scale, tensor_scale=scale == E4M3)
    mse = 1e3 * error(x, stored(x, Quantizer(fmt, scale_rule=rule)))[0]
    published = known[LENGTHS.index(length)]
    return {
        "scale": name,
        "length": length,
        "bits": fmt.bits_per_value,
        "mse": mse,
        "published": published,
        "snr_db": float(-10 * np.log10(1e-3 * mse)),
        "within": None if published is None else abs(mse / published - 1) <= TOLERANCE,
    }


def measure(options: Options) -> Table:
    """Every length with every scale, elements E2M1 rounded to nearest."""
    x = octave(options.seed, 1 << (15 if options.full else 13))
    rows = [cell(length, name, x) for name in SCALES for length in LENGTHS]
    return Table(
        "block-size",
        "E2M1 rounded to nearest in blocks: squared error on normal numbers by length and scale",
        COLUMNS,
        rows,
        notes=(
            "mse in thousandths of the power of the signal; published ones are met to 1.5 %.",
            "Shorter blocks help as long as their scale can follow: under E8M0 floor they hurt.",
        ),
    )


def draw(table: Table) -> Any:
    """Error by length, and by bits a value."""
    figure = canvas(11, 4.6)
    left, right = figure.subplots(1, 2, sharey=True)
    for number, name in enumerate(SCALES):
        rows = [row for row in table.rows if row["scale"] == name]
        errors = [row["mse"] for row in rows]
        left.plot([row["length"] for row in rows], errors, label=name, **line(number))
        right.plot([row["bits"] for row in rows], errors, label=name, **line(number))
    known = [row for row in table.rows if row["published"] is not None]
    ring = {"facecolors": "none", "edgecolors": "0.2", "s": 90, "label": "published"}
    left.scatter([row["length"] for row in known], [row["published"] for row in known], **ring)
    left.set_xscale("log", base=2)
    left.set_xticks(LENGTHS, [str(length) for length in LENGTHS])
    for row in table.rows:
        if (row["scale"], row["length"]) in (("E8M0 even", 32), ("E4M3", 16)):
            what = "MXFP4" if row["length"] == 32 else "NVFP4"
            right.annotate(what, (row["bits"], row["mse"]), xytext=(6, 5),
                           textcoords="offset points", fontsize=9, weight="bold")  # fmt: skip
    tidy(left, xlabel="values in a block", ylabel="squared error, thousandths", title="by length")
    tidy(right, xlabel="bits a value, scales included", title="by bits", xlim=(4, 6.2))
    left.legend(frameon=False)
    figure.suptitle(table.title)
    return figure
