"""Data of the lab, and how far a quantized copy is from it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import ExtensorError
from extensor.noise import Key, key
from extensor.quantizer import Quantizer

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def normal(seed: int, *shape: int) -> Floats:
    """Reproducible normal numbers.

    >>> normal(0, 2, 3).shape
    (2, 3)
    """
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def octave(seed: int, rows: int, length: int = 128) -> Floats:
    """Rows of normal numbers whose deviation runs from 1 to 2, evenly in its logarithm.

    The error under power-of-two scales depends on where the deviation lies between two powers;
    only its mean over an octave is a property of the quantizer.

    >>> x = octave(0, 256)
    >>> x.shape, bool(x[0].std() < x[-1].std())
    ((256, 128), True)
    """
    deviation = np.exp2((np.arange(rows) + 0.5) / rows).astype(np.float32)
    return normal(seed, rows, length) * deviation[:, None]


def stored(x: Any, quantizer: Quantizer, draws: Key | None = None, axis: int = -1) -> Doubles:
    """What ``x`` is after it was stored in blocks, float64: the prescale undone, a rotation not.

    >>> import extensor as ex
    >>> stored(np.array([1.0, -3.2]), ex.Quantizer(ex.mxfp4)).tolist()
    [1.0, -3.0]
    """
    found = quantizer(x, axis=axis, key=draws or key(0)).numpy().astype(np.float64)
    return np.asarray(found / quantizer.prescale)


def error(x: Any, y: Any) -> tuple[float, float]:
    """Mean over rows of ``|x - y|² / |x|²`` and of ``1 - <y, x> / <x, x>`` (the shrinkage).

    >>> error(np.array([[1.0, 1.0]]), np.array([[1.0, 0.5]]))
    (0.125, 0.25)
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    power = np.square(x).sum(-1)
    noise = np.square(x - y).sum(-1) / power
    return float(noise.mean()), float(1 - ((x * y).sum(-1) / power).mean())


def decibel(x: Any, y: Any) -> float:
    """Signal to noise of ``y`` as a copy of ``x``: 10 log10(|x|² / |x - y|²).

    >>> round(decibel(np.array([1.0, 0.0]), np.array([0.9, 0.0])), 6)
    20.0
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    noise = np.square(x - y).sum()
    return float(10 * np.log10(np.square(x).sum() / noise)) if noise else float("inf")


def made(make: Callable[[], Any]) -> Any:
    """What ``make`` makes, None where this version has not what it asks for.

    >>> import extensor as ex
    >>> made(lambda: ex.Quantizer(ex.mxfp4, scale_rule="of tomorrow")) is None
    True
    """
    try:
        return make()
    except (ExtensorError, TypeError, AttributeError):
        return None
