"""``LearnedStep``: a quantizer whose scale is a parameter (LSQ, Esser et al., arXiv 1902.08153)."""

import math

import numpy as np

from extensor import ops
from extensor.errors import DTypeError
from extensor.formats import DType, Element, dtype
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.tensor import ExTensor, asarray


class LearnedStep(Module):
    """``y = s decode(encode(x / s))``: x rounded to multiples of a step s that is learned.

    The gradient of x is that of y where x / s is within the format, else 0. The gradient of s is
    ``Σ g (decode - x / s)`` where it is within and ``Σ g (±max)`` where it is not, times
    ``1 / sqrt(size(x) max)`` (sections 2.1 and 2.2 there; max is the largest element).

    fmt
        An element format with codes: FP4, FP8, or a `Fixed` such as int4.
    step
        Where s begins; None: ``2 mean|x| / sqrt(max)`` of the first x in training, which sets it.

    Put it before a layer for its activations, or call it on a weight: recipes choose their scales
    anew in each call, this one remembers. DTypeError for a format that is no element with codes.

    >>> import extensor as ex
    >>> layer = LearnedStep(ex.float4_e2m1fn, step=0.5)
    >>> layer([0.4, 1.2, -9.0]).tolist()
    [0.5, 1.0, -3.0]
    >>> layer([0.4, 1.2, -9.0]).sum().backward()
    >>> round(layer.step.grad.item() * (3 * 6) ** 0.5, 4)      # 0.2 - 0.4 - 6
    -6.2
    """

    def __init__(self, fmt: Element, step: float | None = None) -> None:
        known: DType = dtype(fmt)
        if not isinstance(known, Element) or known.kind != "coded":
            raise DTypeError(
                f"LearnedStep: {known} is no element format with codes; allowed: FP4, FP6, FP8, "
                "Fixed (blocks choose their scales themselves)"
            )
        self.fmt = known
        first = np.array([1.0 if step is None else step], np.float32)
        self.step = asarray(first, requires_grad=True)
        self.begun = asarray(np.array([step is not None]))

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        most = float(self.fmt.max)
        if self.training and not self.begun.numpy().any():
            self._begin(x, most)
        small = 1.0 / math.sqrt(x.size * most)
        step = self.step * small + (self.step * (1.0 - small)).detach()  # a smaller gradient
        inside = ops.clip(x / step, min=-most, max=most)
        y: ExTensor = inside.to(self.fmt).to("float32") * step
        return y

    def _begin(self, x: ExTensor, most: float) -> None:
        mean = float(np.abs(x.numpy()).mean())
        self.step.storage.array[...] = 2 * mean / math.sqrt(most) or 1.0  # type: ignore[union-attr]
        self.begun.storage.array[...] = True  # type: ignore[union-attr]
        self.step.bump()

    def __repr__(self) -> str:
        return f"LearnedStep({self.fmt}, step={self.step.numpy()[0]:g})"
