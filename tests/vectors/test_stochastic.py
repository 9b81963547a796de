"""Recorded stochastic draws, the peer's own random numbers injected as bits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import extensor as ex
from tests.scalars import FORMATS, encode_all
from tests.vectors.recorded import Group, check_all, equal

FILES = ["stochastic_rounding.npz"]
BLOCKS = {"e2m1": ex.mxfp4, "e4m3": ex.mxfp8_e4m3, "int8": ex.mxint8}


def _blocks(name: str, x: NDArray[Any], u: NDArray[Any], prescale: float) -> NDArray[np.float64]:
    """Values with the OCP scale, rounded up where fraction + u >= 1, the prescale undone."""
    fmt = BLOCKS[name]
    scales = fmt.scale.values[ex.quantize(x, fmt, scale_rule="floor").scales]
    wide = np.repeat(scales, 32, axis=-1)
    words = (u.astype(np.float64) * 2**32).astype(np.int64).ravel()
    unit = (x * np.float32(prescale)).astype(np.float64) / wide
    codes = encode_all(fmt.element, unit.ravel(), "stochastic", words).reshape(x.shape)
    return np.asarray(fmt.element.values[codes] * wide / prescale)


def test_recorded_draws() -> None:
    def check(group: Group) -> None:
        if group.case.startswith("gfloat"):
            name = group.case.split("_")[1]
            fmt = FORMATS[name.upper()][0]
            x, words = group["x"].astype(np.float64), group["bits"] << 24
            centred = fmt.values[encode_all(fmt, x, "stochastic", words, sr_bits=8)]
            plain = fmt.values[encode_all(fmt, x, "stochastic", words)]
            equal(centred, group["Stochastic"], "eight bits, where gfloat rounds the fraction")
            equal(centred, group["StochasticFast"], "eight bits, centred")
            equal(plain, group["StochasticFastest"], "32 bits of which the low ones are zero")
            return
        x, u = group["x"], group["u"]
        equal(_blocks(group.case, x, u, 1.0), group["microxcaling_dither_dq"], "microxcaling")
        if "amazon_dither_scale_dq" in group:
            undone = _blocks(group.case, x, u, 0.75).astype(np.float32)
            equal(undone, group["amazon_dither_scale_dq"], "three quarters, undone")

    check_all(FILES[0], check, parts=2)
