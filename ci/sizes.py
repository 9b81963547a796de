"""``python ci/sizes.py``: are the files small enough to be read in one sitting?

The median Python file has at most 120 lines. One over 300 says why in its module docstring, in a
sentence that begins with ``Over 300 lines:``. Prints one line for each finding; exit code 1 if
there is any.
"""

import ast
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("extensor", "optim", "data", "models", "tests", "ci", "docs")
MEDIAN = 120
LONG = 300
REASON = f"Over {LONG} lines:"


def files() -> list[Path]:
    """Every Python file of the project once, by its root path (not through the links)."""
    found = {path.resolve() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    return sorted(path for path in found if path.is_relative_to(ROOT))


def findings() -> list[str]:
    """What is wrong, one line each; empty if nothing is."""
    texts = {path: path.read_text(encoding="utf-8") for path in files()}
    lines = {path: len(text.splitlines()) for path, text in texts.items()}
    wrong = []
    if (middle := median(lines.values())) > MEDIAN:
        wrong.append(f"the median file has {middle:g} lines, more than {MEDIAN}")
    for path, count in lines.items():
        if count > LONG and REASON not in (ast.get_docstring(ast.parse(texts[path])) or ""):
            name = path.relative_to(ROOT)
            wrong.append(f"{name}: {count} lines: split it, or say '{REASON} ...' in its docstring")
    return wrong


if __name__ == "__main__":
    print("\n".join(findings()) or "sizes: fine")
    sys.exit(bool(findings()))
