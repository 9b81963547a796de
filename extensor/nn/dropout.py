"""``Dropout``: in training, a part of the numbers becomes 0."""

from extensor import ops
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.ops.dropout import check_probability
from extensor.tensor import ExTensor


class Dropout(Module):
    """0 with probability ``p``, else ``x / (1 - p)``; nothing changes after ``eval()``.

    In training the call needs a key, unless p is 0. Srivastava et al., "Dropout", 2014.

    >>> import extensor as ex
    >>> layer = Dropout(0.5)
    >>> sorted(set(layer(ex.ExTensor[ex.float32].ones((50,)), key=ex.key(0)).tolist()))
    [0.0, 2.0]
    >>> layer.eval()(ex.asarray([1.0])).tolist()
    [1.0]
    """

    def __init__(self, p: float) -> None:
        check_probability(p)
        self.p = p

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        if not self.training or self.p == 0:
            return x
        return ops.dropout(x, p=self.p, key=key)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"Dropout({self.p})"
