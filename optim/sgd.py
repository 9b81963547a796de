"""Stochastic gradient descent, with momentum, Nesterov's look-ahead and weight decay.

>>> Momentum(0.9)
Momentum(mu=0.9, nesterov=False)
"""

import numpy as np

from extensor.errors import FormatError
from extensor.kernels import front as update
from extensor.optim.check import real
from extensor.optim.clip import ClipNorm
from extensor.optim.optimizer import Optimizer, Rate
from extensor.optim.parameter import Parameters
from extensor.optim.transform import Arrays, Decay, State, Transform, chain

Clip = float | Transform | None
"""A limit for the global norm, any transform (such as `ClipValue`), or no clipping."""


class Momentum:
    """``m = mu * m + u``; then ``u = m``, or ``u = u + mu * m`` with ``nesterov``.

    The form of Sutskever et al. (ICML 2013) as PyTorch writes it: the rate multiplies ``m`` when
    it is applied, and not when it is collected. FormatError unless 0 <= mu < 1.

    >>> m, u = {"momentum": {"w": np.ones(1, np.float32)}}, {"w": np.ones(1, np.float32)}
    >>> Momentum(0.5).update(u, m, {}, 0)
    >>> u["w"].item()
    1.5
    """

    def __init__(self, mu: float, nesterov: bool = False) -> None:
        self.mu = real("Momentum: mu", mu, below=1.0)
        self.nesterov = nesterov

    def init(self, params: Arrays) -> State:
        """The slot "momentum", zero at first."""
        return {"momentum": {name: np.zeros_like(p) for name, p in params.items()}}

    def update(self, grads: Arrays, state: State, params: Arrays, step: int) -> None:
        """Collect each gradient and replace it by the momentum."""
        run = update.nesterov if self.nesterov else update.momentum
        memory = state["momentum"]
        for name, u in grads.items():
            run(memory[name], u, self.mu)

    def __repr__(self) -> str:
        return f"Momentum(mu={self.mu}, nesterov={self.nesterov})"


def clipping(clip: Clip) -> Transform | None:
    """The transform that the argument ``clip`` of an optimizer means.

    >>> clipping(1.0)
    ClipNorm(limit=1.0)
    """
    if clip is None or isinstance(clip, Transform):
        return clip
    return ClipNorm(clip)


class SGD(Optimizer):
    """``g = clip(g) + weight_decay p;  m = momentum m + g;  p = p - lr(step) m``.

    Without momentum ``p = p - lr g``; with ``nesterov`` ``p = p - lr (g + momentum m)``. The
    formula of ``torch.optim.SGD`` with dampening 0 (PyTorch documentation, "SGD", Algorithm);
    ``m`` starts at zero, so the first step is plain, as there.

    params
        A list of float32 tensors, or a dict of them by name.
    lr
        A number or a schedule (`extensor.optim.schedules`).
    clip
        None, a limit for the norm of all gradients, or a transform such as ``ClipValue(0.1)``.
        It clips the gradients before decay is added.

    FormatError for numbers out of range, and for ``nesterov`` without momentum.

    >>> from types import SimpleNamespace as Box
    >>> w = Box(storage=Box(array=np.ones(1, np.float32)), bump=lambda: None)
    >>> w.grad = Box(array=lambda: np.ones(1, np.float32))
    >>> sgd = SGD([w], lr=0.25, momentum=0.5)
    >>> for _ in range(2):
    ...     sgd.step()
    >>> w.storage.array.item(), sgd
    (0.375, SGD(chain(Momentum(mu=0.5, nesterov=False)), lr=constant(lr=0.25)))
    """

    def __init__(
        self,
        params: Parameters,
        lr: Rate,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip: Clip = None,
    ) -> None:
        mu = real("SGD: momentum", momentum, below=1.0)
        decay = real("SGD: weight_decay", weight_decay)
        if nesterov and not mu:
            raise FormatError(
                f"SGD: nesterov needs a momentum above 0; got momentum={momentum!r}; "
                f"set momentum=0.9 or nesterov=False"
            )
        stages = chain(
            clipping(clip),
            Decay(decay) if decay else None,
            Momentum(mu, nesterov) if mu else None,
        )
        super().__init__(params, stages, lr)
