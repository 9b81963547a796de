"""Quantizing what is already quantized: along the same axis, and along the other one.

Grids of power-of-two scales nest: what lies on one lies on the other. So a tensor of which only the
packed rows were kept can be quantized along its columns at little more than the first error, unless
a factor of 3/4, an E4M3 scale or a rotation stands between.
"""

from typing import Any

import numpy as np

from extensor.formats import MXFP4, NVFP4
from extensor.lab.samples import Floats, stored
from extensor.noise import key
from extensor.quantizer import Quantizer

KINDS = {
    "floor": Quantizer(MXFP4, scale_rule="floor"),
    "rceil": Quantizer(MXFP4, scale_rule="rceil"),
    "even": Quantizer(MXFP4, scale_rule="even"),
    "ceil": Quantizer(MXFP4, scale_rule="ceil"),
    "NVFP4 1x16": Quantizer(NVFP4),
    "3/4": Quantizer(MXFP4, scale_rule="floor", prescale=0.75),
}
_CEIL, _NV = KINDS["rceil"], KINDS["NVFP4 1x16"]
_CEIL_SR = Quantizer(MXFP4, scale_rule="rceil", rounding="stochastic")
_THREE_SR = Quantizer(MXFP4, scale_rule="floor", prescale=0.75, rounding="stochastic")
_NV_SR = Quantizer(NVFP4, rounding="stochastic", headroom=16 / 17)
WAYS: dict[str, tuple[Quantizer | None, Quantizer, float]] = {
    "rceil nearest, rceil nearest": (_CEIL, _CEIL, 14.3),
    "rceil nearest, rceil stochastic": (_CEIL, _CEIL_SR, 14.3),
    "columns only, rceil stochastic": (None, _CEIL_SR, 27.8),
    "rceil nearest, 3/4 stochastic": (_CEIL, _THREE_SR, 41.2),
    "NVFP4 nearest, nearest": (_NV, _NV, 17.9),
    "NVFP4 nearest, stochastic x 17/16": (_NV, _NV_SR, 32.5),
    "columns only, NVFP4 stochastic x 17/16": (None, _NV_SR, 23.5),
}
"""First by rows (None: not), then by columns; the published error in thousandths."""


def again(x: Floats) -> dict[str, int]:
    """For each kind the number of blocks whose values change when quantized once more.

    >>> again(np.ones((2, 64), np.float32))["floor"]
    0
    """
    found = {}
    for name, quantizer in KINDS.items():
        once = stored(x, quantizer).astype(np.float32)
        twice = stored(once, quantizer).astype(np.float32)
        blocks = (once != twice).reshape(-1, quantizer.fmt.length).any(1)
        found[name] = int(blocks.sum())
    return found


def both_ways(x: Any, seed: int) -> dict[str, tuple[float, float]]:
    """The error of x quantized by rows and then by columns, in thousandths, and the published one.

    >>> len(both_ways(np.ones((32, 32), np.float32), 0)) == len(WAYS)
    True
    """
    found = {}
    power = np.square(np.float64(x)).sum(1)
    for name, (rows, columns, published) in WAYS.items():
        first = x if rows is None else stored(x, rows).astype(np.float32)
        y = stored(first, columns, key(seed), axis=0)
        noise = np.square(y - x).sum(1) / power
        found[name] = (float(1e3 * noise.mean()), published)
    return found
