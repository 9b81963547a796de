"""``extensor formats``: the table of formats, computed from the objects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from extensor.cli.options import parse
from extensor.cli.text import say, say_json, table
from extensor.formats import DTYPES, Block, DType, Element

HEAD = ["format", "kind", "bits", "max", "min_normal", "min_subnormal", "binades", "block"]
HEAD += ["scale", "bytes_a_block"]
"""The columns."""


@dataclass(frozen=True)
class Formats:
    """The table of number formats: bits, range, binades, step, bytes a block."""

    json: bool = False
    """Print one JSON object."""


def facts(fmt: DType) -> dict[str, Any]:
    """A format's row: what does not apply is None.

    binades: how often the smallest positive value can double before it passes the largest.

    >>> from extensor.formats import MXFP4
    >>> row = facts(MXFP4)
    >>> row["bits"], row["max"], row["binades"], row["bytes_a_block"]
    (4.25, 6.0, 4, 17.0)
    """
    row: dict[str, Any] = dict.fromkeys(HEAD)
    row |= {"format": fmt.name, "kind": fmt.kind}
    element = fmt.element if isinstance(fmt, Block) else fmt
    if isinstance(fmt, Block):
        row |= {
            "bits": fmt.bits_per_value,
            "block": f"{fmt.shape[0]}x{fmt.shape[1]}",
            "scale": fmt.scale.short + (" x float32" if fmt.tensor_scale else ""),
            "bytes_a_block": fmt.bits_per_value * fmt.size / 8,
        }
    else:
        row["bits"] = fmt.bits  # type: ignore[attr-defined]
    if isinstance(element, Element):
        low, high = element.min_subnormal, element.max
        row |= {"max": high, "min_normal": element.min_normal, "min_subnormal": low}
        row["binades"] = math.floor(math.log2(high)) - math.floor(math.log2(low)) + 1
    elif fmt.storage.kind in "iu":
        row["max"] = int(np.iinfo(fmt.storage).max)  # type: ignore[type-var]
    return row


def run(words: Sequence[str]) -> int:
    """Print the table."""
    options = parse(Formats, words, "formats")
    rows = [facts(fmt) for fmt in DTYPES]
    if options.json:
        say_json({"formats": rows})
        return 0
    cells = [["" if row[name] is None else _cell(row[name]) for name in HEAD] for row in rows]
    say(table([name.replace("_", " ") for name in HEAD], cells, left=2), False)
    say("\nblocked formats: bits with scales; max and min of an element, before its scale", False)
    return 0


def _cell(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
