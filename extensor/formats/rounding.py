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
