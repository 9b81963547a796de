"""Sample frequencies, and zero frequency moved to the middle."""

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from extensor import ops
from extensor.errors import DTypeError, ShapeError
from extensor.formats import FP32
from extensor.formats import dtype as _dtype
from extensor.functions.operands import axes_of, tensor
from extensor.tensor import ExTensor, asarray


def _frequencies(name: str, k: Any, n: int, d: float, dtype: Any, device: str | None) -> ExTensor:
    to = FP32 if dtype is None else _dtype(dtype)
    if not to.is_float:
        raise DTypeError(f"{name}: dtype {to}; allowed: floats")
    return asarray(np.asarray(k / (n * d), np.float64), to, device)


def _count(name: str, n: int) -> int:
    if index(n) < 1:
        raise ShapeError(f"{name}: n={n}; allowed: 1 and more")
    return index(n)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None) -> ExTensor:
    """The frequencies of `fft`: ``[0, 1, ..., -2, -1] / (n d)``, in cycles a unit of ``d``.

    n
        The number of samples.
    d
        The distance of two samples.

    >>> import extensor as ex
    >>> ex.fft.fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    n = _count("fftfreq", n)
    k = np.arange(n)
    return _frequencies("fftfreq", np.where(k < (n + 1) // 2, k, k - n), n, d, dtype, device)


def rfftfreq(
    n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None
) -> ExTensor:
    """The frequencies of `rfft`: ``[0, 1, ..., n // 2] / (n d)``.

    >>> import extensor as ex
    >>> ex.fft.rfftfreq(4).tolist()
    [0.0, 0.25, 0.5]
    """
    n = _count("rfftfreq", n)
    return _frequencies("rfftfreq", np.arange(n // 2 + 1), n, d, dtype, device)


def fftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> ExTensor:
    """Frequency zero moved to the middle of these axes (all of them for None).

    >>> import extensor as ex
    >>> ex.fft.fftshift([0, 1, -2, -1]).tolist()
    [-2, -1, 0, 1]
    """
    made = tensor(x)
    at = axes_of("fftshift", axes, made.ndim)
    return ops.roll(made, shift=tuple(made.shape[a] // 2 for a in at), axis=at)  # type: ignore[no-any-return]


def ifftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> ExTensor:
    """The inverse of `fftshift`.

    >>> import extensor as ex
    >>> ex.fft.ifftshift([-1, 0, 1]).tolist()
    [0, 1, -1]
    """
    made = tensor(x)
    at = axes_of("ifftshift", axes, made.ndim)
    return ops.roll(made, shift=tuple(-(made.shape[a] // 2) for a in at), axis=at)  # type: ignore[no-any-return]
