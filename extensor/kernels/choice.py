"""``Choice``: how the bits of a blocked tensor are chosen. A value; the format does not know it.

Every power-of-two scale rule is one rule with another cap C: the scale is the smallest power of
two with ``amax <= C * scale`` (``<`` where strict); numerics.md section 3.

>>> from extensor.formats import E2M1, E4M3
>>> [Choice(scale_rule=rule).cap(E2M1) for rule in ("rceil", "floor", "even", "ceil")]
[(6.0, False), (8.0, True), (7.0, True), (4.0, False)]
>>> Choice(scale_rule="even").cap(E4M3), Choice(scale_rule=("cap", 7.25)).cap(E2M1)
((496.0, True), (7.25, False))

The searching rules look at the numbers of a block, not only at its amax:
`extensor.kernels.quantize.search` has their arithmetic.
"""

from dataclasses import dataclass
from functools import cached_property
from math import floor, isfinite, log2

from extensor.errors import FormatError
from extensor.formats import E2M1, Block, Element, Float
from extensor.formats.rounding import DRAWING, HARDWARE_ROUNDINGS, ROUNDINGS
from extensor.kernels.rules import (
    ARITHMETICS,
    NONFINITE,
    SCALE_ROUNDINGS,
    SEARCHES,
    ScaleRule,
    known,
    rule_of,
)


@dataclass(frozen=True)
class Choice:
    """How a quantizer decides.

    scale_rule
        ``"rceil"``, ``"floor"``, ``"even"``, ``"ceil"`` or ``("cap", c)`` for power-of-two scales.
        None is the format's own: ``rceil`` for those, amax / max(element) for all others.
        ``"quest"``, ``"mse"``, ``"four_over_six"`` and ``"eden"`` look at all numbers of a block,
        see `extensor.kernels.quantize.search`; variants are ``("quest", c)`` and
        ``("four_over_six", "mae")`` or ``"absmax"``.
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
        ``"auto"``, ``"row"`` (each row as if it were a tensor), None (off), or the decode scale
        itself, a positive float.
    headroom
        For scales with a mantissa: amax is mapped to ``headroom * max(element)``. 16/17 is the most
        by which rounding to nearest shrinks a scale with three mantissa bits, so that nothing clips
        (arXiv 2601.22813); above 1 the largest values clip on purpose. None: 1, and for ``eden``
        what has the least error.
    scale_max
        What the amax of the tensor makes of the largest block scale: the tensor scale is
        ``amax / (scale_max * headroom * max(element))``. None: the largest scale there is; for
        ``four_over_six`` and ``eden`` the largest power of two that may grow by one half
        (256 of E4M3).
    scale_min
        No scale with a mantissa is below it: torchao's is 2^-6. A zero block has it too.
    arithmetic
        ``"multiply"``: ``encode(amax (s_enc / max))`` as in TransformerEngine. ``"divide"``:
        ``encode((amax / max) / s_dec)`` with ``s_dec = amax_tensor / (scale_max max)``, as in
        torchao. They differ by one code in about 0.1 % of blocks.

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
    headroom: float | None = None
    scale_max: float | None = None
    scale_min: float = 0.0
    arithmetic: str = "multiply"

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale_rule", rule_of(self.scale_rule))
        known("rounding", self.rounding, ROUNDINGS + HARDWARE_ROUNDINGS)
        known("scale_rounding", self.scale_rounding, SCALE_ROUNDINGS)
        known("nonfinite", self.nonfinite, NONFINITE)
        if not 1 <= self.sr_bits <= 32:
            raise FormatError(f"quantize: sr_bits={self.sr_bits}; allowed: 1 to 32")
        if self.rounding in HARDWARE_ROUNDINGS and self.sr_bits != 32:
            raise FormatError(
                f"quantize: sr_bits={self.sr_bits} with rounding={self.rounding!r}, an instruction "
                "that has its own number of random bits; leave sr_bits out"
            )
        if not (self.prescale > 0 and isfinite(self.prescale)):
            raise FormatError(f"quantize: prescale={self.prescale}; allowed: a finite number > 0")
        known("arithmetic", self.arithmetic, ARITHMETICS)
        for name, least in (("headroom", 0.0), ("scale_max", 0.0), ("scale_min", -1.0)):
            number = getattr(self, name)
            if number is not None and not (number > least and isfinite(number)):
                raise FormatError(f"quantize: {name}={number}; allowed: a finite number > 0")
        if self.search == "eden" and (
            self.rounding != "nearest_even" or self.scale_rounding != "nearest"
        ):
            raise FormatError(
                f"quantize: scale_rule='eden' with rounding={self.rounding!r}, scale_rounding="
                f"{self.scale_rounding!r}; it rounds elements to nearest and draws for the scales "
                "by itself: leave both out"
            )
        scale = self.tensor_scale
        if isinstance(scale, str):
            known("tensor_scale", scale, ("auto", "row"), ", None, a float > 0")
        elif scale is not None and not (scale > 0 and isfinite(scale)):
            raise FormatError(
                f"quantize: tensor_scale={scale}; allowed: 'auto', 'row', None, or a finite "
                "float > 0"
            )

    @property
    def draws(self) -> bool:
        """Whether random words are needed, and so a key."""
        return (
            self.rounding in DRAWING
            or self.scale_rounding == "stochastic"
            or self.scale_rule == "eden"
        )

    @property
    def search(self) -> str | None:
        """The name of a rule that looks at all numbers of a block; None for the others."""
        name = self.scale_rule[0] if isinstance(self.scale_rule, tuple) else self.scale_rule
        return name if name in SEARCHES else None

    @property
    def error(self) -> str:
        """What ``four_over_six`` measures."""
        return str(self.scale_rule[1]) if isinstance(self.scale_rule, tuple) else "mse"

    @cached_property
    def beyond_cuda(self) -> tuple[str, ...]:
        """What of this choice the CUDA kernels lack, as it was written.

        >>> Choice(scale_rule="mse", headroom=0.5).beyond_cuda, Choice().beyond_cuda
        (("scale_rule='mse'", 'headroom=0.5'), ())
        """
        lacks = [f"scale_rule={self.scale_rule!r}"] if self.search else []
        for name, usual in (
            ("headroom", None), ("scale_max", None), ("scale_min", 0.0), ("arithmetic", "multiply"),
        ):  # fmt: skip
            if getattr(self, name) != usual:
                lacks.append(f"{name}={getattr(self, name)!r}")
        if self.tensor_scale == "row":
            lacks.append("tensor_scale='row'")
        return tuple(lacks)

    def target(self, scale: Float) -> float:
        """The block scale that the amax of the tensor asks for; see ``scale_max``.

        >>> from extensor.formats import E4M3, UE5M3
        >>> Choice().target(E4M3), Choice(scale_rule="eden").target(E4M3)
        (448.0, 256.0)
        >>> Choice(scale_rule="four_over_six").target(UE5M3)
        32768.0
        """
        if self.scale_max is not None:
            return min(self.scale_max, scale.max)
        if self.search in ("four_over_six", "eden") and scale.bits <= 8:
            return float(2.0 ** floor(log2(scale.max / 1.5)))
        return scale.max

    def room(self, scale: Float) -> float:
        """``headroom``, with what None means for a scale format."""
        if self.headroom is not None:
            return self.headroom
        if self.search != "eden" or scale.is_power_of_two:
            return 1.0
        return 16 / 17 / 0.93 if scale.bits <= 8 else 1 / 0.96

    def cap(self, element: Element) -> tuple[float, bool]:
        """The largest ``amax / scale``, and whether it must stay below that (strict).

        ``even`` is the point from which amax, rounded to the element's own mantissa, would carry
        into the next power of two.
        """
        top = 2.0 ** (element.emax + 1)
        if self.scale_rule in ("floor", "eden"):
            return top, True
        if self.search == "quest":
            most = self.scale_rule[1] if isinstance(self.scale_rule, tuple) else 2.0
            return float(most), most == 2.0
        if self.scale_rule == "even":
            return top - 2.0 ** (element.emax - element.facts.mantissa - 1), True
        if self.scale_rule == "ceil":
            return 2.0**element.emax, False
        if isinstance(self.scale_rule, tuple) and self.scale_rule[0] == "cap":
            return float(self.scale_rule[1]), False
        return element.max, False

    def check(self, fmt: Block) -> None:
        """Raise FormatError where the choice has no meaning for this format.

        >>> from extensor.formats import NVFP4
        >>> Choice(scale_rule="floor").check(NVFP4)
        Traceback (most recent call last):
            ...
        extensor.errors.FormatError: quantize: scale_rule='floor' needs a power-of-two scale, nvfp4 has float8_e4m3fn; use scale_rule=None
        """  # noqa: E501
        power, rule = fmt.scale.is_power_of_two, self.scale_rule
        self._check_search(fmt)
        for name, usual in (
            ("headroom", None), ("scale_max", None), ("scale_min", 0.0), ("arithmetic", "multiply"),
        ):  # fmt: skip
            if power and getattr(self, name) != usual:
                raise FormatError(
                    f"quantize: {name}={getattr(self, name)!r} needs a scale with a mantissa, "
                    f"{fmt} has {fmt.scale}; use scale_rule=('cap', c) or prescale"
                )
        if rule is not None and self.search in (None, "mse") and not power:
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
        if self.tensor_scale == "row" and (power or not fmt.tensor_scale or fmt.shape[0] > 1):
            raise FormatError(
                "quantize: tensor_scale='row' needs blocks along rows, a scale with a mantissa and "
                f"a tensor scale, such as nvfp4; {fmt} has tiles {fmt.shape} and {fmt.scale}"
            )
        if isinstance(self.tensor_scale, (int, float)) and not fmt.tensor_scale:
            raise FormatError(
                f"quantize: tensor_scale={self.tensor_scale}, but {fmt} has none; use "
                "Block(..., tensor_scale=True)"
            )

    def _check_search(self, fmt: Block) -> None:
        """Raise where a searching rule has no meaning for this format."""
        if self.search in ("quest", "four_over_six") and fmt.element != E2M1:
            raise FormatError(
                f"quantize: scale_rule={self.scale_rule!r} has its numbers for {E2M1}, {fmt} has "
                f"{fmt.element}; use scale_rule='mse' or None"
            )
        if self.search == "four_over_six" and fmt.scale.is_power_of_two:
            raise FormatError(
                f"quantize: scale_rule={self.scale_rule!r} needs a scale with a mantissa (it grows "
                f"by 1.5), {fmt} has {fmt.scale}; use scale_rule='mse'"
            )
        if self.search == "eden" and fmt.shape[0] > 1:
            raise FormatError(
                f"quantize: scale_rule='eden' corrects the scales of rows, {fmt} has tiles "
                f"{fmt.shape}; use blocks (1, {fmt.length})"
            )
