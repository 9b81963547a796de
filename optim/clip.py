"""Clipping: gradients made shorter (by their common norm) or smaller (each value).

>>> ClipNorm(1.0), ClipValue(0.5)
(ClipNorm(limit=1.0), ClipValue(limit=0.5))
"""

import math

from extensor.kernels.front import clamp, scale, square_sum
from extensor.optim.check import real
from extensor.optim.transform import Arrays, State


def global_norm(grads: Arrays) -> float:
    """The Euclidean norm of all arrays together, as a Python float.

    float64 sums in one fixed order (`extensor.kernels.update.square_sum` within an array, then
    array after array), so the result does not depend on threads.

    >>> import numpy as np
    >>> global_norm({"a": np.full(3, 2, np.float32), "b": np.full(1, 2, np.float32)})
    4.0
    """
    total = 0.0
    for u in grads.values():
        total += square_sum(u)
    return math.sqrt(total)


class ClipNorm:
    """``u = u * min(1, limit / (norm + 1e-6))`` with the norm of all gradients together.

    Pascanu et al., arXiv 1211.5063, algorithm 1; the 1e-6 is that of PyTorch's
    ``clip_grad_norm_``. A norm that is not a number or infinite makes gradients not a number: it
    is not hidden. FormatError unless limit is above 0.

    >>> import numpy as np
    >>> u = {"w": np.array([3, 4], np.float32)}
    >>> ClipNorm(1.0).update(u, {}, {}, 0)
    >>> u["w"].round(3).tolist() == np.array([0.6, 0.8], np.float32).tolist()
    True
    """

    def __init__(self, limit: float) -> None:
        self.limit = real("ClipNorm: limit", limit, positive=True)

    def init(self, params: Arrays) -> State:
        """Nothing to remember."""
        return {}

    def update(self, grads: Arrays, state: State, params: Arrays, step: int) -> None:
        """Scale all gradients by one factor, if their norm is over the limit."""
        factor = self.limit / (global_norm(grads) + 1e-6)
        if not factor >= 1.0:
            for u in grads.values():
                scale(u, factor)

    def __repr__(self) -> str:
        return f"ClipNorm(limit={self.limit})"


class ClipValue:
    """``u = min(max(u, -limit), limit)`` for each value; FormatError unless limit is above 0.

    >>> import numpy as np
    >>> u = {"w": np.array([-3, 0.25], np.float32)}
    >>> ClipValue(0.5).update(u, {}, {}, 0)
    >>> u["w"].tolist()
    [-0.5, 0.25]
    """

    def __init__(self, limit: float) -> None:
        self.limit = real("ClipValue: limit", limit, positive=True)

    def init(self, params: Arrays) -> State:
        """Nothing to remember."""
        return {}

    def update(self, grads: Arrays, state: State, params: Arrays, step: int) -> None:
        """Clamp every value."""
        for u in grads.values():
            clamp(u, self.limit)

    def __repr__(self) -> str:
        return f"ClipValue(limit={self.limit})"
