"""Compiled loops of the CPU that join a row of the table for float32 operands.

Where one does not apply (another float type, shapes that do not fit, a GPU) the row's meaning
runs, and says what is wrong if something is.
"""

from collections.abc import Callable

import numpy as np

from extensor.ghost import Ghost
from extensor.lazy import deferred
from extensor.ops.registry import Op
from extensor.storage import Native


def alike(*operands: Native, **attributes: object) -> bool:
    """float32 operands of one shape, with numbers behind it."""
    first = operands[0].array
    return type(first) is not Ghost and all(
        x.array.dtype == np.float32 and x.array.shape == first.shape for x in operands
    )


def rows_alike(*operands: Native, axis: int = -1, **attributes: object) -> bool:
    """float32 operands of one shape that is not empty, taken along the last axis."""
    x = operands[0].array
    return alike(*operands) and x.size > 0 and x.ndim > 0 and axis in (-1, x.ndim - 1)


def add_loop(row: Op, module: str, takes: Callable[..., bool] = alike, operands: int = 1) -> None:
    """Attach the function of the row's name in this kernel module; it is imported when called."""
    run = deferred(f"extensor.kernels.{module}", row.name)
    row.kernel(*["native"] * operands, device="cpu", name=f"{row.name} loop", takes=takes)(run)
