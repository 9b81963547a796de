"""The tables and pictures of the documentation: every experiment, run by the build of the pages.

>>> len(stamp()) == 16
True
"""

import hashlib
from pathlib import Path

from extensor.cli.lab import drawn, shown
from extensor.lab import EXPERIMENTS, experiment
from extensor.lab.options import Options

SOURCES = ("lab", "kernels", "formats", "recipe", "quantizer.py", "noise.py", "scalar.py")
"""What a figure depends on, below the package."""


def stamp() -> str:
    """Sixteen letters that change when the sources of a figure do."""
    root = Path(__file__).parent.parent
    found = hashlib.sha256()
    for name in SOURCES:
        place = root / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def write(folder: Path) -> list[str]:
    """Write ``NAME.txt`` and ``NAME.png`` of every experiment into a folder; the names written.

    Nothing is done where the folder was written from the same sources: a first time takes a minute.
    """
    done, own = folder / "stamp", stamp()
    if done.exists() and done.read_text(encoding="utf-8") == own:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    for name in EXPERIMENTS:
        found = experiment(name).measure(Options())
        (folder / f"{name}.txt").write_text(shown(found) + "\n", encoding="utf-8")
        drawn(found, folder)
    done.write_text(own, encoding="utf-8")
    return list(EXPERIMENTS)
