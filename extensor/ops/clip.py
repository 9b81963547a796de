"""Numbers limited to a range, whose ends are numbers, or tensors that broadcast."""

from typing import Any

import numpy as np

from extensor.errors import FormatError
from extensor.ops.elementwise import maximum, minimum, where
from extensor.ops.registry import Op, Sample, op


class _Clip(Op):
    """Ends that are tensors have gradients of their own: they are operands of other rows."""

    def __call__(self, x: Any, /, min: Any = None, max: Any = None) -> Any:
        """Limit x to ``min`` .. ``max``; None: no end there."""
        ends = {"min": min, "max": max}
        if all(isinstance(end, int | float | None) for end in ends.values()):
            return super().__call__(x, **ends)
        for end, row in ((min, maximum), (max, minimum)):
            if end is not None:
                if hasattr(end, "to") and hasattr(x, "dtype") and end.dtype != x.dtype:
                    end = end.to(x.dtype)
                x = row(x, end)
        return x


def _clip(x: Any, min: Any = None, max: Any = None) -> Any:
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        for end in (min, max):
            if isinstance(end, int) and not limits.min <= end <= limits.max:
                raise FormatError(
                    f"clip: {end} does not fit {x.dtype}; allowed: {limits.min} .. {limits.max}"
                )
    return x.copy() if min is None and max is None else np.clip(x, min, max).astype(x.dtype)


def _clip_grad(g: Any, y: Any, x: Any, min: Any = None, max: Any = None) -> tuple[Any, ...]:
    if min is not None:
        g = where(x >= min, g, g * 0.0)
    if max is not None:
        g = where(x <= max, g, g * 0.0)
    return (g,)


# fmt: off
clip: Op = op("clip", _clip, _clip_grad, "x limited to min .. max", saves=(0,),
              samples=(Sample(((3, 4),), {"min": -1.0, "max": 1.0}),
                       Sample(((3, 4),), {"max": 0.5})))
clip.__class__ = _Clip
# fmt: on
