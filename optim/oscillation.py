"""Two remedies against weights that oscillate between two codes, around any optimizer.

>>> import extensor as ex
>>> from extensor.optim import SGD
>>> model = ex.models.MLP((32, 8), recipe="tetrajet", key=ex.key(0))
>>> optimizer = QEMA(SGD(model.parameters(), lr=0.1), ex.Quantizer(ex.mxfp4))
>>> optimizer.lr
0.1
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.backend import device_of, library_of, to_device
from extensor.errors import CheckpointError
from extensor.optim.check import count, real
from extensor.optim.optimizer import Optimizer
from extensor.optim.parameter import Slot
from extensor.optim.rounded import check_quantizer, rounded, weights_of
from extensor.quantizer import Quantizer


class Around:
    """An optimizer that looks after the weights of another one; what both remedies share.

    ``state`` holds arrays by ``NAME.parameter``; they are saved beside the inner state.
    """

    def __init__(self, optimizer: Optimizer, quantizer: Quantizer, only: Sequence[str]) -> None:
        op = type(self).__name__
        self.optimizer, self.quantizer = optimizer, check_quantizer(op, quantizer)
        self.only = (only,) if isinstance(only, str) else tuple(only)
        self._names = [slot.name for slot in weights_of(op, optimizer, self.only)]
        self.state: dict[str, Any] = {}

    @property
    def lr(self) -> float:
        """The rate that the next step will use."""
        return self.optimizer.lr

    @property
    def steps(self) -> int:
        """Steps made."""
        return self.optimizer.steps

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.optimizer.zero_grad()

    def weights(self) -> dict[str, Slot]:
        """The weights that are looked after."""
        return {slot.name: slot for slot in self.optimizer.slots if slot.name in self._names}

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The inner state, and ``NAME.parameter`` for each array of this one."""
        own = {name: np.array(to_device(a, "cpu"), order="C") for name, a in self.state.items()}
        return self.optimizer.state_dict() | own

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`, bit for bit; CheckpointError, with nothing overwritten, where
        it is not one of this optimizer."""
        missing = sorted(self.state.keys() - state.keys())
        if missing:
            raise CheckpointError(
                f"{type(self).__name__}.load_state_dict: the state is of another optimizer: "
                f"missing {missing[:5]}"
            )
        loaded = {name: np.asarray(state[name]) for name in self.state}
        for name, array in loaded.items():
            if array.shape != self.state[name].shape:
                raise CheckpointError(
                    f"{type(self).__name__}.load_state_dict: {name!r} has shape {array.shape}, not "
                    f"{self.state[name].shape}"
                )
        self.optimizer.load_state_dict({k: v for k, v in state.items() if k not in self.state})
        for name, array in loaded.items():
            self.state[name][...] = to_device(array, device_of(self.state[name]))

    def _fresh(self, kind: str, make: Callable[[Any], Any]) -> None:
        for name, slot in self.weights().items():
            self.state[f"{kind}.{name}"] = make(slot.array)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.optimizer!r}, {self.quantizer!r})"


class QEMA(Around):
    """Round each weight to that of its two neighbours which its running mean is nearer to.

    ``m = decay m + (1 - decay) w`` after each step; the parameter then holds the rounded weight,
    which the recipe's own quantizer stores as it is, and the exact one waits here for the next
    step (arXiv 2502.20853, section 5; there decay 0.998 and 10 steps). A weight that swings around
    the middle of two codes keeps its code.

    optimizer
        The one that moves the weights.
    quantizer
        That of the weights in fprop: to nearest, without a rotation.
    decay, after
        How slowly the mean forgets, and the steps before the first rounding.
    only
        Patterns of the names of parameters; all with two axes or more.

    FormatError for numbers out of range, a quantizer that draws, and patterns without a weight.

    >>> import extensor as ex
    >>> from extensor.optim import SGD
    >>> w = ex.asarray([[6.0, 2.4]], requires_grad=True)
    >>> optimizer = QEMA(SGD({"w": w}, lr=0.25), ex.Quantizer(ex.mxfp4), after=1)
    >>> (w * ex.asarray([[0.0, -1.0]])).sum().backward()     # 2.4 + 0.25: 3 is nearer now
    >>> optimizer.step()
    >>> w.tolist(), optimizer.state["qema_exact.w"].tolist()
    ([[6.0, 2.0]], [[6.0, 2.6500000953674316]])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        quantizer: Quantizer,
        *,
        decay: float = 0.998,
        after: int = 10,
        only: Sequence[str] = ("*",),
    ) -> None:
        super().__init__(optimizer, quantizer, only)
        self.decay = real("QEMA: decay", decay, below=1.0)
        self.after = count("QEMA: after", after)
        self._fresh("qema_mean", lambda w: w.copy())
        self._fresh("qema_exact", lambda w: w.copy())

    def step(self) -> None:
        """Update the exact weights, then their means, then what the network sees of them."""
        for name, slot in self.weights().items():
            slot.tensor.storage.array[...] = self.state[f"qema_exact.{name}"]
        self.optimizer.step()
        for name, slot in self.weights().items():
            mean, exact = self.state[f"qema_mean.{name}"], self.state[f"qema_exact.{name}"]
            w = slot.array
            mean += np.float32(1 - self.decay) * (w - mean)
            exact[...] = w
            if self.steps >= self.after:
                w[...] = self._toward(w, mean)
                slot.tensor.bump()

    def _toward(self, w: Any, mean: Any) -> Any:
        xp = library_of(w)
        low, high = (rounded(w, self.quantizer, how) for how in ("down", "up"))
        below, above = xp.abs(mean - low), xp.abs(mean - high)
        near = rounded(w, self.quantizer)
        return xp.where(below == above, near, xp.where(below < above, low, high))


class OsciReset(Around):
    """Put a weight that oscillates onto its code, every ``period`` steps.

    Over a period, ``moved`` is the sum of ``|Δw|`` and ``jumped`` that of ``|ΔQ(w)|``; where
    ``jumped > threshold moved`` the weight becomes Q(w), the middle of its code (arXiv 2510.27527;
    threshold 16 there, 4 with period 200 from step 2000 on in ALTO). ``resets`` counts the weights
    of the last period that were put back.

    optimizer, quantizer, only
        As for `QEMA`.
    period, threshold, start
        Steps of a period, the ratio, and the steps before the first period.

    >>> import extensor as ex
    >>> from extensor.optim import SGD
    >>> w = ex.asarray([[6.0, 2.45]], requires_grad=True)
    >>> fp4 = ex.Quantizer(ex.mxfp4)
    >>> optimizer = OsciReset(SGD({"w": w}, lr=0.1), fp4, period=2, threshold=4)
    >>> for sign in (-1.0, 1.0):                             # 2.45, 2.55, 2.45: codes 2, 3, 2
    ...     (w * ex.asarray([[0.0, sign]])).sum().backward()
    ...     optimizer.step()
    ...     optimizer.zero_grad()
    >>> w.tolist(), optimizer.resets
    ([[6.0, 2.0]], 1)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        quantizer: Quantizer,
        *,
        period: int = 200,
        threshold: float = 16.0,
        start: int = 0,
        only: Sequence[str] = ("*",),
    ) -> None:
        super().__init__(optimizer, quantizer, only)
        self.period = count("OsciReset: period", period)
        self.threshold = real("OsciReset: threshold", threshold, positive=True)
        self.start = count("OsciReset: start", start, least=0)
        self.resets = 0
        self._fresh("reset_moved", np.zeros_like)
        self._fresh("reset_jumped", np.zeros_like)

    def step(self) -> None:
        """Update the weights, and look how far they and their codes went."""
        if self.steps < self.start:
            self.optimizer.step()
            return
        before = {
            name: (slot.tensor.storage.array.copy(), rounded(slot.array, self.quantizer))
            for name, slot in self.weights().items()
        }
        self.optimizer.step()
        over = (self.steps - self.start) % self.period == 0
        self.resets = 0 if over else self.resets
        for name, slot in self.weights().items():
            (w, q), now = before[name], slot.array
            stored = rounded(now, self.quantizer)
            moved = self.state[f"reset_moved.{name}"]
            jumped = self.state[f"reset_jumped.{name}"]
            xp = library_of(now)
            moved += xp.abs(now - w)
            jumped += xp.abs(stored - q)
            if over:
                wild = jumped > np.float32(self.threshold) * moved
                self.resets += int(wild.sum())
                xp.copyto(now, stored, where=wild)
                slot.tensor.bump()
                moved[...], jumped[...] = 0, 0
