"""Witnesses in fractions: what rounding does to one vector, with no sampling and no tolerance.

>>> neighbours(Fraction(96, 17))
(Fraction(4, 1), Fraction(6, 1), Fraction(14, 17))
"""

from fractions import Fraction
from itertools import pairwise

from extensor.formats import E2M1

GRID = sorted({Fraction(v) for v in E2M1.values.tolist() if v >= 0})
"""The magnitudes of E2M1."""
HEADROOM = Fraction(16, 17)


def neighbours(z: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """The values below and above z >= 0, and the probability of the upper one.

    >>> neighbours(Fraction(5, 2))
    (Fraction(2, 1), Fraction(3, 1), Fraction(1, 2))
    """
    low = max(v for v in GRID if v <= z)
    if low == z:
        return low, low, Fraction(0)
    high = min(v for v in GRID if v > z)
    return low, high, (z - low) / (high - low)


def nearest(z: Fraction) -> Fraction:
    """The nearest value, ties to the even code, saturating.

    >>> nearest(Fraction(5)), nearest(Fraction(7))
    (Fraction(4, 1), Fraction(6, 1))
    """
    z = min(z, GRID[-1])
    low, high, up = neighbours(z)
    if up == Fraction(1, 2):
        return low if GRID.index(low) % 2 == 0 else high
    return high if up > Fraction(1, 2) else low


def four_over_six() -> dict[str, Fraction]:
    """Mean of the first entry of (1, 0, ..., 0), rounded stochastically with a maximum of 6, of 4,
    and with whichever errs less: with one coin for both, and with a coin for each.

    >>> found = four_over_six()
    >>> found["six"], found["four"], found["one coin"], found["own coins"]
    (Fraction(1, 1), Fraction(1, 1), Fraction(65, 64), Fraction(143, 136))
    """
    branches = []
    for top in (Fraction(6), Fraction(4)):
        z = top * HEADROOM
        low, high, up = neighbours(z)
        branches.append((low / z, high / z, up))
    (low6, high6, up6), (low4, high4, up4) = branches

    def better(six: Fraction, four: Fraction) -> Fraction:
        return four if abs(four - 1) < abs(six - 1) else six

    edges = sorted({Fraction(0), up6, up4, Fraction(1)})
    shared = Fraction(0)
    for start, end in pairwise(edges):
        six, four = high6 if start < up6 else low6, high4 if start < up4 else low4
        shared += (end - start) * better(six, four)
    own = sum(
        (
            p6 * p4 * better(v6, v4)
            for v6, p6 in ((high6, up6), (low6, 1 - up6))
            for v4, p4 in ((high4, up4), (low4, 1 - up4))
        ),
        Fraction(0),
    )
    return {
        "six": high6 * up6 + low6 * (1 - up6),
        "four": high4 * up4 + low4 * (1 - up4),
        "one coin": shared,
        "own coins": own,
    }


def eden() -> tuple[Fraction, Fraction]:
    """The first two entries of the mean of MS-EDEN of ``x = e0 + e1 / 10``, in any dimension.

    Rotated, every entry is ±(1 ± 1/10) / sqrt(d): two magnitudes, half of the entries each. The
    elements are rounded to nearest and the scale is corrected to keep the projection; the mean of
    its stochastic rounding is what is asked for, so nothing else matters.

    >>> eden()
    (Fraction(101, 102), Fraction(101, 510))
    """
    large, small = Fraction(11, 10), Fraction(9, 10)
    kappa = 6 * HEADROOM / Fraction(93, 100)
    codes = [nearest(kappa * v / large) for v in (large, small)]
    power = large**2 + small**2
    correction = power / (large * codes[0] + small * codes[1])
    first, second = (correction * code for code in codes)
    return (first + second) / 2, (first - second) / 2
