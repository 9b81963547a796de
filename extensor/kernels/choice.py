"""``Choice``: how the bits of a blocked tensor are chosen. A value; the format does not know it.

Every power-of-two scale rule is one rule with another cap C: the scale is the smallest power of
two with ``amax <= C * scale`` (``<`` where strict); numerics.md section 3.

>>> from extensor.formats import E2M1, E4M3
>>> [Choice(scale_rule=rule).cap(E2M1) for rule in ("rceil", "floor", "even", "ceil")]
[(6.0, False), (8.0, True), (7.0, True), (4.0, False)]
>>> Choice(scale_rule="even").cap(E4M3), Choice(scale_rule=("cap", 7.25)).cap(E2M1)
((496.0, True), (7.25, False))
"""

from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite

from extensor.errors import FormatError
from extensor.formats import E2M1, Block, Element
from extensor.formats.rounding import DRAWING, HARDWARE_ROUNDINGS, ROUNDINGS

RULES = ("rceil", "floor", "even", "ceil")
"""The named rules for a power-of-two scale; ``("cap", c)`` is any other."""
SCALE_ROUNDINGS = ("nearest", "up", "stochastic")
"""How a scale that is not a power of two is rounded."""
NONFINITE = ("propagate", "saturate", "raise")
"""What becomes of NaN and Inf."""

ScaleRule = str | tuple[str, float] | None


def _known(what: str, value: object, names: tuple[str, ...], more: str = "") -> None:
    if value in names:
        return
    near = get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; allowed: {', '.join(names)}{more}"
    raise FormatError(f"quantize: {what}={value!r}{hint}")


@dataclass(frozen=True)
class Choice:
    """How a quantizer decides.

    scale_rule
        ``"rceil"``, ``"floor"``, ``"even"``, ``"ceil"`` or ``("cap", c)`` for power-of-two scales.
        None is the format's own: ``rceil`` for those, amax / max(element) for all others.
    rounding
        A name of `extensor.formats.rounding.ROUNDINGS`, or ``"stochastic_hardware"``: an
        instruction of NVIDIA GPUs of compute capability 10.0 and 10.3, for E2M1, refused elsewhere.
        It repeats by key on one kind of GPU and never has the bits of ``"stochastic"``.
    sr_bits
        Random bits of stochastic rounding, 1 to 32; the instruction has its own number.
    prescale
        The elements are multiplied by it, in the input's own precision, after the scales were
        chosen.
    saturate
        Whether an element above the largest finite one becomes it, else the format's own overflow.
    scale_rounding
        ``"nearest"``, ``"up"`` (never clips) or ``"stochastic"``, for scales with a mantissa.
    nonfinite
        ``"propagate"``: a block with NaN or Inf gets the scale NaN. ``"saturate"``: Inf becomes the
        largest value, NaN the positive one. ``"raise"``: FormatError.
    tensor_scale
        ``"auto"``, None (off), or the decode scale itself, a positive float.

    >>> Choice(rounding="nearest_evn")
    Traceback (most recent call last):
        ...
    extensor.errors.FormatError: quantize: rounding='nearest_evn'; did you mean 'nearest_even'?
    """

    scale_rule: ScaleRule = None
    rounding: str = "nearest_even"
    sr_bits: int = 32
    prescale: float = 1.0
    saturate: bool = True
    scale_rounding: str = "nearest"
    nonfinite: str = "propagate"
    tensor_scale: str | float | None = "auto"

    def __post_init__(self) -> None:
        rule = self.scale_rule
        if isinstance(rule, (tuple, list)):
            if len(rule) != 2 or rule[0] != "cap" or not 0.0 < rule[1] < float("inf"):
                raise FormatError(
                    f"quantize: scale_rule={rule!r}; allowed: ('cap', c) with a finite c > 0"
                )
            object.__setattr__(self, "scale_rule", ("cap", float(rule[1])))
        elif rule is not None:
            _known("scale_rule", rule, RULES, ", ('cap', c), None")
        _known("rounding", self.rounding, ROUNDINGS + HARDWARE_ROUNDINGS)
        _known("scale_rounding", self.scale_rounding, SCALE_ROUNDINGS)
        _known("nonfinite", self.nonfinite, NONFINITE)
        if not 1 <= self.sr_bits <= 32:
            raise FormatError(f"quantize: sr_bits={self.sr_bits}; allowed: 1 to 32")
        if self.rounding in HARDWARE_ROUNDINGS and self.sr_bits != 32:
            raise FormatError(
                f"quantize: sr_bits={self.sr_bits} with rounding={self.rounding!r}, an instruction "
                "that has its own number of random bits; leave sr_bits out"
            )
        if not (self.prescale > 0 and isfinite(self.prescale)):
            raise FormatError(f"quantize: prescale={self.prescale}; allowed: a finite number > 0")
        scale = self.tensor_scale
        if isinstance(scale, str):
            _known("tensor_scale", scale, ("auto",), ", None, a float > 0")
        elif scale is not None and not (scale > 0 and isfinite(scale)):
            raise FormatError(
                f"quantize: tensor_scale={scale}; allowed: 'auto', None, or a finite float > 0"
            )

    @property
    def draws(self) -> bool:
        """Whether random words are needed, and so a key."""
        return self.rounding in DRAWING or self.scale_rounding == "stochastic"

    def cap(self, element: Element) -> tuple[float, bool]:
        """The largest ``amax / scale``, and whether it must stay below that (strict).

        ``even`` is the point from which amax, rounded to the element's own mantissa, would carry
        into the next power of two.
        """
        top = 2.0 ** (element.emax + 1)
        if self.scale_rule == "floor":
            return top, True
        if self.scale_rule == "even":
            return top - 2.0 ** (element.emax - element.facts.mantissa - 1), True
        if self.scale_rule == "ceil":
            return 2.0**element.emax, False
        if isinstance(self.scale_rule, tuple):
            return self.scale_rule[1], False
        return element.max, False

    def check(self, fmt: Block) -> None:
        """Raise FormatError where the choice has no meaning for this format.

        >>> from extensor.formats import NVFP4
        >>> Choice(scale_rule="floor").check(NVFP4)
        Traceback (most recent call last):
            ...
        extensor.errors.FormatError: quantize: scale_rule='floor' needs a power-of-two scale, nvfp4 has float8_e4m3fn; use scale_rule=None
        """  # noqa: E501
        if self.scale_rule is not None and not fmt.scale.is_power_of_two:
            raise FormatError(
                f"quantize: scale_rule={self.scale_rule!r} needs a power-of-two scale, {fmt} has "
                f"{fmt.scale}; use scale_rule=None"
            )
        if self.scale_rounding != "nearest" and fmt.scale.is_power_of_two:
            raise FormatError(
                f"quantize: scale_rounding={self.scale_rounding!r} needs a scale with a mantissa, "
                f"{fmt} has {fmt.scale}; use a scale_rule ('rceil' never clips)"
            )
        if self.rounding in HARDWARE_ROUNDINGS and fmt.element != E2M1:
            raise FormatError(
                f"quantize: rounding={self.rounding!r} is an instruction for {E2M1}, {fmt} has "
                f"{fmt.element}; use rounding='stochastic'"
            )
        if isinstance(self.tensor_scale, (int, float)) and not fmt.tensor_scale:
            raise FormatError(
                f"quantize: tensor_scale={self.tensor_scale}, but {fmt} has none; use "
                "Block(..., tensor_scale=True)"
            )
