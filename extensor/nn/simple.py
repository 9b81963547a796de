"""Layers without parameters, and `Sequential`."""

from typing import Any

from extensor import ops
from extensor.nn.conv import Size, pair
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.tensor import ExTensor


class ReLU(Module):
    """``max(x, 0)``."""

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.relu(x)  # type: ignore[no-any-return]


class Tanh(Module):
    """The hyperbolic tangent, LeNet's own activation of 1998."""

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.tanh(x)  # type: ignore[no-any-return]


class Flatten(Module):
    """(N, ...) to (N, -1)."""

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return x.flatten()


class _Pool(Module):
    """A pooling layer: window, stride (the window where None) and padding."""

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        self.kernel = pair(kernel_size)
        self.how: dict[str, Any] = {
            "kernel": self.kernel,
            "stride": self.kernel if stride is None else pair(stride),
            "padding": pair(padding),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kernel})"


class MaxPool2d(_Pool):
    """The largest of every window.

    >>> import extensor as ex
    >>> MaxPool2d(2)(ex.ExTensor[ex.float32].zeros((1, 6, 28, 28))).shape
    (1, 6, 14, 14)
    """

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.max_pool2d(x, **self.how)  # type: ignore[no-any-return]


class AvgPool2d(_Pool):
    """The mean of every window."""

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.avg_pool2d(x, **self.how)  # type: ignore[no-any-return]


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
