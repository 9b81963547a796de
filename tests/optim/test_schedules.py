"""Schedules: values by hand, and values that survive repr and JSON."""

import json
import math

import numpy as np
import pytest

from extensor.optim import schedules
from extensor.optim.schedules import Schedule, constant, cosine, from_dict, step, warmup

VALUES: list[tuple[Schedule, dict[int, float]]] = [
    (constant(0.1), {0: 0.1, 1: 0.1, 10**9: 0.1}),
    (constant(0), {3: 0.0}),
    (step(0.8, 3, 0.5), {0: 0.8, 2: 0.8, 3: 0.4, 5: 0.4, 6: 0.2, 30: 0.8 / 1024}),
    (step(1.0, 1, 2.0), {0: 1.0, 5: 32.0}),
    (cosine(1.0, 3), {0: 1.0, 1: 0.75, 2: 0.25, 3: 0.0, 4: 0.0}),
    (cosine(0.5, 4, 0.1), {0: 0.5, 2: 0.3, 4: 0.1, 99: 0.1, 1: 0.3 + 0.2 * math.sqrt(0.5)}),
    (cosine(0.1, 2, 0.3), {0: 0.1, 1: 0.2, 2: 0.3}),
    (cosine(0.1, 1), {0: 0.1, 1: 0.0}),
    (warmup(constant(1.0), 4), {0: 0.25, 1: 0.5, 3: 1.0, 4: 1.0}),
    (warmup(cosine(1.0, 3), 2), {0: 0.5, 1: 0.75, 2: 0.25, 3: 0.0}),
    (warmup(warmup(constant(1.0), 2), 2), {0: 0.25, 1: 1.0}),
    (warmup(constant(0.3), 1), {0: 0.3}),
]


@pytest.mark.parametrize(("schedule", "points"), VALUES, ids=lambda v: str(v)[:40])
def test_values(schedule: Schedule, points: dict[int, float]) -> None:
    """Every listed point, to the last bits of a double."""
    for t, lr in points.items():
        assert math.isclose(schedule(t), lr, rel_tol=1e-15, abs_tol=1e-16), t
        assert type(schedule(t)) is float


@pytest.mark.parametrize("schedule", [v[0] for v in VALUES], ids=str)
def test_value_semantics(schedule: Schedule) -> None:
    """repr evaluates back; JSON carries it; equal values are one key; nothing can be set."""
    assert eval(repr(schedule), dict(vars(schedules))) == schedule
    assert from_dict(json.loads(json.dumps(schedule.to_dict()))) == schedule
    assert len({schedule, from_dict(schedule.to_dict())}) == 1
    with pytest.raises(AttributeError):
        schedule.lr = 1.0  # type: ignore[attr-defined]


def test_numpy_numbers_become_plain() -> None:
    """A rate computed by NumPy prints, and goes through JSON, as a number."""
    schedule = cosine(np.float64(0.5), np.int64(7))  # type: ignore[arg-type]
    assert repr(schedule) == "cosine(lr=0.5, steps=7, final=0.0)"
    assert json.dumps(schedule.to_dict()) == (
        '{"name": "cosine", "lr": 0.5, "steps": 7, "final": 0.0}'
    )


def test_every_schedule_is_listed() -> None:
    """A schedule that is not in the table could not be read back."""
    assert set(schedules.SCHEDULES.values()) == set(Schedule.__subclasses__())
