"""Checks of the numbers that optimizers and schedules are made of; the errors name the place.

>>> real("SGD: momentum", 0.9, below=1.0)
0.9
>>> real("SGD: momentum", 2, below=1.0)
Traceback (most recent call last):
extensor.errors.FormatError: SGD: momentum must be a number from 0 to below 1.0; got 2
"""

import math
from numbers import Integral, Real

from extensor.errors import FormatError


def real(what: str, value: object, *, below: float = math.inf, positive: bool = False) -> float:
    """``value`` as a float, if it is a finite number in [0, below), or above 0 if ``positive``.

    Raises FormatError, which names ``what``.

    >>> real("cosine: lr", 1)
    1.0
    """
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if 0 <= number < below and (number > 0 or not positive):
            return number
    low = "above 0" if positive else "from 0"
    high = "and finite" if below == math.inf else f"to below {below}"
    raise FormatError(f"{what} must be a number {low} {high}; got {value!r}")


def count(what: str, value: object, least: int = 1) -> int:
    """``value`` as an int, if it is a whole number of at least ``least``; else FormatError.

    >>> count("cosine: steps", 100)
    100
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least:
        return int(value)
    raise FormatError(f"{what} must be a whole number of at least {least}; got {value!r}")
