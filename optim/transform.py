"""A transform turns gradients into a direction; a chain applies several, one after the other.

The idea of optax (``GradientTransformation``, ``chain``): an optimizer is a pair of functions
``init`` and ``update``, and a bigger optimizer is a list of small ones. Here the update happens
in place, in buffers that the `Optimizer` made once, so that a step allocates nothing large.

>>> u = {"w": np.ones(2, np.float32)}
>>> recipe = chain(Decay(0.5), Decay(0.25))
>>> recipe.update(u, recipe.init(u), {"w": np.full(2, 4, np.float32)}, 0)
>>> u["w"].tolist(), recipe
([4.0, 4.0], chain(Decay(rate=0.5), Decay(rate=0.25)))
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from extensor.errors import FormatError
from extensor.kernels.front import add_scaled
from extensor.optim.check import real

Arrays = Mapping[str, NDArray[np.float32]]
"""One flat (1-D, C-contiguous) float32 array a parameter, by its name."""

State = dict[str, dict[str, NDArray[Any]]]
"""Slot, then parameter name, then the array: ``state["momentum"]["fc1.weight"]``."""


@runtime_checkable
class Transform(Protocol):
    """One stage between the gradient and the direction along which parameters descend.

    >>> import numpy as np
    >>> class Flip:                              # a stage of one's own: climb instead
    ...     def init(self, params):
    ...         return {}
    ...     def update(self, grads, state, params, step):
    ...         for g in grads.values():
    ...             np.negative(g, out=g)
    >>> isinstance(Chain(Flip()).stages[0], Flip)
    True
    """

    def init(self, params: Arrays) -> State:
        """Fresh state: in each slot an array per parameter, of its size or of no dimension."""
        ...

    def update(self, grads: Arrays, state: State, params: Arrays, step: int) -> None:
        """Rewrite ``grads`` and ``state`` in place; ``params`` is only read.

        ``grads`` holds the parameters that have a gradient in this step (a subset of ``params``),
        ``step`` the number of updates made before this one.
        """
        ...


class Chain:
    """The stages of `chain`, itself a transform.

    >>> Chain().init({})
    {}
    """

    def __init__(self, *stages: Transform) -> None:
        self.stages = stages

    def init(self, params: Arrays) -> State:
        """The slots of all stages; FormatError if two stages use one slot."""
        state: State = {}
        for stage in self.stages:
            slots = stage.init(params)
            if shared := sorted(state.keys() & slots.keys()):
                raise FormatError(
                    f"chain: the state {shared} is used by two stages; keep one of them: {self!r}"
                )
            state |= slots
        return state

    def update(self, grads: Arrays, state: State, params: Arrays, step: int) -> None:
        """Each stage in order, on the output of the one before."""
        for stage in self.stages:
            stage.update(grads, state, params, step)

    def __repr__(self) -> str:
        return f"chain({', '.join(map(repr, self.stages))})"


def chain(*stages: Transform | None) -> Chain:
    """The transform that applies ``stages`` in order; a stage ``None`` is left out.

    >>> chain(None, Decay(0.1))
    chain(Decay(rate=0.1))
    """
    return Chain(*(stage for stage in stages if stage is not None))


class Decay:
    """Weight decay: ``u = u + rate * p``.

    Before the other stages it is the gradient of ``rate/2 |p|^2`` (L2, as in SGD and Adam);
    after them it is the decoupled decay of AdamW. FormatError for a rate below 0.

    >>> u = {"w": np.zeros(1, np.float32)}
    >>> Decay(0.5).update(u, {}, {"w": np.ones(1, np.float32)}, 0)
    >>> u["w"].item()
    0.5
    """

    def __init__(self, rate: float) -> None:
        self.rate = real("Decay: rate", rate)

    def init(self, params: Arrays) -> State:
        """Nothing to remember."""
        return {}

    def update(self, grads: Arrays, state: State, params: Arrays, step: int) -> None:
        """Add the decay of every parameter that has a gradient."""
        for name, u in grads.items():
            add_scaled(u, params[name], self.rate)

    def __repr__(self) -> str:
        return f"Decay(rate={self.rate})"
