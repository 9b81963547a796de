"""``DelayedAmax``: the tensor scale of a two-level format, sampled now and then and held between.

Finding the amax of a tensor is a pass over memory before quantizing can begin. A block scale with
range to spare needs it rarely: UE5M3 aimed at 448 (`scale_max`) has a factor 137 above, so the
published recipe looks every 50 steps. Between two looks a block that outgrew the range saturates.
"""

from dataclasses import replace
from typing import Any

from extensor.errors import FormatError
from extensor.quantizer import Quantizer


class DelayedAmax:
    """A quantizer whose tensor scale is sampled every so many calls and held between.

    quantizer
        Of a format with a tensor scale, which it finds by itself (``tensor_scale="auto"``).
    every
        Calls between two samples; the first call samples. A tensor of zeros has no scale, so the
        next call samples again.

    A small state that belongs into a checkpoint: `state_dict`, `load_state_dict`.

    >>> import extensor as ex
    >>> from extensor.formats import E2M1, UE5M3, Block
    >>> fmt = Block(E2M1, (1, 16), UE5M3, tensor_scale=True)
    >>> held = DelayedAmax(Quantizer(fmt, scale_max=448), every=2)
    >>> [round(held([size * 1.0]).item(), 4) for size in (3, 48, 48)]
    [3.0, 48.0, 48.0]
    >>> held.state_dict()["calls"], round(held.state_dict()["tensor_scale"] * 2688)
    (3, 48)
    """

    def __init__(self, quantizer: Quantizer, *, every: int = 50) -> None:
        if not quantizer.fmt.tensor_scale or quantizer.tensor_scale != "auto":
            raise FormatError(
                f"DelayedAmax: {quantizer}; allowed: a format with a tensor scale (nvfp4, or "
                "Block(..., tensor_scale=True)) and tensor_scale='auto'"
            )
        if every < 1:
            raise FormatError(f"DelayedAmax: every={every}; allowed: 1 call or more")
        self.quantizer, self.every = quantizer, every
        self.calls, self.tensor_scale = 0, 0.0

    def __call__(self, x: Any, **how: Any) -> Any:
        """``x`` as a tensor; ``how`` are the axis, key and offset that a `Quantizer` takes."""
        if self.calls % self.every == 0 or self.tensor_scale == 0.0:
            q = self.quantizer(x, **how)
            self.tensor_scale = float(q.tensor_scale)
        else:
            q = replace(self.quantizer, tensor_scale=self.tensor_scale)(x, **how)
        self.calls += 1
        return q

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint must hold."""
        return {"calls": self.calls, "tensor_scale": self.tensor_scale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a saved one was; `FormatError` for anything else, before a change."""
        try:
            calls, scale = int(state["calls"]), float(state["tensor_scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"DelayedAmax: {state!r} is not its state ({error!r})") from None
        if calls < 0 or not 0.0 <= scale < float("inf"):
            raise FormatError(f"DelayedAmax: calls {calls} and tensor scale {scale} are no state")
        self.calls, self.tensor_scale = calls, scale

    def __repr__(self) -> str:
        return f"DelayedAmax({self.quantizer!r}, every={self.every})"
