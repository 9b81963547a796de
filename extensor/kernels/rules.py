"""The names of what a `extensor.kernels.choice.Choice` may say, and the check of each.

>>> rule_of(["cap", 7]), rule_of(("four_over_six", "mse"))
(('cap', 7.0), 'four_over_six')
"""

from difflib import get_close_matches

from extensor.errors import FormatError

RULES = ("rceil", "floor", "even", "ceil")
"""The named rules for a power-of-two scale; ``("cap", c)`` is any other."""
SEARCHES = ("quest", "mse", "four_over_six", "eden")
"""Rules that look at all numbers of a block."""
ERRORS = ("mse", "mae", "absmax")
"""What ``four_over_six`` makes small: the squared, the absolute, or the largest error."""
QUEST_CLIP = 2.92247856
"""Standard deviations at which a Gaussian is clipped to E2M1 with the least squared error."""
SCALE_ROUNDINGS = ("nearest", "up", "stochastic")
"""How a scale that is not a power of two is rounded."""
ARITHMETICS = ("multiply", "divide")
"""How a scale with a mantissa and its multiplier are computed."""
NONFINITE = ("propagate", "saturate", "raise")
"""What becomes of NaN and Inf."""

ScaleRule = str | tuple[str, float | str] | None


def rule_of(rule: object) -> ScaleRule:
    """A scale rule as it is kept; FormatError where there is none."""
    if rule is None or isinstance(rule, str):
        if rule is not None:
            known("scale_rule", rule, (*RULES, *SEARCHES), ", ('cap', c), None")
        return rule
    if isinstance(rule, (tuple, list)) and len(rule) == 2:
        name, how = rule
        number = isinstance(how, (int, float)) and 0.0 < how < float("inf")
        if name == "cap" and number:
            return "cap", float(how)
        if name == "quest" and number and 1.0 <= how <= 2.0:
            return name if how == 2.0 else (name, float(how))
        if name == "four_over_six" and how in ERRORS:
            return name if how == "mse" else (name, how)
    raise FormatError(
        f"quantize: scale_rule={rule!r}; allowed: ('cap', c) with a finite c > 0, ('quest', c) "
        f"with 1 <= c <= 2, ('four_over_six', error) with error in {', '.join(ERRORS)}"
    )


def known(what: str, value: object, names: tuple[str, ...], more: str = "") -> None:
    """FormatError, with the nearest name, where ``value`` is none of ``names``."""
    if value in names:
        return
    near = get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; allowed: {', '.join(names)}{more}"
    raise FormatError(f"quantize: {what}={value!r}{hint}")
