"""``Table``: what an experiment found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""A row: a value for each column, None where there is none."""


@dataclass(frozen=True)
class Table:
    """What an experiment found: rows for people, for JSON and for its picture.

    name, title
        Of the experiment, and what it shows in one line.
    columns
        Column by column its name in ``rows`` and how its numbers are printed (``".3f"``).
    rows
        One dictionary a row. ``within`` says whether a figure meets the published one (None: there
        is none to meet).
    notes
        Sentences below the table.
    missing
        Rows that this version cannot compute, by name.
    more
        Further findings: for JSON, and for the picture.

    >>> print(Table("t", "a title", {"name": "", "x": ".1f"}, [{"name": "a", "x": 2}]).cells())
    [['a', '2.0']]
    """

    name: str
    title: str
    columns: Mapping[str, str]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    missing: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def head(self) -> list[str]:
        """The names of the columns as they are shown."""
        return [name.replace("_", " ") for name in self.columns]

    def cells(self) -> list[list[str]]:
        """The rows as they are shown."""
        return [[_cell(row.get(c), form) for c, form in self.columns.items()] for row in self.rows]

    @property
    def outside(self) -> list[str]:
        """The rows whose figures do not meet the published ones: by their first column."""
        first = next(iter(self.columns))
        return [str(row[first]) for row in self.rows if row.get("within") is False]

    def facts(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "experiment": self.name,
            "title": self.title,
            "rows": [dict(row) for row in self.rows],
            "outside": self.outside,
            "missing": list(self.missing),
            "notes": list(self.notes),
            "more": dict(self.more),
        }


def _cell(value: Any, form: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, form) if isinstance(value, (int, float)) else str(value)
