"""A recipe as TOML: written by hand (the standard library only reads it), one line an operand."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from extensor.errors import FormatError
from extensor.recipe.check import GEMMS
from extensor.recipe.text import facts_of, from_facts
from extensor.recipe.value import Recipe


def write(recipe: Recipe) -> str:
    """The TOML of a recipe; `read` gives an equal one back.

    >>> from extensor.recipe.named import get
    >>> print(write(get("bf16-grad")))
    name = "bf16-grad"
    <BLANKLINE>
    [dgrad]
    g = "bfloat16"
    w = "bfloat16"
    <BLANKLINE>
    [wgrad]
    g = "bfloat16"
    x = "bfloat16"
    <BLANKLINE>
    """
    facts = facts_of(recipe)
    parts = [_table(facts, "")]
    for phase in facts.get("phases", ()):
        parts.append("[[phases]]\n" + _table(phase, "phases."))
    return "\n".join(parts)


def read(text: str) -> Recipe:
    """The recipe of a TOML text; FormatError where it is not one.

    >>> read('base = "nvfp4"\\nkeep_first = 1').keep_first
    1
    """
    try:
        facts = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"recipe: not TOML ({error})") from None
    return from_facts(facts, "TOML")


def _table(facts: Mapping[str, Any], prefix: str) -> str:
    """The plain facts, then a table for each GEMM with an operand."""
    usual = {"keep": [], "fresh_signs": True}
    lines = [
        f"{name} = {_value(value)}\n"
        for name, value in facts.items()
        if name not in (*GEMMS, "phases") and usual.get(name) != value
    ]
    if not any(any(facts[gemm]) for gemm in GEMMS):
        lines.append("fprop = [false, false]\n")
    for gemm, names in GEMMS.items():
        pairs = zip(names, facts[gemm], strict=True)
        operands = [f"{name} = {_value(q)}\n" for name, q in pairs if q is not None]
        lines += [f"\n[{prefix}{gemm}]\n", *operands] if operands else []
    return "".join(lines)


def _value(value: Any) -> str:
    if value is None:
        return "false"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inside = ", ".join(f"{name} = {_value(v)}" for name, v in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)
