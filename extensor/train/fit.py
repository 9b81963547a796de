"""``fit``: the training loop, and who may watch it."""

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Protocol

from extensor.train.interrupt import Interrupt
from extensor.train.problem import Outcome
from extensor.train.trainer import Trainer

Row = dict[str, Any]
"""One line of metrics: ``kind`` ("train", or "test" for images and "validation" for texts), step,
epoch, loss, accuracy or perplexity, ..."""


class Observer(Protocol):
    """Somebody who gets every row: a progress bar, a file, a list."""

    def row(self, row: Row) -> None:
        """One step, or one evaluation."""
        ...


class Recorder:
    """Keeps the rows in a list.

    >>> recorder = Recorder()
    >>> recorder.row({"kind": "test", "step": 3})
    >>> recorder.rows
    [{'kind': 'test', 'step': 3}]
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def row(self, row: Row) -> None:
        """Append."""
        self.rows.append(row)


class Clock:
    """Time spent on training steps. The first step of a process is not counted: it compiles."""

    def __init__(self) -> None:
        self.count, self.seconds, self._since, self._warm = 0, 0.0, perf_counter(), False

    def start(self) -> None:
        """Time begins to count here: what was before (an evaluation) does not."""
        self._since = perf_counter()

    def tick(self, count: int) -> float:
        """A step of so many items is done; its items per second."""
        now = perf_counter()
        took, self._since = max(now - self._since, 1e-9), now
        if self._warm:
            self.count, self.seconds = self.count + count, self.seconds + took
        self._warm = True
        return count / took

    @property
    def rate(self) -> float | None:
        """Items per second over all counted steps; None where there was none."""
        return self.count / self.seconds if self.count else None


def number(value: float) -> float | None:
    """A number as JSON can hold it: None for NaN and infinities.

    >>> number(0.5), number(float("nan"))
    (0.5, None)
    """
    return value if math.isfinite(value) else None


def fit(
    trainer: Trainer,
    observers: Sequence[Observer] = (),
    save: Callable[[], None] = lambda: None,
) -> tuple[Outcome, Clock]:
    """Train until all steps are made; the outcome on the data held back, and the time it took.

    save
        Called after each evaluation, and when Ctrl-C asks to stop. Then `KeyboardInterrupt` is
        raised, between two steps: what was saved goes on exactly where it was left.

    >>> from extensor.train.settings import Settings
    >>> recorder = Recorder()
    >>> outcome, clock = fit(Trainer(Settings(model="mlp", steps=3)), [recorder])
    >>> outcome.answers, [row["kind"] for row in recorder.rows]
    (360, ['train', 'train', 'train', 'test'])
    """
    clock, outcome = Clock(), None
    with Interrupt() as interrupt:
        while not trainer.done:
            _some_steps(trainer, observers, clock, interrupt)
            if trainer.due:
                outcome = trainer.evaluate()
                _tell(observers, trainer, trainer.problem.words.held, outcome)
            if trainer.at_epoch_end:
                trainer.next_epoch()
            save()
            if interrupt.asked and not trainer.done:
                raise KeyboardInterrupt
    return outcome or trainer.evaluate(), clock


def _some_steps(
    trainer: Trainer, observers: Sequence[Observer], clock: Clock, interrupt: Interrupt
) -> None:
    """The steps up to the next evaluation, or as many of them as are asked for."""
    batches = trainer.batches()
    clock.start()
    for inputs, labels in batches:
        lr = trainer.optimizer.lr
        outcome = trainer.step(inputs, labels)
        rate = {trainer.problem.words.rate: round(clock.tick(outcome.answers), 1)}
        _tell(observers, trainer, "train", outcome, lr=lr, **rate)
        if trainer.due or interrupt.asked:
            break
    batches.close()


def _tell(
    observers: Sequence[Observer], trainer: Trainer, kind: str, outcome: Outcome, **more: Any
) -> None:
    at, problem = trainer.position, trainer.problem
    figure = number(problem.figure(outcome.loss, outcome.accuracy))
    row = {"kind": kind, "step": at.step, "epoch": at.epoch, "loss": number(outcome.loss),
           problem.words.figure: figure, problem.words.items: outcome.answers, **more}  # fmt: skip
    for observer in observers:
        observer.row(row)
