"""``extensor lab NAME``: an experiment, its table and its picture."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import Annotated

import tyro

from extensor.cli.options import parse
from extensor.cli.text import say, say_json, table
from extensor.lab import EXPERIMENTS, experiment
from extensor.lab.options import Options
from extensor.lab.table import Table


@dataclass(frozen=True)
class Lab(Options):
    """An experiment on number formats: a table, and with --out a picture."""

    name: Annotated[str | None, tyro.conf.Positional] = None
    """The experiment; without it the list of them."""
    threads: int | None = None
    """Threads of the kernels; without it all of the machine."""
    out: Path | None = None
    """Folder for NAME.png."""
    json: bool = False
    """Print one JSON object last; the table goes to stderr."""

    @property
    def options(self) -> Options:
        """What the experiment needs to know."""
        return Options(**{f.name: getattr(self, f.name) for f in fields(Options)})


def run(words: Sequence[str]) -> int:
    """Measure, print, draw; 1 where a figure misses the published one."""
    asked = parse(Lab, words, "lab")
    if asked.name is None:
        say("\n".join(f"{name:20} {what}" for name, what in EXPERIMENTS.items()), asked.json)
        if asked.json:
            say_json({"experiments": EXPERIMENTS})
        return 0
    module = experiment(asked.name)
    start = perf_counter()
    found: Table = module.measure(asked.options)
    seconds = perf_counter() - start
    say(shown(found), asked.json)
    facts = found.facts() | {"seconds": round(seconds, 2)}
    if asked.out is not None:
        facts["picture"] = str(drawn(found, asked.out))
        say(f"saved to {facts['picture']}", asked.json)
    if asked.json:
        say_json(facts)
    return 1 if found.outside else 0


def shown(found: Table) -> str:
    """The table as text, with its title, notes and what is missing.

    >>> print(shown(Table("t", "a title", {"name": "", "x": ".1f"}, [{"name": "a", "x": 2}])))
    a title
    <BLANKLINE>
    name    x
    a     2.0
    """
    words = [form == "" and name != "within" for name, form in found.columns.items()]
    left = (*words, False).index(False)
    parts = [found.title, "", table(found.head, found.cells(), left)]
    parts += [""] * bool(found.notes)
    parts += found.notes
    if found.missing:
        parts += ["", f"not in this version: {', '.join(found.missing)}"]
    if found.outside:
        parts += ["", f"outside the published tolerance: {', '.join(found.outside)}"]
    return "\n".join(parts)


def drawn(found: Table, folder: Path) -> Path:
    """The picture of a table as ``folder/NAME.png``; its path."""
    from extensor.lab.picture import save

    figure = experiment(found.name).draw(found)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found.name}.png"
    save(figure, path)
    return path
