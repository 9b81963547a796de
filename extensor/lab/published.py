"""Table A: errors of quantizers on normal numbers, as published or computed by independent code.

Mean over rows of 128 normal numbers, whose deviation runs over an octave, of the relative squared
error and of the shrinkage ``1 - <q, x> / <x, x>``, both in thousandths. Sources: arXiv 2505.14669
(Quartet), 2601.22813 (Quartet II), 2512.02010 (Four over Six), 2502.05003 (QuEST), 2502.20586;
where a paper has no figure, an independent NumPy implementation of its formula.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from extensor.formats import E2M1, E4M3, E8M0, FP32, MXFP4, NVFP4, NVFP4_2D, UE5M3, Block, Float
from extensor.quantizer import Quantizer


class Row(NamedTuple):
    """A row of table A.

    make
        The quantizer; raises where this version does not have it.
    mse, shrinkage
        Thousandths; None where nothing is published.
    paper
        The figure of the paper itself, as it is printed there; ``""`` without one.
    octave
        Whether deviations run over an octave; else all are 1.
    """

    name: str
    make: Callable[[], Any]
    mse: float
    shrinkage: float | None = None
    paper: str = ""
    octave: bool = True


E1M2 = Float("e1m2", exponent=1, mantissa=2, bias=1)
"""Sixteen codes in equal steps, ±7 quarters: what INT4 without -8 is."""


def _mx(rule: Any = None, **more: Any) -> Callable[[], Quantizer]:
    return lambda: Quantizer(MXFP4, scale_rule=rule, **more)


def _nv(fmt: Block = NVFP4, **more: Any) -> Callable[[], Quantizer]:
    return lambda: Quantizer(fmt, **more)


def _own(length: int, scale: Float, element: Any = E2M1, **more: Any) -> Callable[[], Quantizer]:
    second = scale in (E4M3, UE5M3)
    return lambda: Quantizer(Block(element, (1, length), scale, tensor_scale=second), **more)


_SR = "stochastic"
_TILE = Block(E2M1, (32, 32), E8M0)
_OVER = 0.93 * 17 / 16
"""Scales are multiplied by it."""

ROWS = (
    Row("E2M1, scale .4870795, no blocks", lambda: 0.4870795, 12.685, 12.5, ".0126849", False),
    Row("MXFP4 floor nearest", _mx("floor"), 13.357, 21.74),
    Row("MXFP4 even nearest", _mx("even"), 12.613, 9.85),
    Row("MXFP4 cap 7.25 nearest", _mx(("cap", 7.25)), 12.53, 12.8),
    Row("MXFP4 rceil nearest", _mx("rceil"), 13.667, 9.42),
    Row("MXFP4 3/4 nearest", _mx("floor", prescale=0.75), 13.658, 9.40, "1.37e-2, 9.3e-3"),
    Row("MXFP4 floor x .84/3 nearest", _mx("floor", prescale=0.75 / 0.84), 12.532, 11.47, "11.465"),
    Row("MXFP4 mse nearest", _mx("mse"), 12.507, 12.49),
    Row("MXFP4 ceil nearest", _mx("ceil"), 19.884, 7.36),
    Row("MXFP4 cap 6√2 nearest", _mx(("cap", 6 * 2**0.5)), 14.653, 28.2),
    Row("MXFP4 3/4 stochastic", _mx("floor", prescale=0.75, rounding=_SR), 27.775, 0, "2.77e-2, 0"),
    Row("MXFP4 rceil stochastic", _mx("rceil", rounding=_SR), 27.767, 0),
    Row("MXFP4 floor stochastic (clips)", _mx("floor", rounding=_SR), 24.978, 13.47),
    Row("MXFP4 32x32 floor nearest", _nv(_TILE, scale_rule="floor"), 14.50),
    Row("MXFP4 32x32 rceil nearest", _nv(_TILE), 18.96),
    Row("E2M1 FP32 32 quest", _own(32, FP32, scale_rule="quest"), 12.380, 11.73),
    Row("MXFP4 quest, cap √2 nearest", _mx(("quest", 2**0.5)), 13.381, 15.03, "1.32e-2, 1.3e-2"),
    Row("MXFP4 quest, cap 4/3 nearest", _mx(("quest", 4 / 3)), 13.30, 12.9),
    Row("MXFP4 quest (floor) nearest", _mx("quest"), 22.307, 51.5),
    Row("NVFP4 nearest", _nv(), 9.052, 4.52, "9.0"),
    Row("NVFP4 nearest, scales x .93 17/16", _nv(headroom=1 / _OVER), 8.984, 7.82, "7.816"),
    Row("NVFP4 stochastic, scales x 17/16", _nv(headroom=16 / 17, rounding=_SR), 23.495, 0, "23.5"),
    Row("NVFP4 stochastic (clips)", _nv(rounding=_SR), 18.887, 3.45),
    Row("NVFP4 four over six nearest", _nv(scale_rule="four_over_six"), 7.562, 3.37, "7.6"),
    Row("NVFP4 four over six stochastic (biased)",
        _nv(scale_rule="four_over_six", rounding=_SR, headroom=16 / 17), 17.49, -7.3),
    Row("NVFP4 16x16 nearest", _nv(NVFP4_2D), 12.416, None, "12.4", False),
    Row("NVFP4 16x16 four over six nearest", _nv(NVFP4_2D, scale_rule="four_over_six"),
        12.406, None, "12.4", False),
    Row("MS-EDEN E4M3 16", _nv(scale_rule="eden", hadamard=128), 9.763, 0.62, "9.8, .562"),
    Row("EDEN FP32 128", _own(128, FP32, scale_rule="eden", hadamard=128), 11.603, 0),
    Row("EDEN E8M0 32, scales x .91", _mx("eden", prescale=0.75 / 0.91, hadamard=128),
        26.35, -0.2, "-.01"),
    Row("E2M1 FP32 128 nearest", _own(128, FP32), 11.857, 8.34),
    Row("E2M1 FP32 128 nearest, scales x .96", _own(128, FP32, headroom=1 / 0.96), 11.676, 10.83,
        "10.823"),
    Row("E2M1 FP32 128 stochastic", _own(128, FP32, rounding=_SR), 24.062, 0),
    Row("E2M1 UE5M3 16 nearest", _own(16, UE5M3), 9.052, 4.52),
    Row("E2M1 E4M3 32 nearest", _own(32, E4M3), 10.333, 6.14),
    Row("E1M2 FP32 16 nearest", _own(16, FP32, E1M2), 7.255, -0.59),
    Row("E1M2 FP32 16 stochastic", _own(16, FP32, E1M2, rounding=_SR), 14.507, 0),
    Row("E1M2 FP32 32 nearest", _own(32, FP32, E1M2), 9.408, -0.54),
    Row("E1M2 FP32 32 stochastic", _own(32, FP32, E1M2, rounding=_SR), 18.815, 0),
)  # fmt: skip
"""All rows."""
TOLERANCE = 0.015
"""Of the squared error: this part of it."""
SHRINKAGE = {False: 0.3, True: 0.6}
"""Of the shrinkage, in thousandths: rounding to nearest, and with random draws."""
