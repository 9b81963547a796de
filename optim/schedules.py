"""Schedules: the learning rate as a pure function of the step.

A schedule is a frozen value: calling it with the number of updates already made (0 for the first)
gives the rate; its ``repr`` evaluates back to it; ``to_dict`` and `from_dict` carry it through
JSON. Any other function from int to float serves an optimizer as well.

>>> lr = warmup(cosine(0.1, steps=100), steps=4)
>>> [round(lr(t), 4) for t in (0, 1, 3, 50, 100)]
[0.025, 0.05, 0.0998, 0.05, 0.0]
>>> from_dict(lr.to_dict()) == lr == eval(repr(lr))
True
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from extensor.errors import FormatError
from extensor.optim.check import count, real


class Schedule:
    """The base of the schedules: a call checks the step and gives the rate at it."""

    def at(self, step: int) -> float:
        """The rate at a step known to be a whole number >= 0: what each schedule defines."""
        raise NotImplementedError

    def __call__(self, step: int) -> float:
        """The learning rate of update number ``step`` (0 is the first); FormatError below 0."""
        return self.at(count(f"{type(self).__name__}: step", step, 0))

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; `from_dict` is the way back.

        >>> constant(0.1).to_dict()
        {'name': 'constant', 'lr': 0.1}
        """
        form: dict[str, Any] = {"name": type(self).__name__}
        for field in fields(self):  # type: ignore[arg-type]  # every schedule is a dataclass
            value = getattr(self, field.name)
            form[field.name] = value.to_dict() if isinstance(value, Schedule) else value
        return form

    def _set(self, **checked: float) -> None:
        """Store checked numbers in this frozen value (only while it is made)."""
        for name, value in checked.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class constant(Schedule):
    """``lr(t) = lr``.

    >>> constant(0.1)(7)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        self._set(lr=real("constant: lr", self.lr))

    def at(self, step: int) -> float:
        """The one rate."""
        return self.lr


@dataclass(frozen=True)
class step(Schedule):
    """``lr(t) = lr * factor ** floor(t / every)``: a staircase.

    >>> staircase = step(1.0, every=10, factor=0.5)
    >>> staircase(9), staircase(10), staircase(25)
    (1.0, 0.5, 0.25)
    """

    lr: float
    every: int
    factor: float

    def __post_init__(self) -> None:
        self._set(lr=real("step: lr", self.lr), every=count("step: every", self.every))
        self._set(factor=real("step: factor", self.factor, positive=True))

    def at(self, step: int) -> float:
        """The rate on the stair that ``step`` stands on."""
        return self.lr * self.factor ** (step // self.every)


@dataclass(frozen=True)
class cosine(Schedule):
    """``lr(t) = final + (lr - final) (1 + cos(pi t / steps)) / 2``, then ``final`` for good.

    Half a cosine wave without restarts (Loshchilov and Hutter, arXiv 1608.03983, equation 5).

    >>> wave = cosine(1.0, steps=4)
    >>> wave(0), round(wave(1), 4), round(wave(2), 4), wave(4), wave(9)
    (1.0, 0.8536, 0.5, 0.0, 0.0)
    """

    lr: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        self._set(lr=real("cosine: lr", self.lr), steps=count("cosine: steps", self.steps))
        self._set(final=real("cosine: final", self.final))

    def at(self, step: int) -> float:
        """The rate on the wave, or ``final`` behind its end."""
        if step >= self.steps:
            return self.final
        wave = (1.0 + math.cos(math.pi * step / self.steps)) / 2.0
        return self.final + (self.lr - self.final) * wave


@dataclass(frozen=True)
class warmup(Schedule):
    """``lr(t) = schedule(t) * min(1, (t + 1) / steps)``: a line up to the schedule's own rate.

    It multiplies and does not delay: the schedule inside ends at the same step with or without it.

    >>> [warmup(constant(1.0), steps=4)(t) for t in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """

    schedule: Schedule
    steps: int

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule):
            raise FormatError(
                f"warmup: schedule must be one of {', '.join(SCHEDULES)}; got {self.schedule!r}; "
                f"write warmup(constant(lr), steps) for a plain rate"
            )
        self._set(steps=count("warmup: steps", self.steps))

    def at(self, step: int) -> float:
        """The inner rate, reduced while warming up."""
        return self.schedule.at(step) * min(1.0, (step + 1) / self.steps)


SCHEDULES: dict[str, type[Schedule]] = {c.__name__: c for c in (constant, step, cosine, warmup)}
"""The schedules by the name that `from_dict` knows."""


def from_dict(form: Mapping[str, Any]) -> Schedule:
    """The schedule of a ``to_dict`` form; FormatError for an unknown name or wrong fields.

    >>> from_dict({"name": "cosine", "lr": 0.1, "steps": 10})
    cosine(lr=0.1, steps=10, final=0.0)
    """
    if not isinstance(form, Mapping):
        raise FormatError(f"schedules: expected a mapping with the key 'name'; got {form!r}")
    values = dict(form)
    name = values.pop("name", None)
    if name not in SCHEDULES:
        close = get_close_matches(str(name), SCHEDULES, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise FormatError(f"schedules: {name!r} is none of {', '.join(SCHEDULES)}{hint}")
    if isinstance(values.get("schedule"), Mapping):
        values["schedule"] = from_dict(values["schedule"])
    try:
        return SCHEDULES[name](**values)
    except TypeError as error:
        raise FormatError(f"schedules: {name} does not take {sorted(values)}: {error}") from error
