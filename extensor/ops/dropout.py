"""Dropout: a random part of the numbers becomes 0, the others grow to make up for it.

Which ones is a function of the key and of the logical index alone. Dropout is linear, so its
gradient is dropout with the same key: no mask is kept.
"""

from typing import Any

from extensor.errors import FormatError, KeyMissingError
from extensor.kernels import front as kernels
from extensor.noise import Key
from extensor.ops.registry import Op, Sample, op


def check_probability(p: float) -> None:
    """FormatError unless 0 <= p < 1."""
    if not 0 <= p < 1:
        raise FormatError(f"dropout: p={p}; allowed: 0 <= p < 1, the part that becomes 0")


def _dropout(x: Any, p: float, key: Key | None = None) -> Any:
    check_probability(p)
    if p == 0:
        return x
    if key is None:
        raise KeyMissingError(
            f"dropout: p={p} and key=None; allowed: a key; call model(x, key=key), or model.eval() "
            "to evaluate without dropout"
        )
    return kernels.dropout(x, p, key)


# fmt: off
dropout: Op = op(
    "dropout", _dropout, lambda g, y, x, p, key=None: (dropout(g, p=p, key=key),),
    "0 with probability p, else x / (1 - p); drawn by the key and the logical index",
    result="float",
    samples=(Sample(((3, 4),), {"p": 0.5, "key": Key(3)}), Sample(((3, 4),), {"p": 0.0})))
# fmt: on
