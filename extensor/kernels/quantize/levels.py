"""The tensor level: its scale, and the arrays that are stored; shared by all quantizers."""

from typing import Any

import numpy as np

from extensor.formats import Block
from extensor.kernels.choice import Choice
from extensor.kernels.quantize.plan import FLT_MAX, Plan

_ONE = np.float32(1)


def tensor_scales(
    amax: Any, plan: Plan, given: float | None, rows: bool = False
) -> tuple[Any, Any]:
    """(s_enc, 1 / s_enc) of a tensor, float32; the second is what is stored.

    amax
        float32, of each block; Inf for those that are not finite, which do not count.
    given
        The stored value, where the caller has decided; None to compute it.
    rows
        Whether each row of amax is a tensor of its own: arrays of one number a row.
    """
    with np.errstate(over="ignore", divide="ignore"):
        if given is not None:
            decoding = np.float32(given)
            return np.minimum(_ONE / decoding, FLT_MAX), decoding
        axis = 1 if rows else None
        top = np.max(amax, axis, where=np.isfinite(amax), initial=np.float32(0))
        if plan.divide:
            decoding = top / (plan.target * plan.top)
            encoding = np.minimum(_ONE / decoding, FLT_MAX)
        else:
            encoding = np.minimum(plan.target * plan.top / top, FLT_MAX)
            decoding = _ONE / encoding
        return encoding, np.where(top == 0, np.float32(0), decoding)[()]


def levels(amax: Any, fmt: Block, choice: Choice, p: Plan) -> tuple[Any, Any, Any]:
    """(s_enc, 1 / s_enc, what is stored) for the amax of the blocks.

    A power-of-two scale reaches everything by itself: there the tensor scale is 1, or what the
    caller gave (by which the numbers are then divided before all else).
    """
    if not fmt.tensor_scale or choice.tensor_scale is None:
        return _ONE, _ONE, None
    given = None if isinstance(choice.tensor_scale, str) else float(choice.tensor_scale)
    if p.power:
        return _ONE, _ONE, 1.0 if given is None else float(np.float32(given))
    if choice.tensor_scale == "row":
        encoding, decoding = tensor_scales(amax, p, None, True)
        return encoding, decoding, decoding
    encoding, decoding = tensor_scales(amax, p, given)
    return encoding, decoding, float(decoding)


def scale_array(codes: Any, fmt: Block) -> Any:
    """Codes (uint32) as they are stored: narrow codes, or float32 and float16 themselves."""
    storage = fmt.scale_storage
    if storage.kind == "f":
        return codes.astype(f"u{storage.itemsize}").view(storage)
    return codes.astype(storage)


def group_of(fmt: Block, rows: int, group: int) -> int:
    """`Packed.group`: rows of a matrix where blocks are tiles, else all rows."""
    return group if fmt.shape[0] > 1 else rows
