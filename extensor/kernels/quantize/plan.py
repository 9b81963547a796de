"""``Plan``: a format and a choice, boiled down to the numbers that the kernels take."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from extensor.errors import DispatchError, FormatError
from extensor.formats import Block, Facts
from extensor.formats.rounding import HARDWARE_ROUNDINGS, Rounding
from extensor.kernels.choice import Choice

FLT_MAX = np.float32(np.finfo(np.float32).max)
SCALE_DRAWS = int.from_bytes(b"scales")
"""Scales that are rounded stochastically draw from ``key.fold(SCALE_DRAWS)``."""

_SCALE_ROUNDING = {
    "nearest": Rounding.NEAREST_EVEN,
    "up": Rounding.UP,
    "stochastic": Rounding.STOCHASTIC,
}


class Plan(NamedTuple):
    """What the kernels need of a format and a choice; plain numbers.

    height, length
        The shape of a block.
    power
        Whether scales are powers of two: the exponent of a scale is ``code + scale.emin``.
    cap, strict
        See `Choice.cap`.
    top, scale_top
        What amax is mapped to (the largest element times the headroom) and the largest scale,
        float32.
    inverse
        float32(1 / top).
    saturate_nonfinite
        Whether NaN and Inf become the largest value; else they poison their block.
    target, least
        The block scale that the amax of the tensor asks for; the least scale.
    divide
        Whether scales are computed by dividing, see `Choice`.
    """

    height: int
    length: int
    element: Facts
    scale: Facts
    power: bool
    cap: float
    strict: bool
    top: np.float32
    scale_top: np.float32
    inverse: np.float32
    rounding: int
    sr_bits: int
    saturate: bool
    scale_rounding: int
    prescale: float
    saturate_nonfinite: bool
    target: np.float32
    least: np.float32
    divide: bool

    @property
    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The element's facts and the options as `block_codes` takes them."""
        options = (self.height, self.length, self.power, self.rounding, self.sr_bits, self.saturate)
        return np.array(self.element, np.int64), np.array(options, np.int64)


@lru_cache(maxsize=256)
def plan(fmt: Block, choice: Choice) -> Plan:
    """The plan of a format and a choice; raises FormatError where they do not go together.

    Raises DispatchError for a rounding that is an instruction: who comes here has it not.

    >>> from extensor.formats import MXFP4
    >>> p = plan(MXFP4, Choice(scale_rule="floor"))
    >>> p.cap, p.strict, p.length
    (8.0, True, 32)
    """
    choice.check(fmt)
    if choice.rounding in HARDWARE_ROUNDINGS:
        raise DispatchError(
            f"quantize: rounding={choice.rounding!r} exists on NVIDIA GPUs of compute capability "
            "10.0 and 10.3 alone, for whole blocks of 16 or 32 along rows in memory; no "
            "kernel here has it, and none may stand in for it; use rounding='stochastic'"
        )
    cap, strict = choice.cap(fmt.element)
    room = fmt.element.max * choice.room(fmt.scale)
    top = np.float32(room)
    if not np.isfinite(top) or np.float32(fmt.scale.max) == np.inf:
        raise FormatError(f"quantize: {fmt} does not fit float32 arithmetic")
    return Plan(
        height=fmt.shape[0],
        length=fmt.shape[1],
        element=fmt.element.facts,
        scale=fmt.scale.facts,
        power=fmt.scale.is_power_of_two,
        cap=cap,
        strict=strict,
        top=top,
        scale_top=np.float32(fmt.scale.max),
        inverse=np.float32(1.0 / room),
        rounding=int(Rounding[choice.rounding.upper()]),
        sr_bits=choice.sr_bits,
        saturate=choice.saturate,
        scale_rounding=int(_SCALE_ROUNDING[choice.scale_rounding]),
        prescale=choice.prescale,
        saturate_nonfinite=choice.nonfinite == "saturate",
        target=np.float32(choice.target(fmt.scale)),
        least=np.float32(choice.scale_min),
        divide=choice.arithmetic == "divide",
    )
