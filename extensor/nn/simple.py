"""The plainest layers, and `Sequential`."""

from extensor import ops
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.tensor import ExTensor


class ReLU(Module):
    """``max(x, 0)``.

    >>> ReLU()([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.relu(x)  # type: ignore[no-any-return]


class Tanh(Module):
    """The hyperbolic tangent, LeNet's own activation of 1998.

    >>> Tanh()([0.0]).tolist()
    [0.0]
    """

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.tanh(x)  # type: ignore[no-any-return]


class Flatten(Module):
    """(N, ...) to (N, -1).

    >>> Flatten()([[[1.0, 2.0], [3.0, 4.0]]]).shape
    (1, 4)
    """

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return x.flatten()


class Identity(Module):
    """What comes in, as it is.

    >>> Identity()([1.0]).tolist()
    [1.0]
    """

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return x


class Sequential(Module):
    """Layers one after the other; layer i gets ``key.fold(i)``.

    >>> import extensor as ex
    >>> Sequential(Flatten(), ReLU())(ex.asarray([[[-1.0, 2.0]]])).tolist()
    [[0.0, 2.0]]
    """

    def __init__(self, *layers: Module) -> None:
        self.layers = list(layers)

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        for i, layer in enumerate(self.layers):
            x = layer(x, key=key.fold(i) if key is not None else None)
        return x
