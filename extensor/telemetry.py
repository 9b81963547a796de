"""``Telemetry``: what quantizing does to every operand of a training run, sampled every N steps.

In a sampled step each quantized operand is compared with the numbers it was made from. Nothing of
the run changes: the operands that the products take are those of any other step, bit for bit.

Statistics of an operand x and what is stored of it, q (both in the rotated basis, where q lives;
a prescale is undone):

=========== ============================================================================
cosine      <x, q> / (|x| |q|)
gain        <x, q> / <x, x>; below 1 the format shrinks
bias        mean(q - x) / rms(x)
sqnr_db     10 log10(|x|² / |q - x|²)
clipped     share of elements beyond the largest value of their block
underflowed share of elements that are not zero and are stored as zero
flipped     share of codes that changed since the last sample; of a w rounded to nearest
scales      how many blocks have a scale in [2^e, 2^(e+1)), by e; "0" for zero
=========== ============================================================================
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.backend import to_device
from extensor.errors import FormatError
from extensor.formats import Element
from extensor.noise import Key
from extensor.ops.forward_basis import limits_of, turned, values_of
from extensor.ops.operands import Place, Scaled, operand, taken_by
from extensor.quantizer import Quantizer
from extensor.recipe import Operand
from extensor.recipe.operand import show
from extensor.storage import Blocked, Storage

ELEMENTS = 1 << 15
"""An operand is judged by at most about as many of its elements: whole blocks, evenly spread."""
Row = dict[str, Any]
"""One operand in one sample."""


def statistics(x: Any, q: Operand, stored: Storage) -> Row:
    """The statistics of a matrix ``x`` and what ``q`` stored of it; numbers by the names above.

    >>> from extensor.formats import MXFP4
    >>> x = np.array([[7.0] + [0.1] * 31], np.float32)
    >>> how = Quantizer(MXFP4, scale_rule="floor")
    >>> row = statistics(x, how, operand(x, how, 1, None))
    >>> row["clipped"], row["underflowed"], row["scales"]
    (0.03125, 0.96875, {'0': 1})
    """
    axis = stored.axis if isinstance(stored, Blocked) else 1
    some = _part(x.shape, axis)
    transform = stored.transform if isinstance(stored, Blocked) else None
    values, limits = _host(values_of(stored)[some]), _host(limits_of(stored)[some])
    raw = _host(turned(np.ascontiguousarray(_host(x[some])), transform, axis))
    prescale = transform.prescale if transform is not None else 1.0
    error = values - raw
    xx, qq, xq, ee = (float((a * b).sum()) for a, b in
                      ((raw, raw), (values, values), (raw, values), (error, error)))  # fmt: skip
    row = {
        "cosine": xq / np.sqrt(xx * qq) if xx * qq > 0 else None,
        "gain": xq / xx if xx > 0 else None,
        "bias": float(error.mean()) / np.sqrt(xx / raw.size) if xx > 0 else None,
        "sqnr_db": 10 * np.log10(xx / ee) if xx > 0 and ee > 0 else None,
        "clipped": float((np.abs(raw) * prescale > limits).mean()) if raw.size else 0.0,
        "underflowed": float(((values == 0) & (raw != 0)).mean()) if raw.size else 0.0,
    }
    return {**{n: _rounded(v) for n, v in row.items()}, "scales": histogram(stored)}


def histogram(stored: Storage) -> dict[str, int]:
    """How many scales lie in [2^e, 2^(e+1)), by e in ascending order; no scales, no entries."""
    if isinstance(stored, Scaled):
        scales = np.array([stored.scale])
    elif not isinstance(stored, Blocked):
        return {}
    else:
        codes, fmt = _host(stored.rows.scales, np.dtype(stored.rows.scales.dtype)), stored.dtype
        scales = codes.reshape(-1)
        if scales.dtype.kind != "f":
            scales = fmt.scale.values[scales]
    plain = scales[np.isfinite(scales)].astype(np.float64)
    exponents = np.frexp(plain[plain > 0])[1] - 1
    values, counts = np.unique(exponents, return_counts=True)
    zero = {"zero": int((plain == 0).sum())} if (plain == 0).any() else {}
    return zero | {str(int(e)): int(n) for e, n in zip(values, counts, strict=True)}


def _part(shape: tuple[int, ...], axis: int) -> tuple[slice, slice]:
    """Every so manyeth row (column, where blocks run along axis 0)."""
    every = slice(None, None, max(1, -(-shape[0] * shape[1] // ELEMENTS)))
    return (every, slice(None)) if axis == 1 else (slice(None), every)


def _host(x: Any, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    array = to_device(x, "cpu")
    return np.asarray(array, dtype or np.float64)


def _rounded(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{float(value):.6g}")


class Telemetry:
    """Compares every quantized operand with its numbers, each ``every`` steps.

    every
        1 is each step.
    sink
        Gets the rows of a sample, one an operand; without it they are kept in ``rows``.

    ``samples`` and ``seconds`` say how many steps were sampled, and the time that looking took.
    FormatError unless every is 1 or more.

    >>> import extensor as ex
    >>> model = ex.models.MLP((32, 8), recipe="nvfp4-grad", key=ex.key(0))
    >>> telemetry = Telemetry(every=10)
    >>> for step in range(3):
    ...     with telemetry.watching(step):
    ...         model(ex.ExTensor[ex.float32].ones((4, 32)), key=ex.key(1)).sum().backward()
    >>> [(r["step"], r["layer"], r["gemm"], r["operand"]) for r in telemetry.rows]
    [(1, 'layers.0', 'wgrad', 'x'), (1, 'layers.0', 'wgrad', 'g')]
    """

    def __init__(self, every: int = 100, sink: Callable[[Row], None] | None = None) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise FormatError(f"telemetry: every {every!r} steps; allowed: 1 or more")
        self.every, self.samples, self.seconds = every, 0, 0.0
        self.rows: list[Row] = []
        self._sink = sink or self.rows.append
        self._codes: dict[Place, NDArray[np.uint8]] = {}

    def watching(self, step: int) -> AbstractContextManager[None]:
        """A block in which a step runs, forward and backward; it is sampled where it is its turn.

        step
            From 0; the rows call it step + 1, as ``metrics.jsonl`` does.
        """
        return nullcontext() if step % self.every else self._sample(step)

    @contextmanager
    def _sample(self, step: int) -> Iterator[None]:
        seen: set[Place] = set()

        def take(place: Place, x: Any, q: Operand, axis: int, key: Key | None) -> Storage:
            stored = operand(x, q, axis, key)
            if q is not None and place not in seen:
                since = perf_counter()
                seen.add(place)
                self._look(step, place, x, q, stored)
                self.seconds += perf_counter() - since
            return stored

        with taken_by(take):
            yield
        self.samples += 1

    def _look(self, step: int, place: Place, x: Any, q: Operand, stored: Storage) -> None:
        where = {"step": step + 1, **place._asdict(), "shape": list(x.shape), "how": show(q)}
        flipped = self._flipped(place, q, stored)
        self._sink({**where, **statistics(x, q, stored), "flipped": flipped})

    def _flipped(self, place: Place, q: Operand, stored: Storage) -> float | None:
        """The share of codes of a w that changed since the last sample; None where chance has a
        part in them, and at first."""
        drawn = isinstance(q, Quantizer) and (q.needs_key or isinstance(q.signs, Key))
        if place.operand != "w" or drawn or isinstance(q, Element):
            return None
        codes = _host(stored.codes, np.dtype(np.uint8))  # type: ignore[union-attr]
        before = self._codes.get(place)
        self._codes[place] = codes
        return None if before is None else _rounded((codes != before).mean())


def watched(telemetry: Telemetry | None, step: int) -> AbstractContextManager[None]:
    """The block of a step under a telemetry, or under none."""
    return nullcontext() if telemetry is None else telemetry.watching(step)
