"""The progress bar of training: loss, accuracy, images a second, and what is left."""

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
        images = min(trainer.total * size, epochs * len(trainer.data))
        seen = at.epoch * len(trainer.data) + at.batch * size
        self._trainer, self._epochs, self._next = trainer, epochs, 0.0
        self._bar = tqdm(
            total=images,
            initial=min(seen, images),
            unit="img",
            unit_scale=True,
            dynamic_ncols=True,
            mininterval=0.1 if sys.stderr.isatty() else 5.0,
        )

    def row(self, row: Row) -> None:
        """Move on by the images of a step; a line for an evaluation."""
        at = self._trainer.position
        if row["kind"] == "test":
            loss = at.train_loss
            self._bar.write(
                f"epoch {at.epoch + 1:>2}/{self._epochs}  loss {loss:.4f}  "
                f"train {100 * at.train_accuracy:.2f} %  test {100 * row['accuracy']:.2f} %",
                file=sys.stderr,
            )
            return
        now = monotonic()
        if now >= self._next or self._trainer.done:
            self._next = now + EVERY
            self._bar.set_description(f"epoch {at.epoch + 1}/{self._epochs}", refresh=False)
            self._bar.set_postfix_str(
                f"loss {at.train_loss:.3f}, acc {100 * at.train_accuracy:.1f} %", refresh=False
            )
        self._bar.update(row["images"])

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()
