"""``LayerNorm`` and ``RMSNorm``: every token scaled to variance 1, by itself."""

from extensor import ops
from extensor.nn.init import ones, zeros
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.tensor import ExTensor


class LayerNorm(Module):
    """``weight (x - mean) / sqrt(variance + eps) + bias`` over the last axis of (..., width).

    >>> import extensor as ex
    >>> [round(v, 3) for v in LayerNorm(2)(ex.asarray([1.0, 3.0])).tolist()]
    [-1.0, 1.0]
    """

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        self.eps = eps
        self.weight, self.bias = ones((width,)), zeros((width,))

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.layer_norm(x, self.weight, self.bias, eps=self.eps)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"LayerNorm({self.weight.size}, eps={self.eps})"


class RMSNorm(Module):
    """``weight x / sqrt(mean(x**2) + eps)`` over the last axis of (..., width).

    >>> import extensor as ex
    >>> [round(v, 3) for v in RMSNorm(2)(ex.asarray([1.0, 7.0])).tolist()]
    [0.2, 1.4]
    """

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        self.eps = eps
        self.weight = ones((width,))

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.rms_norm(x, self.weight, eps=self.eps)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"RMSNorm({self.weight.size}, eps={self.eps})"
