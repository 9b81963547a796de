"""A recipe as plain facts (dicts, lists, strings, numbers), what JSON and TOML hold."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from extensor.errors import DTypeError, FormatError
from extensor.formats import Block, DType, Element
from extensor.formats.json import from_json as format_from_json
from extensor.formats.json import to_json as format_to_json
from extensor.noise import Key
from extensor.quantizer import Quantizer
from extensor.recipe.check import GEMMS
from extensor.recipe.operand import Operand, PerTensor
from extensor.recipe.value import Recipe

RARE = ("sign_side", "keep_first", "keep_last", "requantize")
"""Written only where they are not as usual."""
_DEFAULTS = Recipe()


def facts_of(recipe: Recipe) -> dict[str, Any]:
    """The facts of a recipe; what is as usual and rare is left out.

    >>> facts_of(Recipe("r", keep_first=2))["keep_first"]
    2
    """
    facts: dict[str, Any] = {"name": recipe.name}
    for gemm in GEMMS:
        facts[gemm] = [operand_facts(q) for q in getattr(recipe, gemm)]
    fresh = recipe.fresh_signs
    facts["keep"] = list(recipe.keep)
    facts["fresh_signs"] = fresh if isinstance(fresh, bool) else list(fresh)
    for name in RARE:
        if getattr(recipe, name) != getattr(_DEFAULTS, name):
            facts[name] = getattr(recipe, name)
    if recipe.phases:
        facts["phases"] = [{"at": at, **facts_of(phase)} for at, phase in recipe.phases]
    return facts


def operand_facts(q: Operand) -> Any:
    """The facts of what stands on an operand.

    >>> from extensor.formats import MXFP4
    >>> operand_facts(Quantizer(MXFP4, scale_rule="even"))
    {'fmt': 'mxfp4', 'scale_rule': 'even'}
    """
    if q is None or isinstance(q, Element):
        return None if q is None else format_to_json(q)
    if isinstance(q, PerTensor):
        return {"per_tensor": format_to_json(q.element)}
    facts = {
        name: getattr(q, name)
        for name, known in Quantizer.__dataclass_fields__.items()
        if name not in ("fmt", "signs") and getattr(q, name) != known.default
    }
    if q.signs is not None:
        facts["signs"] = (
            [q.signs.seed, q.signs.stream] if isinstance(q.signs, Key) else list(q.signs)
        )
    return {"fmt": format_to_json(q.fmt), **facts}


def from_facts(facts: Any, what: str) -> Recipe:
    """The recipe of facts; ``what`` (JSON, TOML) is named in errors.

    ``base`` begins with a recipe of that name; a GEMM may be a list of two operands or name them
    (then the other one stays that of the base); an operand may be the name of a format.

    >>> from_facts({"base": "nvfp4", "keep": ["fc3"], "dgrad": {"w": "bfloat16"}}, "JSON").dgrad[1]
    bfloat16
    """
    try:
        return _from_facts(dict(facts))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, (FormatError, DTypeError)):
            raise FormatError(str(error)) from None
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise FormatError(f"recipe: not the {what} of a recipe ({reason})") from None


def _from_facts(facts: dict[str, Any]) -> Recipe:
    from extensor.recipe.named import get

    base = get(facts.pop("base")) if "base" in facts else None
    made: dict[str, Any] = {"name": str(facts.pop("name", base.name if base else "custom"))}
    if base is None and not set(facts) & set(GEMMS):
        raise ValueError(f"it has none of {', '.join(GEMMS)}, and no base")
    for gemm, names in GEMMS.items():
        if gemm in facts:
            before = getattr(base, gemm) if base else (None, None)
            made[gemm] = _pair(gemm, names, facts.pop(gemm), before)
    phases = facts.pop("phases", None)
    if phases is not None:
        made["phases"] = tuple(_phase(phase) for phase in phases)
    for name in ("keep", "fresh_signs", *RARE):
        if name in facts:
            value = facts.pop(name)
            made[name] = tuple(value) if isinstance(value, list) else value
    if facts:
        raise ValueError(f"{', '.join(sorted(facts))} is unknown")
    return replace(base or Recipe(), **made)


def _phase(facts: Any) -> tuple[float, Recipe]:
    own = dict(facts)
    return own.pop("at"), _from_facts(own)


def _pair(gemm: str, names: str, facts: Any, before: Any) -> tuple[Operand, ...]:
    if not isinstance(facts, Mapping):
        if len(facts) != 2:
            raise ValueError(f"{gemm} has {len(facts)} operands, not 2")
        return tuple(operand_of(q) for q in facts)
    if wrong := sorted(set(facts) - set(names)):
        raise ValueError(f"{gemm} has no operand {wrong[0]}, it has {' and '.join(names)}")
    pairs = zip(names, before, strict=True)
    return tuple(operand_of(facts[name]) if name in facts else q for name, q in pairs)


def operand_of(facts: Any) -> Operand:
    """What stands on an operand, from its facts; None, or False in TOML, is nothing.

    >>> operand_of("mxfp4"), operand_of(False)
    (Quantizer(mxfp4), None)
    """
    if facts is None or facts is False:
        return None
    if isinstance(facts, str) or not {"fmt", "per_tensor"} & set(facts):
        fmt: DType = format_from_json(facts)
        if isinstance(fmt, Block):
            return Quantizer(fmt)
        if not isinstance(fmt, Element):
            raise FormatError(f"recipe: {facts} is not an element format or a block format")
        return fmt
    facts = dict(facts)
    if "per_tensor" in facts:
        return PerTensor(format_from_json(facts["per_tensor"]))  # type: ignore[arg-type]
    fmt = format_from_json(facts.pop("fmt"))
    if isinstance(facts.get("scale_rule"), list):
        facts["scale_rule"] = tuple(facts["scale_rule"])
    if facts.get("tensor_scale") is False:
        facts["tensor_scale"] = None
    signs = facts.get("signs")
    if signs is not None:
        facts["signs"] = Key(*signs) if len(signs) == 2 else tuple(signs)
    return Quantizer(fmt, **facts)  # type: ignore[arg-type]
