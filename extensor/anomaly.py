"""Anomaly mode: the first op, or gradient, that makes a NaN or an infinity out of finite numbers.

Every answer and every gradient is looked at, which costs about as much as the ops themselves and,
on a GPU, waits for each: a mode to find a fault with, not to train in.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from extensor.autograd import Node
from extensor.errors import AnomalyError
from extensor.ops.mode import changed

_PACKAGE = str(Path(__file__).parent)


class Place(NamedTuple):
    """Where and when an op was applied."""

    call: int
    step: int
    line: str

    def __str__(self) -> str:
        return f"op {self.call} of step {self.step}, {self.line}"


def _caller() -> str:
    """File, line and function of the innermost frame outside of the package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _bad(tensor: Any) -> Any:
    """Where a float tensor is NaN or infinite; None where nowhere."""
    if not tensor.dtype.is_float:
        return None
    bad = ~np.isfinite(tensor.array())
    return bad if bool(bad.any()) else None


def _first(tensor: Any, bad: Any) -> tuple[tuple[int, ...], str]:
    """The first place that is marked, and what stands there."""
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
    return at, f"{float(tensor.array()[at])}"


def _there(tensors: Any, at: tuple[int, ...], names: str) -> str:
    """What tensors hold at a place, those of its shape."""
    held = [
        f"{names.format(i)} {float(t.array()[at]):.6g}"
        for i, t in enumerate(tensors)
        if t.ndim == len(at) and all(k < n for k, n in zip(at, t.shape, strict=True))
    ]
    return f"; there: {', '.join(held)}" if held else ""


class _Watch:
    """Counts ops and steps, and looks at what they make."""

    def __init__(self) -> None:
        self.step, self.calls = 1, 0
        self._step_ends = False

    def answer(self, row: Any, operands: Any, y: Any) -> None:
        """An op was applied: note where, and look at its answer."""
        if self._step_ends:
            self.step, self.calls, self._step_ends = self.step + 1, 0, False
        self.calls += 1
        place = Place(self.calls, self.step, _caller())
        if y.node is not None:
            y.node.place = place
        faults = [_bad(t) for t in operands]
        for i, (t, bad) in enumerate(zip(operands, faults, strict=True)):
            if bad is not None and t.requires_grad and t.node is None:
                at, value = _first(t, bad)
                raise AnomalyError(
                    f"{row.name}: operand {i}, a leaf of {t.dtype}{list(t.shape)}, holds {value} "
                    f"at {list(at)} ({place})"
                )
        bad = _bad(y)
        if bad is None or any(fault is not None for fault in faults):
            return
        at, value = _first(y, bad)
        given = ", ".join(f"{t.dtype}{list(t.shape)}" for t in operands)
        raise AnomalyError(
            f"{row.name}: answer{list(at)} is {value}, of finite operands ({given})"
            f"{_there(operands, at, 'operand {}')} ({place})"
        )

    def backward(self, g: Any) -> None:
        """A backward pass begins; the next op belongs to another step."""
        self._step_ends = True
        if (bad := _bad(g)) is not None:
            at, value = _first(g, bad)
            raise AnomalyError(f"backward: the gradient that was given is {value} at {list(at)}")

    def gradients(self, node: Node, g: Any) -> tuple[Any, ...]:
        """The gradients of a node, each looked at."""
        parts = node.gradients(g)
        for i, part in enumerate(parts):
            if part is None or node.edges[i] is None or (bad := _bad(part)) is None:
                continue
            at, value = _first(part, bad)
            saved = {i: t for i, t in enumerate(node.saved) if hasattr(t, "storage")}
            raise AnomalyError(
                f"backward of {node.op.name}: the gradient{list(at)} of operand {i} is {value}, "
                f"while the gradient of its answer, {g.dtype}{list(g.shape)}, is finite"
                f"{_there([saved[i]] if i in saved else [], at, f'operand {i}')} "
                f"(applied as {node.place or 'an op before the block'})"
            )
        return parts


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """In the block, the first NaN or infinity raises AnomalyError where it arises.

    An answer counts where all operands were finite (so masks of ``-inf`` pass), a gradient where
    the gradient of the op's answer was, and a leaf that requires a gradient always. The message
    names the op, the operand, the first bad index and what stands there, the step (backward passes
    begun in the block, plus one), the number of the op in its step, and the line outside of
    extensor that applied it. NumPy's own warnings are silent in the block.

    >>> import extensor as ex
    >>> x = ex.asarray([4.0, 0.0], requires_grad=True)
    >>> try:
    ...     with ex.detect_anomaly():
    ...         x.sqrt().sum().backward()
    ... except ex.AnomalyError as error:
    ...     print(str(error).split(", while")[0])
    backward of sqrt: the gradient[1] of operand 0 is inf
    """
    with np.errstate(all="ignore"), changed(watch=_Watch()):
        yield
