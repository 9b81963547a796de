"""``Embedding``: a learned vector for each integer."""

from extensor import ops
from extensor.nn.init import FIRST, normal
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.storage import Native
from extensor.tensor import ExTensor


class Embedding(Module):
    """Integers (...) below ``count`` to rows (..., width) of the weight.

    std
        The initial weights are drawn from a normal distribution of this deviation.

    >>> import extensor as ex
    >>> Embedding(10, 4, key=ex.key(0))(ex.asarray([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(self, count: int, width: int, *, std: float = 1.0, key: Key = FIRST) -> None:
        self.weight = ExTensor(Native(normal((count, width), std, key)), requires_grad=True)

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.embedding(self.weight, x)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        count, width = self.weight.shape
        return f"Embedding({count}, {width})"
