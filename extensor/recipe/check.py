"""Checks of the facts of a recipe that are no operands: signs, ends, phases."""

from typing import Any

from extensor.errors import FormatError

GEMMS = {"fprop": "xw", "dgrad": "gw", "wgrad": "gx"}
"""The GEMMs and their operands, in order."""
SIDES = ("before", "after")
"""Where the signs of a rotation may stand: before H, or (a published slip) after it."""


def check_facts(recipe: Any) -> None:
    """Raise FormatError for a fact that is none."""
    fresh = recipe.fresh_signs
    wrong = [] if isinstance(fresh, bool) else sorted(set(fresh) - set(GEMMS))
    if wrong:
        raise FormatError(
            f"recipe {recipe.name}: fresh_signs={fresh!r}; allowed: True, False, or some of "
            f"{', '.join(GEMMS)}"
        )
    if recipe.sign_side not in SIDES:
        raise FormatError(
            f"recipe {recipe.name}: sign_side={recipe.sign_side!r}; allowed: {', '.join(SIDES)}"
        )
    for name in ("keep_first", "keep_last"):
        count = getattr(recipe, name)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise FormatError(f"recipe {recipe.name}: {name}={count!r}; allowed: 0, 1, 2, ...")
    for at, phase in recipe.phases:
        share = isinstance(at, float) and 0 < at < 1
        step = isinstance(at, int) and not isinstance(at, bool) and at > 0
        if not (share or step) or not isinstance(phase, type(recipe)) or phase.phases:
            raise FormatError(
                f"recipe {recipe.name}: phase ({at!r}, {phase!s:.40}); allowed: (share of the "
                "steps, a float between 0 and 1, or a step, 1 or more; a Recipe without phases)"
            )
