"""Adam: each value moves by its mean gradient over the root of its mean squared gradient.

>>> Moments((0.9, 0.999), 1e-8)
Moments(betas=(0.9, 0.999), eps=1e-08)
"""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from extensor.capture import each_step, number
from extensor.errors import FormatError
from extensor.kernels import front as update
from extensor.optim.check import real
from extensor.optim.optimizer import Optimizer, Rate
from extensor.optim.parameter import Parameters
from extensor.optim.sgd import Clip, clipping
from extensor.optim.transform import Arrays, Decay, State, chain


def _correction(beta: float, count: NDArray[np.int64]) -> float:
    """``1 / (1 - beta^t)`` for the update after ``count`` others."""
    return 1.0 / float(1.0 - beta ** (int(count) + 1))


def _root_correction(beta: float, count: NDArray[np.int64]) -> float:
    """``1 / sqrt(1 - beta^t)``."""
    return 1.0 / math.sqrt(1.0 - beta ** (int(count) + 1))


class Moments:
    """``m = b1 m + (1-b1) u;  v = b2 v + (1-b2) u^2``; then with ``t`` counted from 1

    ``u = (m / (1 - b1^t)) / (sqrt(v) / sqrt(1 - b2^t) + eps)``

    (Kingma and Ba, arXiv 1412.6980, algorithm 1; eps outside of the root as there and in
    PyTorch). ``t`` counts the updates of each parameter by itself, so one that had no gradient
    for a while is corrected rightly. FormatError unless 0 <= b1, b2 < 1 and eps >= 0.

    >>> u = {"w": np.array([3, -0.5], np.float32)}
    >>> moments = Moments()
    >>> moments.update(u, moments.init(u), u, 0)
    >>> u["w"].tolist()                            # the first step is the sign
    [1.0, -1.0]
    """

    def __init__(self, betas: Sequence[float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        if not isinstance(betas, Sequence) or len(betas) != 2:
            raise FormatError(f"Adam: betas must be two numbers (beta1, beta2); got {betas!r}")
        self.betas = (
            real("Adam: betas[0]", betas[0], below=1.0),
            real("Adam: betas[1]", betas[1], below=1.0),
        )
        self.eps = real("Adam: eps", eps)

    def init(self, params: Arrays) -> State:
        """The slots "mean" and "square" (zero at first) and "count"."""
        return {
            "mean": {name: np.zeros_like(p) for name, p in params.items()},
            "square": {name: np.zeros_like(p) for name, p in params.items()},
            "count": {name: np.zeros((), np.int64) for name in params},
        }

    def update(self, grads: Arrays, state: State, params: Arrays, step: int) -> None:
        """Update the moments and replace each gradient by Adam's direction."""
        mean, square, counts = state["mean"], state["square"], state["count"]
        b1, b2 = self.betas
        for name, u in grads.items():
            fix1 = number(partial(_correction, b1, counts[name]))
            fix2 = number(partial(_root_correction, b2, counts[name]))
            update.adam(mean[name], square[name], u, b1, b2, fix1, fix2, self.eps)
            each_step(partial(np.add, counts[name], 1, out=counts[name]))

    def __repr__(self) -> str:
        return f"Moments(betas={self.betas}, eps={self.eps})"


class Adam(Optimizer):
    """``g = clip(g) + weight_decay p``, Adam's moments of g, ``p = p - lr(step) u``.

    The formula of ``torch.optim.Adam`` (PyTorch documentation, "Adam", Algorithm): the decay is
    part of the gradient (L2), so the moments see it; `AdamW` decays apart from them.

    params
        A list of float32 tensors, or a dict of them by name.
    lr
        A number or a schedule (`extensor.optim.schedules`).
    betas, eps
        How slowly the two means forget, and what keeps the division finite: see `Moments`.
    clip
        None, a limit for the norm of all gradients, or a transform such as ``ClipValue(0.1)``.

    FormatError for numbers out of range.

    >>> from types import SimpleNamespace as Box
    >>> w = Box(storage=Box(array=np.ones(1, np.float32)), bump=lambda: None)
    >>> w.grad = Box(array=lambda: np.full(1, 7, np.float32))
    >>> Adam({"w": w}, lr=0.25).step()
    >>> w.storage.array.item()
    0.75
    """

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip: Clip = None,
    ) -> None:
        decay = real("Adam: weight_decay", weight_decay)
        stages = chain(clipping(clip), Decay(decay) if decay else None, Moments(betas, eps))
        super().__init__(params, stages, lr)
