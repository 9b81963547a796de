"""``Optimizer``: parameters, a chain of transforms, a learning rate.

Each step computes ``p = p - lr(step) * u`` where the chain made ``u`` from the gradients. SGD,
Adam and AdamW are chains with names.

>>> from extensor.optim.transform import chain
>>> from types import SimpleNamespace as Box
>>> w = Box(storage=Box(array=np.ones(2, np.float32)), grad=None, bump=lambda: None)
>>> w.grad = Box(array=lambda: np.ones(2, np.float32))
>>> optimizer = Optimizer({"w": w}, chain(), lr=0.5)
>>> optimizer.step()
>>> w.storage.array.tolist(), optimizer
([0.5, 0.5], Optimizer(chain(), lr=constant(lr=0.5)))
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.backend import device_of, to_device
from extensor.capture import each_step, number
from extensor.errors import CheckpointError, ShapeError
from extensor.kernels.front import add_scaled
from extensor.optim.check import real
from extensor.optim.parameter import Parameters, Slot, slots
from extensor.optim.schedules import Schedule, constant
from extensor.optim.transform import Transform

Rate = float | Schedule | Callable[[int], float]
"""A learning rate: a number, or a function of the step."""


class Optimizer:
    """Descend along what ``transform`` makes of the gradients, at the rate ``lr``.

    params
        A list of float32 tensors, or a dict of them by name (names appear in the state and in
        errors). They are updated in place; a tensor whose ``grad`` is None is left as it is,
        and so is its state. A packed gradient is dequantized as it is read.
    transform
        A `Transform`, mostly made by `chain`.
    lr
        A number or a schedule.

    ``steps`` is the number of steps made. All state is float32. Raises FormatError, DTypeError or
    ShapeError before anything is allocated.

    >>> import extensor as ex
    >>> from extensor.optim.transform import Chain
    >>> w = ex.asarray([1.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> Optimizer([w], Chain(), lr=0.25).step()          # plain descent: w - lr 2 w
    >>> w.tolist()
    [0.5]
    """

    def __init__(self, params: Parameters, transform: Transform, lr: Rate) -> None:
        op = type(self).__name__
        self.schedule = lr if callable(lr) else constant(real(f"{op}: lr", lr))
        self.transform = transform
        self.steps = 0
        self._slots = slots(op, params)
        self._params = {slot.name: slot.flat for slot in self._slots}
        self._state = transform.init(self._params)

    @property
    def slots(self) -> list[Slot]:
        """The parameters, in order."""
        return self._slots

    @property
    def lr(self) -> float:
        """The rate that the next step will use."""
        return self.schedule(self.steps)

    def step(self) -> None:
        """Update every parameter that has a gradient.

        Raises ShapeError for a gradient of another shape, before anything is overwritten.
        """
        for slot in self._slots:
            if slot.tensor.storage.array is not slot.array:
                self._rebind(slot)
        active = [slot for slot in self._slots if slot.take_gradient()]
        rate = number(lambda: -self.lr)
        updates = {slot.name: slot.update for slot in active}
        self.transform.update(updates, self._state, self._params, self.steps)
        for slot in active:
            add_scaled(slot.flat, slot.update, rate)
            slot.tensor.bump()
        each_step(self._count)

    def _count(self) -> None:
        self.steps += 1

    def zero_grad(self) -> None:
        """Forget the gradients (``grad = None``), so that the next backward starts anew."""
        for slot in self._slots:
            slot.tensor.grad = None

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of the state: "step", and "slot.name" for each slot and parameter.

        Arrays have the shape of their parameter; counts have no dimension.
        """
        state: dict[str, NDArray[Any]] = {"step": np.array(self.steps, np.int64)}
        for slot in self._slots:
            for key, flat in self._arrays(slot).items():
                values = to_device(slot.shaped(flat) if flat.ndim else flat, "cpu")
                state[key] = np.array(values, order="C")
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`: the steps that follow are the same, bit for bit.

        Values may be NumPy arrays or tensors. Raises CheckpointError, with nothing overwritten,
        if keys, shapes or dtypes are not those of this optimizer.
        """
        op = f"{type(self).__name__}.load_state_dict"
        mine = self.state_dict()
        missing, extra = sorted(mine.keys() - state.keys()), sorted(state.keys() - mine.keys())
        if missing or extra:
            raise CheckpointError(
                f"{op}: the state is of another optimizer or model: missing {missing[:5]}, "
                f"not known here {extra[:5]} (of {len(missing)} and {len(extra)})"
            )
        loaded = {key: np.asarray(state[key]) for key in mine}
        for key, array in loaded.items():
            if array.shape != mine[key].shape or array.dtype != mine[key].dtype:
                raise CheckpointError(
                    f"{op}: {key!r} is {array.dtype}{array.shape}, this optimizer has "
                    f"{mine[key].dtype}{mine[key].shape}"
                )
        if loaded["step"] < 0:
            raise CheckpointError(f"{op}: 'step' must be 0 or more; got {loaded['step']}")
        self.steps = int(loaded["step"])
        for slot in self._slots:
            for key, flat in self._arrays(slot).items():
                place = slot.shaped(flat) if flat.ndim else flat
                place[...] = to_device(loaded[key], device_of(flat))

    def _arrays(self, slot: Slot) -> dict[str, NDArray[Any]]:
        """The state arrays of one parameter, by their keys."""
        return {
            f"{kind}.{slot.name}": arrays[slot.name]
            for kind, arrays in self._state.items()
            if slot.name in arrays
        }

    def _rebind(self, slot: Slot) -> None:
        """Follow a tensor whose array was replaced; the state keeps its logical values."""
        fresh = Slot(slot.op, slot.name, slot.tensor)
        if fresh.array.shape != slot.array.shape:
            raise ShapeError(
                f"{slot.op}.step: parameter {slot.name!r} changed from shape {slot.array.shape} "
                f"to {fresh.array.shape}; make a new optimizer"
            )
        for flat in self._arrays(slot).values():
            if flat.ndim:
                fresh.shaped(flat)[...] = slot.shaped(flat).copy()
        self._slots[self._slots.index(slot)] = fresh
        self._params[slot.name] = fresh.flat

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transform!r}, lr={self.schedule!r})"
