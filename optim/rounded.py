"""Weights as a quantizer rounds them: what the remedies against oscillation look at.

A weight near the middle of two codes jumps between them from step to step; the network sees jumps
of a whole grid step where the weight hardly moved (arXiv 2502.20853, 2510.27527).
"""

from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import FormatError
from extensor.kernels.front import dequantize
from extensor.optim.optimizer import Optimizer
from extensor.optim.parameter import Slot
from extensor.quantizer import Quantizer

Array = NDArray[np.float32]


def check_quantizer(op: str, quantizer: Quantizer) -> Quantizer:
    """The quantizer, if it is a function of the weight alone; else FormatError."""
    wrong = [
        word
        for word, is_so in (
            ("draws random words", quantizer.needs_key),
            ("rotates", bool(quantizer.hadamard)),
            ("prescales", quantizer.prescale != 1.0),
        )
        if is_so
    ]
    if wrong:
        raise FormatError(
            f"{op}: {quantizer} {' and '.join(wrong)}; allowed: the quantizer of the weights in "
            "fprop, to nearest, in the basis of the weights"
        )
    return quantizer


def weights_of(op: str, optimizer: Optimizer, only: tuple[str, ...]) -> list[Slot]:
    """The parameters of two axes or more whose names match; FormatError where there is none."""
    chosen = [
        slot
        for slot in optimizer.slots
        if slot.array.ndim > 1 and any(fnmatch(slot.name, pattern) for pattern in only)
    ]
    if not chosen:
        raise FormatError(
            f"{op}: only={only!r} names no weight of two axes or more; parameters: "
            f"{', '.join(slot.name for slot in optimizer.slots)}"
        )
    return chosen


def rounded(w: Any, quantizer: Quantizer, rounding: str | None = None) -> Array:
    """The values that a weight (O, ...) is stored as, blocks along all but its first axis.

    rounding
        Another one than the quantizer's, at the same scales.

    >>> from extensor.formats import MXFP4
    >>> w = np.array([[6.0, 2.4]], np.float32)
    >>> [rounded(w, Quantizer(MXFP4), r)[0, 1].item() for r in (None, "down", "up")]
    [2.0, 2.0, 3.0]
    """
    how = quantizer if rounding is None else replace(quantizer, rounding=rounding)
    q = how.apply(w.reshape(len(w), -1), axis=1)
    values: Array = q.spread(dequantize(q.rows)).reshape(w.shape)
    return values
