"""AdamW: Adam with a weight decay that the moments do not see.

>>> AdamW.__mro__[1].__name__
'Optimizer'
"""

from collections.abc import Sequence

from extensor.optim.adam import Moments
from extensor.optim.check import real
from extensor.optim.optimizer import Optimizer, Rate
from extensor.optim.parameter import Parameters
from extensor.optim.sgd import Clip, clipping
from extensor.optim.transform import Decay, chain


class AdamW(Optimizer):
    """Adam's moments of ``clip(g)``, then ``p = p - lr(step) (u + weight_decay p)``.

    Loshchilov and Hutter, arXiv 1711.05101, algorithm 2, with the rate multiplying both terms as
    ``torch.optim.AdamW`` has it (PyTorch documentation, "AdamW", Algorithm).

    params
        A list of float32 tensors, or a dict of them by name.
    lr
        A number or a schedule (`extensor.optim.schedules`).
    betas, eps
        See `extensor.optim.adam.Moments`.
    clip
        None, a limit for the norm of all gradients, or a transform such as ``ClipValue(0.1)``.

    FormatError for numbers out of range.

    >>> import numpy as np
    >>> from types import SimpleNamespace as Box
    >>> w = Box(storage=Box(array=np.ones(1, np.float32)), bump=lambda: None)
    >>> w.grad = Box(array=lambda: np.full(1, 7, np.float32))
    >>> AdamW({"w": w}, lr=0.25, weight_decay=0.5).step()
    >>> w.storage.array.item()                     # 1 - 0.25 * (1 + 0.5)
    0.625
    """

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        clip: Clip = None,
    ) -> None:
        decay = real("AdamW: weight_decay", weight_decay)
        stages = chain(clipping(clip), Moments(betas, eps), Decay(decay) if decay else None)
        super().__init__(params, stages, lr)
