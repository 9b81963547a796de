"""Pictures of the lab: one style, colours that differ in lightness, so that grey prints read."""

import io
from pathlib import Path
from typing import Any

from extensor.errors import FormatError
from extensor.io.atomic import write_atomic

COLOURS = ("#12355b", "#d1495b", "#e9a23b", "#3a7d44", "#8ab6d6", "#6d597a", "#9c9c9c", "#111111",
           "#b5651d", "#4fb3a5")  # fmt: skip
"""Dark to light and back; the marker and the dashes say the same in grey."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", "p")
DASHES: tuple[Any, ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1)),
    (0, (3, 1, 1, 1)),
    (0, (1, 1)),
    "-",
    "--",
    "-.",
)
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "---", "+++", "ooo", "**", "||")
"""For bars."""


def line(number: int, **more: Any) -> dict[str, Any]:
    """How the curve of this number is drawn: arguments of ``plot``.

    >>> line(1, lw=2)["marker"]
    's'
    """
    n = number % len(COLOURS)
    style = {"color": COLOURS[n], "marker": MARKERS[n], "linestyle": DASHES[n]}
    return style | {"ms": 5, "lw": 1.4} | more


def bar(number: int) -> dict[str, Any]:
    """How the bars of this number are drawn: arguments of ``bar``.

    >>> bar(1)["hatch"]
    '///'
    """
    n = number % len(COLOURS)
    return {"color": COLOURS[n], "hatch": HATCHES[n], "edgecolor": "white", "linewidth": 0.5}


def canvas(width: float = 10.0, height: float = 4.6) -> Any:
    """An empty figure of this many inches; `FormatError` where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise FormatError(
            "lab: matplotlib is not installed; run: pip install 'extensor[plot]'"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def tidy(axes: Any, **settings: Any) -> Any:
    """The house style on a pair of axes, and settings such as labels."""
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(**settings)
    return axes


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    picture = io.BytesIO()
    figure.savefig(picture, dpi=120, format="png")
    write_atomic(path, [picture.getvalue()])
