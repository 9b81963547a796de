"""How Sphinx builds the pages; the tables are written from the package's own objects."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import extensor as ex
from extensor.formats import RULES, rule_of
from extensor.lab.page import write as write_lab

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
    (r"py:.*", r"(numpy|collections\.abc|contextlib|os|pathlib|typing)\..*"),
    (r"py:.*", r"extensor\.(storage|ops\.registry|autograd|optim\.parameter)\..*"),
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
    """Every row of the op table, and an example of each that a person can read."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from ci.examples import example

    rows = [
        (f"`{op.name}`", op.doc.replace("|", "\\|"), "yes" if op.grad is not None else "no")
        for op in ex.OPS.values()
    ]
    page = "# Ops\n\n" + table("op | what it computes | gradient", rows)
    page += "\n## Examples\n\nEach answer was computed as this page was made, to four digits.\n"
    for op in ex.OPS.values():
        text = example(op) if getattr(ex, op.name, None) is op else None
        if text:
            text = text.replace(f"rounded(OPS['{op.name}'](", f"ex.{op.name}(").replace(
                "))\n", ")\n", 1
            )
            page += f"\n### {op.name}\n\n{op.doc}\n\n```python\n{text}\n```\n"
    return page


def _short(dtype: ex.DType) -> str:
    """A name that fits above a narrow column."""
    name = dtype.name
    for long, little in (("complex", "c"), ("bfloat", "bf"), ("float", "f"), ("uint", "u")):
        name = name.replace(long, little)
    return name if name.startswith("mx") else name.replace("int", "i")


def promotion_page() -> str:
    """The rules of promotion, and the table of every pair."""
    rules = [(f"**{name}**", text) for name, text in RULES.items()]
    rows = [
        [f"`{a.name}`"]
        + [_short(ex.promote(a, b)) if rule_of(a, b) != "none" else "–" for b in ex.DTYPES]
        for a in ex.DTYPES
    ]
    users = "A format of your own promotes as the named ones of its kind."
    return (
        "# Promotion\n\nThe format in which an op of two formats answers, whatever their order: "
        f"one rule for every pair. {users}\n\n"
        + table("rule | what it says", rules)
        + "\nSeveral operands: complex formats and floats of 16 bits or more are taken together "
        "first, then what is narrower, then integers, so that their order does not matter. Python "
        "numbers are weak: their kind counts, their width does not (`bf16 * 2.5` is bfloat16).\n\n"
        "A dash is a pair without a meaning, which raises `DTypeError`.\n\n"
        + table(" | ".join(["", *map(_short, ex.DTYPES)]), rows)
    )


def matrix_page() -> str:
    """Every op on every format on every device, each cell tried as the page is made."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from ci.matrix import MARKS, everything, refused, totals

    matrix = everything()
    words = {cell: cell.word for cells in matrix.values() for cell in cells}
    assert set(words.values()) <= set(MARKS)
    parts = ["# Ops by formats and devices\n"]
    parts += [f"- {line}" for line in totals(matrix)]
    parts += ["", ", ".join(f"`{mark}` {word}" for word, mark in MARKS.items()) + ".", ""]
    for device, cells in matrix.items():
        by_op: dict[str, str] = {}
        for cell in cells:
            by_op[cell.op] = by_op.get(cell.op, "") + MARKS[cell.word]
        kinds = [(d.name, i) for i, d in enumerate(ex.DTYPES)]
        parts += [f"## {device}", "", _columns(kinds), "```text"]
        width = max(map(len, by_op))
        parts += [f"{op:{width}} {' '.join(_grouped(marks))}" for op, marks in by_op.items()]
        parts += ["```", ""]
    reasons = [(f"`{op}`", names, f"`{why}`") for op, names, why in refused(matrix["cpu"])]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in reasons]
    return "\n".join(parts) + "\n## What raises\n\n" + table("op | on | its error", escaped)


def _grouped(marks: str) -> list[str]:
    """Five columns at a time, so that the eye can count them."""
    return [marks[i : i + 5] for i in range(0, len(marks), 5)]


def _columns(kinds: list[tuple[str, int]]) -> str:
    """What the columns are, five at a time."""
    names = [name for name, _ in kinds]
    groups = [" ".join(names[i : i + 5]) for i in range(0, len(names), 5)]
    return "Columns, in groups of five: " + "; ".join(groups) + ".\n"


def write_tables(app: Any) -> None:
    """Write the generated pages; one that did not change keeps its time, so builds stay short."""
    GENERATED.mkdir(exist_ok=True)
    pages = {"formats": formats_page(), "recipes": recipes_page(), "ops": ops_page()}
    pages |= {"promotion": promotion_page(), "matrix": matrix_page()}
    for name, text in pages.items():
        path = GENERATED / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    write_lab(GENERATED / "lab")


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
