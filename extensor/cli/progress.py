"""The progress bar of training: loss, accuracy, images (or tokens) a second, and what is left."""

import sys
from time import monotonic

from extensor.train import Trainer
from extensor.train.fit import Row

EVERY = 0.2
"""Seconds between two changes of the numbers beside the bar."""


class Progress:
    """One bar for a whole run on stderr, one line an epoch."""

    def __init__(self, trainer: Trainer) -> None:
        from tqdm import tqdm

        at, size = trainer.position, trainer.settings.batch_size or 1
        epochs = -(-trainer.total // len(trainer.loader))
        each, rows = trainer.problem.each(trainer.data), len(trainer.data)
        items = each * min(trainer.total * size, epochs * rows)
        seen = each * (at.epoch * rows + at.batch * size)
        self._trainer, self._epochs, self._next = trainer, epochs, 0.0
        self._bar = tqdm(
            total=items,
            initial=min(seen, items),
            unit=trainer.problem.words.item,
            unit_scale=True,
            dynamic_ncols=True,
            mininterval=0.1 if sys.stderr.isatty() else 5.0,
        )

    def row(self, row: Row) -> None:
        """Move on by the items of a step; a line for an evaluation."""
        trainer = self._trainer
        at, problem = trainer.position, trainer.problem
        figure = problem.figure(at.train_loss, at.train_accuracy)
        if row["kind"] != "train":
            held = (_number(row["loss"]), _number(row[problem.words.figure]))
            line = problem.line((at.train_loss, figure), held)
            self._bar.write(f"epoch {at.epoch + 1:>2}/{self._epochs}  {line}", file=sys.stderr)
            return
        now = monotonic()
        if now >= self._next or trainer.done:
            self._next = now + EVERY
            self._bar.set_description(f"epoch {at.epoch + 1}/{self._epochs}", refresh=False)
            self._bar.set_postfix_str(problem.running(at.train_loss, figure), refresh=False)
        self._bar.update(row[problem.words.items])

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


def _number(value: float | None) -> float:
    """A number of a row, in which None stands for what is not a number."""
    return float("nan") if value is None else value
