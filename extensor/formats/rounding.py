"""The roundings by name and number: how a value between two neighbours of a format is decided."""

from enum import IntEnum


class Rounding(IntEnum):
    """How a value between two neighbours of a format is decided."""

    NEAREST_EVEN = 0
    NEAREST_AWAY = 1
    NEAREST_ZERO = 2
    TOWARD_ZERO = 3
    UP = 4
    DOWN = 5
    STOCHASTIC = 6


ROUNDINGS = tuple(r.name.lower() for r in Rounding)
"""The names that `extensor.quantize` takes."""
HARDWARE_ROUNDINGS = ("stochastic_hardware",)
"""Roundings that are an instruction of some GPUs.

How such an instruction uses its random bits is the device's own affair, so nothing may stand in for
it: where it is missing, the rounding is refused. They are no `Rounding`: no kernel of ours rounds
like them.
"""
DRAWING = ("stochastic", *HARDWARE_ROUNDINGS)
"""Roundings that draw random words, and so need a key."""
