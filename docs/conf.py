"""How Sphinx builds the pages; the tables are written from the package's own objects."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import extensor as ex

project = "extensor"
copyright = "the extensor authors"
version = release = ex.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"extensor {release}"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
default_role = "code"
# Only what has no page of ours: other libraries, and the parts below the public names.
nitpick_ignore_regex = [
    (r"py:.*", r"(numpy|collections\.abc|contextlib|os|typing)\..*"),
    (r"py:.*", r"extensor\.(storage|ops\.registry|autograd)\..*"),
]

GENERATED = Path(__file__).parent / "_generated"


def table(head: str, rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; `head` names the columns, divided by bars."""
    columns = [name.strip() for name in head.split("|")]
    lines = [columns, ["---"] * len(columns), *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def formats_page() -> str:
    """Every named format with the numbers that follow from its facts."""
    elements = [d for d in ex.DTYPES if isinstance(d, ex.Float)]
    blocks = [d for d in ex.DTYPES if isinstance(d, ex.Block)]
    others = [d.name for d in ex.DTYPES if d not in elements and d not in blocks]
    element_rows = [
        (
            f"`{d.name}`",
            f"{int(d.signed)}.{d.exponent}.{d.mantissa}",
            d.bias,
            f"{d.max:.6g}",
            f"{d.min_normal:.6g}",
            f"{d.min_subnormal:.6g}",
            " and ".join(["NaN"] * d.has_nan + ["Inf"] * d.has_inf) or "none",
            d.kind,
        )
        for d in elements
    ]
    block_rows = [
        (
            f"`{d.name}`",
            d.element.short,
            " × ".join(map(str, d.shape)),
            d.scale.short,
            "float32" if d.tensor_scale else "none",
            f"{d.bits_per_value:.4g}",
            f"{32 / d.bits_per_value:.2f} ×",
        )
        for d in blocks
    ]
    return (
        "# Formats\n\n## Elements and scales\n\n"
        + table(
            "name | s.e.m | bias | largest | least normal | least positive | specials | stored as",
            element_rows,
        )
        + "\n## Blocks\n\n"
        + table(
            "name | element | block | scale | tensor scale | bits a value | float32 over it",
            block_rows,
        )
        + f"\nThe others are integers, truth values and fixed point: {', '.join(others)}.\n"
    )


def recipes_page() -> str:
    """Every named recipe as it prints itself."""
    blocks = "".join(f"\n```text\n{recipe}\n```\n" for recipe in ex.recipes.NAMED.values())
    return "# Recipes\n\nA dash is an operand that stays as it is.\n" + blocks


def ops_page() -> str:
    """Every row of the op table."""
    rows = [
        (f"`{op.name}`", op.doc.replace("|", "\\|"), "yes" if op.grad is not None else "no")
        for op in ex.OPS.values()
    ]
    return "# Ops\n\n" + table("op | what it computes | gradient", rows)


def write_tables(app: Any) -> None:
    """Write the generated pages; one that did not change keeps its time, so builds stay short."""
    GENERATED.mkdir(exist_ok=True)
    pages = {"formats": formats_page(), "recipes": recipes_page(), "ops": ops_page()}
    for name, text in pages.items():
        path = GENERATED / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def house_style(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings of the house as reStructuredText: blank lines around `name` + indented text."""
    spaced: list[str] = []
    doctest = False
    for here, after in zip(lines, [*lines[1:], ""], strict=True):
        doctest = bool(here.strip()) and (doctest or here.startswith(">>>"))
        before = spaced[-1] if spaced else ""
        starts = bool(re.match(r"\S", here) and re.match(r"\s+\S", after))
        ends = bool(re.match(r"\S", here) and re.match(r"\s+\S", before))
        if not doctest and before and (starts or ends) and not here.startswith(("-", "*")):
            spaced.append("")
        spaced.append(here)
    lines[:] = spaced


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    app.connect("autodoc-process-docstring", house_style)
