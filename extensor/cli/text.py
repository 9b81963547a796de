"""What commands print: tables, numbers, the last line in JSON."""

import json
import sys
from collections.abc import Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Aligned columns: the first ``left`` of them to the left, the others to the right.

    >>> print(table(["name", "bits"], [["mxfp4", "4.25"], ["float32", "32"]]))
    name     bits
    mxfp4    4.25
    float32    32
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def nbytes(count: float) -> str:
    """A number of bytes in decimal units.

    >>> nbytes(68), nbytes(246824)
    ('68 B', '246.8 kB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"


def say(text: str, as_json: bool) -> None:
    """Text for people: to stdout, or to stderr where stdout is for JSON alone."""
    print(text, file=sys.stderr if as_json else sys.stdout, flush=True)


def say_json(value: Any) -> None:
    """One JSON object on one line of stdout: the last one."""
    print(json.dumps(value), flush=True)
