"""The lower and the upper triangle of matrices: the rest becomes zero."""

from typing import Any

import numpy as np

from extensor.errors import ShapeError
from extensor.ops.registry import Op, Sample, op


def _matrices(name: str, x: Any) -> Any:
    if x.ndim < 2:
        raise ShapeError(f"{name}: shape {x.shape}; allowed: matrices (..., rows, columns)")
    return x


_SAMPLES = (
    Sample(((3, 4),)),
    Sample(((2, 3, 3),), {"k": 1}),
    Sample(((3, 4),), {"k": -1}),
)
# fmt: off
tril: Op = op("tril", lambda x, k=0: np.tril(_matrices("tril", x), k),
              lambda g, y, x, k=0: (tril(g, k=k),),
              "the entries on and below the k-th diagonal of every matrix, zeros above",
              result="same", fills=True, samples=_SAMPLES)
triu: Op = op("triu", lambda x, k=0: np.triu(_matrices("triu", x), k),
              lambda g, y, x, k=0: (triu(g, k=k),),
              "the entries on and above the k-th diagonal of every matrix, zeros below",
              result="same", fills=True, samples=_SAMPLES)
# fmt: on
