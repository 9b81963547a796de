"""Schemes for initial weights by the names that papers gave them: parameters, from a key each.

A weight is (outputs, inputs, *taps). ``fan in`` is how many numbers an output is a sum of, ``fan
out`` how many outputs an input goes into: inputs or outputs times the taps.
"""

import math

import numpy as np

from extensor.errors import FormatError, ShapeError
from extensor.nn.init.draw import FIRST, normal, uniform
from extensor.noise import Key
from extensor.storage import Native
from extensor.tensor import ExTensor

Shape = tuple[int, ...]
GAINS = {
    "linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4,
}  # fmt: skip
"""By how much an activation shrinks the deviation of what passes it; `leaky_relu` has a slope."""


def _parameter(array: object) -> ExTensor:
    return ExTensor(Native(np.ascontiguousarray(array, np.float32)), requires_grad=True)


def fans(shape: Shape) -> tuple[int, int]:
    """(fan in, fan out); ShapeError for less than two axes.

    >>> fans((8, 4, 3, 3))
    (36, 72)
    """
    if len(shape) < 2 or min(shape) < 1:
        raise ShapeError(f"init: shape {shape}; allowed: (outputs, inputs, *taps), none of them 0")
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def gain(activation: str, slope: float = 0.01) -> float:
    """The factor that makes up for an activation; ``slope`` is that of ``"leaky_relu"``.

    >>> round(gain("relu"), 4), round(gain("leaky_relu", 1.0), 4)
    (1.4142, 1.0)
    """
    if activation == "leaky_relu":
        return math.sqrt(2 / (1 + slope * slope))
    if activation not in GAINS:
        known = ", ".join([*GAINS, "leaky_relu"])
        raise FormatError(f"init: no gain for {activation!r}; allowed: {known}")
    return GAINS[activation]


def _fan(shape: Shape, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise FormatError(f"init: mode={mode!r}; allowed: 'fan_in', 'fan_out'")
    return fans(shape)[mode == "fan_out"]


def constant(shape: Shape, value: float) -> ExTensor:
    """Every number ``value``.

    >>> constant((2,), 0.5).tolist()
    [0.5, 0.5]
    """
    return _parameter(np.full(shape, value))


def xavier_uniform(shape: Shape, key: Key = FIRST, *, gain: float = 1.0) -> ExTensor:
    """``U(-b, b)``, ``b = gain sqrt(6 / (fan in + fan out))``.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    2010, (16).

    >>> bool(abs(xavier_uniform((100, 50)).numpy()).max() < 0.2)
    True
    """
    return _parameter(uniform(shape, gain * math.sqrt(6 / sum(fans(shape))), key))


def xavier_normal(shape: Shape, key: Key = FIRST, *, gain: float = 1.0) -> ExTensor:
    """``N(0, s**2)``, ``s = gain sqrt(2 / (fan in + fan out))``; see `xavier_uniform`.

    >>> 0.09 < xavier_normal((150, 50)).numpy().std().item() < 0.11
    True
    """
    return _parameter(normal(shape, gain * math.sqrt(2 / sum(fans(shape))), key))


def kaiming_uniform(
    shape: Shape, key: Key = FIRST, *, mode: str = "fan_in", activation: str = "relu",
    slope: float = 0.01,
) -> ExTensor:  # fmt: skip
    """``U(-b, b)``, ``b = gain sqrt(3 / fan)`` with the `gain` of the activation that follows.

    He et al., "Delving deep into rectifiers", 2015, (10); ``mode="fan_out"`` is its (14).

    >>> bool(abs(kaiming_uniform((10, 600)).numpy()).max() < 0.1)
    True
    """
    bound = gain(activation, slope) * math.sqrt(3 / _fan(shape, mode))
    return _parameter(uniform(shape, bound, key))


def kaiming_normal(
    shape: Shape, key: Key = FIRST, *, mode: str = "fan_in", activation: str = "relu",
    slope: float = 0.01,
) -> ExTensor:  # fmt: skip
    """``N(0, s**2)``, ``s = gain / sqrt(fan)``; see `kaiming_uniform`.

    >>> 0.095 < kaiming_normal((50, 200)).numpy().std().item() < 0.105
    True
    """
    std = gain(activation, slope) / math.sqrt(_fan(shape, mode))
    return _parameter(normal(shape, std, key))


def lecun_uniform(shape: Shape, key: Key = FIRST) -> ExTensor:
    """``U(-b, b)``, ``b = sqrt(3 / fan in)``: what `Linear` and `Conv2d` begin with.

    LeCun et al., "Efficient BackProp", 1998, section 4.6.

    >>> bool(abs(lecun_uniform((10, 300)).numpy()).max() < 0.1)
    True
    """
    return _parameter(uniform(shape, math.sqrt(3 / fans(shape)[0]), key))


def lecun_normal(shape: Shape, key: Key = FIRST) -> ExTensor:
    """``N(0, s**2)``, ``s = 1 / sqrt(fan in)``; what selu asks for.

    >>> 0.095 < lecun_normal((100, 100)).numpy().std().item() < 0.105
    True
    """
    return _parameter(normal(shape, 1 / math.sqrt(fans(shape)[0]), key))


def truncated_normal(
    shape: Shape, key: Key = FIRST, *, mean: float = 0.0, std: float = 1.0, low: float = -2.0,
    high: float = 2.0,
) -> ExTensor:  # fmt: skip
    """``mean + std z``, z of the standard normal distribution within ``low .. high``.

    What falls outside is drawn again, in round i from ``key.fold(i)``, so the answer is a function
    of the key. FormatError unless ``low < high`` and there is enough between them to be hit.

    >>> x = truncated_normal((1000,), std=0.5).numpy()
    >>> bool(abs(x).max() <= 1.0), bool(0.42 < x.std() < 0.46)
    (True, True)
    """
    mass = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    if not (low < high and mass > 0.01):
        raise FormatError(
            f"truncated_normal: low={low}, high={high} hold {max(mass, 0):.2g} of the "
            "distribution; allowed: low < high with more than 0.01 between them"
        )
    z, round_ = normal(shape, 1.0, key), 0
    while (outside := (z < low) | (z > high)).any():
        round_ += 1
        z = np.where(outside, normal(shape, 1.0, key.fold(round_)), z)
    return _parameter(mean + std * z)


def orthogonal(shape: Shape, key: Key = FIRST, *, gain: float = 1.0) -> ExTensor:
    """Rows, or columns where they are fewer, at right angles and of length ``gain``.

    Of (outputs, inputs, *taps) taken as (outputs, inputs times taps): the Q of a normal matrix
    (Householder), its signs fixed so that Q is uniform. Saxe et al., "Exact solutions to the
    nonlinear dynamics of learning in deep linear networks", 2014.

    >>> w = orthogonal((3, 5)).numpy()
    >>> np.allclose(w @ w.T, np.eye(3), atol=1e-6)
    True
    """
    fans(shape)
    rows, columns = shape[0], math.prod(shape[1:])
    wide = rows < columns
    flat = normal((columns, rows) if wide else (rows, columns), 1.0, key).astype(np.float64)
    q, r = np.linalg.qr(flat)
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return _parameter(gain * (q.T if wide else q).reshape(shape))
