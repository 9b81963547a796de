"""Activations as layers: each is an op of the table, and keeps the numbers that the op takes.

Over 300 lines: twenty layers of one kind, of which each is its op's name and a doctest.
"""

from typing import Any, ClassVar

import numpy as np

from extensor import ops
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.storage import Native
from extensor.tensor import ExTensor


class _Activation(Module):
    """A layer that is an op; `how` are the op's attributes where they are not as usual."""

    run: ClassVar[Any]

    def __init__(self) -> None:
        self.how: dict[str, Any] = {}

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return type(self).run(x, **self.how)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self.how.items())
        return f"{type(self).__name__}({words})"


class ReLU6(_Activation):
    """``x`` limited to 0 .. 6.

    >>> ReLU6()([7.0]).tolist()
    [6.0]
    """

    run = ops.relu6


class LeakyReLU(_Activation):
    """``x`` where x > 0, else ``slope x``.

    >>> LeakyReLU(0.5)([-1.0]).tolist()
    [-0.5]
    """

    run = ops.leaky_relu

    def __init__(self, slope: float = 0.01) -> None:
        self.how = {"slope": slope}


class ELU(_Activation):
    """``x`` where x > 0, else ``alpha (exp(x) - 1)``.

    >>> ELU()([0.5]).tolist()
    [0.5]
    """

    run = ops.elu

    def __init__(self, alpha: float = 1.0) -> None:
        self.how = {"alpha": alpha}


class SELU(_Activation):
    """`ELU` of alpha 1.6733 times 1.0507: mean 0 and variance 1 stay.

    Klambauer et al., "Self-normalizing neural networks", 2017.

    >>> SELU()([0.0]).tolist()
    [0.0]
    """

    run = ops.selu


class CELU(_Activation):
    """``x`` where x > 0, else ``alpha (exp(x / alpha) - 1)``.

    >>> CELU()([0.5]).tolist()
    [0.5]
    """

    run = ops.celu

    def __init__(self, alpha: float = 1.0) -> None:
        self.how = {"alpha": alpha}


class GELU(_Activation):
    """``x`` times the normal distribution function of x, or its ``"tanh"`` approximation.

    >>> GELU()([0.0]).tolist()
    [0.0]
    """

    run = ops.gelu

    def __init__(self, approximate: str = "none") -> None:
        self.how = {} if approximate == "none" else {"approximate": approximate}


class SiLU(_Activation):
    """``x sigmoid(x)``.

    >>> SiLU()([0.0]).tolist()
    [0.0]
    """

    run = ops.silu


class Mish(_Activation):
    """``x tanh(softplus(x))``.

    >>> Mish()([0.0]).tolist()
    [0.0]
    """

    run = ops.mish


class Sigmoid(_Activation):
    """``1 / (1 + exp(-x))``.

    >>> Sigmoid()([0.0]).tolist()
    [0.5]
    """

    run = ops.sigmoid


class LogSigmoid(_Activation):
    """``log(sigmoid(x))``.

    >>> LogSigmoid()([-200.0]).tolist()
    [-200.0]
    """

    run = ops.logsigmoid


class Softplus(_Activation):
    """``log(1 + exp(x))``.

    >>> Softplus()([200.0]).tolist()
    [200.0]
    """

    run = ops.softplus


class Softsign(_Activation):
    """``x / (1 + |x|)``.

    >>> Softsign()([1.0]).tolist()
    [0.5]
    """

    run = ops.softsign


class Hardtanh(_Activation):
    """``x`` limited to ``low .. high``.

    >>> Hardtanh()([3.0]).tolist()
    [1.0]
    """

    run = ops.hardtanh

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        self.how = {"low": low, "high": high}


class Hardsigmoid(_Activation):
    """``x / 6 + 1 / 2`` limited to 0 .. 1.

    >>> Hardsigmoid()([0.0]).tolist()
    [0.5]
    """

    run = ops.hardsigmoid


class Hardswish(_Activation):
    """``x`` times `Hardsigmoid` of x.

    >>> Hardswish()([3.0]).tolist()
    [3.0]
    """

    run = ops.hardswish


class Tanhshrink(_Activation):
    """``x - tanh(x)``.

    >>> Tanhshrink()([0.0]).tolist()
    [0.0]
    """

    run = ops.tanhshrink


class Softshrink(_Activation):
    """``x`` moved by ``edge`` towards 0, which it does not pass.

    >>> Softshrink()([2.0]).tolist()
    [1.5]
    """

    run = ops.softshrink

    def __init__(self, edge: float = 0.5) -> None:
        self.how = {"edge": edge}


class Hardshrink(_Activation):
    """``x`` where |x| > ``edge``, else 0.

    >>> Hardshrink()([2.0]).tolist()
    [2.0]
    """

    run = ops.hardshrink

    def __init__(self, edge: float = 0.5) -> None:
        self.how = {"edge": edge}


class Threshold(_Activation):
    """``x`` where x > ``edge``, else ``value``.

    >>> Threshold(1.0, 0.0)([2.0]).tolist()
    [2.0]
    """

    run = ops.threshold

    def __init__(self, edge: float, value: float) -> None:
        self.how = {"edge": edge, "value": value}


class Softmax(_Activation):
    """``exp(x) / sum(exp(x))`` along an axis.

    >>> Softmax()([0.0]).tolist()
    [1.0]
    """

    run = ops.softmax

    def __init__(self, axis: int = -1) -> None:
        self.how = {"axis": axis}


class LogSoftmax(_Activation):
    """``log(softmax(x))`` along an axis.

    >>> LogSoftmax()([0.0]).tolist()
    [0.0]
    """

    run = ops.log_softmax

    def __init__(self, axis: int = -1) -> None:
        self.how = {"axis": axis}


class Softmin(_Activation):
    """`Softmax` of -x.

    >>> Softmin()([0.0]).tolist()
    [1.0]
    """

    run = staticmethod(ops.softmin)

    def __init__(self, axis: int = -1) -> None:
        self.how = {"axis": axis}


class GLU(_Activation):
    """``a sigmoid(b)`` of the two halves of an axis.

    >>> GLU()([3.0, 0.0]).tolist()
    [1.5]
    """

    run = staticmethod(ops.glu)

    def __init__(self, axis: int = -1) -> None:
        self.how = {"axis": axis}


class PReLU(Module):
    """``x`` where x > 0, else ``weight x``: a learned slope, or one for each channel of axis 1.

    He et al., "Delving deep into rectifiers", 2015.

    >>> PReLU()([-4.0, 2.0]).tolist()
    [-1.0, 2.0]
    """

    def __init__(self, count: int = 1, value: float = 0.25) -> None:
        start = np.full(count, value, np.float32)
        self.weight = ExTensor(Native(start), requires_grad=True)

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.prelu(x, self.weight)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"PReLU({self.weight.size})"
