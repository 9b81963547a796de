"""Gradient checks: the gradient in float64 against central finite differences.

For ``f`` with inputs ``x`` and a fixed random cotangent ``c``, ``L(x) = sum(c f(x))``; each entry
of ``dL/dx`` is compared with ``(L(x + h e) - L(x - h e)) / 2h``. The error of that quotient is of
order ``h**2`` and of rounding ``eps / h``: with ``h = 1e-5`` about 1e-10, far below ``rtol``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from extensor.autograd import grad
from extensor.errors import GraphError
from extensor.ops.mode import no_grad
from extensor.tensor import ExTensor, asarray

STEP = 1e-5


def _tensors(inputs: Sequence[Any]) -> list[ExTensor]:
    made = []
    for x in inputs:
        array = np.asarray(x)
        floats = array.dtype.kind == "f"
        made.append(asarray(array.astype(np.float64) if floats else array, requires_grad=floats))
    return made


def _scalar(f: Callable[..., ExTensor], xs: Sequence[ExTensor], c: Any) -> ExTensor:
    return (f(*xs) * c).sum()  # type: ignore[no-any-return]


def slopes(value: Callable[..., float], xs: Sequence[ExTensor], step: float = STEP) -> list[Any]:
    """Central differences of a number for every entry of every float input (None for others)."""
    answers: list[Any] = []
    for i, x in enumerate(xs):
        if not x.requires_grad:
            answers.append(None)
            continue
        base = x.numpy()
        slope = np.zeros(base.shape)
        for at in np.ndindex(base.shape):
            ends = []
            for sign in (1, -1):
                moved = base.copy()
                moved[at] += sign * step
                ends.append(value(*(asarray(moved) if j == i else t for j, t in enumerate(xs))))
            slope[at] = (ends[0] - ends[1]) / (2 * step)
        answers.append(slope)
    return answers


def _gradients(y: ExTensor, xs: Sequence[ExTensor]) -> list[Any]:
    """The gradient of y for every float input, None for the others."""
    wanted = [x for x in xs if x.requires_grad]
    parts = iter(grad(y, wanted) if y.requires_grad else [None] * len(wanted))
    return [next(parts) if x.requires_grad else None for x in xs]


def _compare(name: str, got: list[Any], want: list[Any], rtol: float, atol: float) -> None:
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        if w is None:
            continue
        array = np.zeros_like(w) if g is None else g.numpy()
        wrong = np.abs(array - w) > atol + rtol * np.abs(w)
        if wrong.any():
            at = tuple(int(k) for k in np.argwhere(wrong)[0])
            raise GraphError(
                f"{name}: input {i} at {at}: gradient {array[at]:.10g}, finite differences "
                f"{w[at]:.10g}; {int(wrong.sum())} of {w.size} entries are wrong"
            )


def gradcheck(
    f: Callable[..., ExTensor],
    inputs: Sequence[Any],
    *,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    step: float = STEP,
    seed: int = 0,
) -> bool:
    """True where the gradient of ``f`` equals finite differences in float64; else `GraphError`.

    inputs
        Arrays; floats are taken as float64 and differentiated, integers are passed on.

    >>> import extensor as ex
    >>> gradcheck(lambda x: x * x * x, [[1.0, -2.0]])
    True
    """
    xs = _tensors(inputs)
    with no_grad():
        shape = f(*xs).shape
    c = asarray(np.random.default_rng(seed).uniform(0.5, 1.5, shape))
    got = _gradients(_scalar(f, xs, c), xs)

    def value(*ys: ExTensor) -> float:
        with no_grad():
            return float(_scalar(f, ys, c))

    _compare("gradcheck", got, slopes(value, xs, step), rtol, atol)
    return True


def gradgradcheck(
    f: Callable[..., ExTensor], inputs: Sequence[Any], *, rtol: float = 1e-5, atol: float = 1e-7
) -> bool:
    """The same for the gradient of ``f``: second derivatives against finite differences.

    >>> gradgradcheck(lambda x: x * x * x, [[1.0, -2.0]])
    True
    """
    xs = _tensors(inputs)
    with no_grad():
        shape = f(*xs).shape
    c = asarray(np.random.default_rng(1).uniform(0.5, 1.5, shape))

    def first(*ys: ExTensor) -> ExTensor:
        """A number made of all first derivatives, with a graph of its own."""
        leaves = [
            y if y.requires_grad or not x.requires_grad else ExTensor(y.storage, requires_grad=True)
            for x, y in zip(xs, ys, strict=True)
        ]
        wanted = [y for y in leaves if y.requires_grad]
        total = asarray(np.float64(0))
        for part in grad(_scalar(f, leaves, c), wanted, create_graph=True):
            if part is not None:
                weights = asarray(np.linspace(0.5, 1.5, part.size).reshape(part.shape))
                total = total + (part * weights).sum()
        return total

    want = slopes(lambda *ys: float(first(*ys)), xs)
    _compare("gradgradcheck", _gradients(first(*xs), xs), want, rtol, atol)
    return True
