"""``Trainer``: a model, its data, its optimizer, and how far they have come."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from extensor.backend import check_device
from extensor.data import DataLoader
from extensor.noise import key
from extensor.ops import cross_entropy
from extensor.ops.mode import no_grad
from extensor.tensor import asarray
from extensor.train.build import AUGMENT, load_data, make_model, make_optimizer, recipe_of
from extensor.train.measure import Memory, memory_of
from extensor.train.settings import Settings

EVALUATE = 500
"""Test images a forward pass."""


@dataclass
class Position:
    """How far a run has come; all of it is in the checkpoint.

    step, epoch, batch
        Steps made, and the epoch and batch that come next.
    loss_sum, correct, seen
        Over the current epoch: the sum of losses of images, right answers, images.
    train_loss, train_accuracy
        Of the last whole epoch.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    train_loss: float = float("nan")
    train_accuracy: float = float("nan")


class Outcome(NamedTuple):
    """What a step, or an evaluation, came to: the mean loss, right answers, images."""

    loss: float
    correct: int
    images: int

    @property
    def accuracy(self) -> float:
        """Right answers over images."""
        return self.correct / self.images


class Trainer:
    """Everything that a run consists of, made from its settings.

    Randomness is four children of ``key(seed)``: weights, order and augmentation of images,
    rounding (``.fold(step)``, then 0 for the layers and 1 for stored gradients), evaluation.

    Raises the errors of the parts: unknown names, missing data, a format without blocks.

    >>> trainer = Trainer(Settings(model="mlp", steps=2, recipe="nvfp4-grad"))
    >>> batches = trainer.batches()
    >>> trainer.step(*next(batches)).images, trainer.position.batch
    (32, 1)
    >>> batches.close()
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings = settings.resolved()
        self.device = check_device(settings.device)
        self.recipe = recipe_of(settings)
        weights, order, self._rounding, self._evaluation = key(settings.seed).split(4)
        self.model = make_model(settings, self.recipe, weights).to(self.device)
        self.data, self.test = load_data(settings)
        self.loader = DataLoader(
            self.data,
            batch_size=settings.batch_size or 1,
            shuffle=True,
            key=order,
            transform=AUGMENT if settings.augment else None,
        )
        self.total = settings.steps or (settings.epochs or 1) * len(self.loader)
        self.optimizer = make_optimizer(settings, self.model.parameters(), self.total)
        self.position = Position()
        self.memory: Memory | None = None

    @property
    def done(self) -> bool:
        """Whether all steps are made."""
        return self.position.step >= self.total

    @property
    def at_epoch_end(self) -> bool:
        """Whether the epoch has no batch left."""
        return self.position.batch >= len(self.loader)

    def batches(self) -> Generator[tuple[Any, Any], None, None]:
        """What is left of the epoch: images float32 (B, 1, 28, 28), labels int64 (B,)."""
        with closing(self.loader.epoch(self.position.epoch, self.position.batch)) as batches:  # type: ignore[type-var]
            yield from batches

    def step(self, images: Any, labels: Any) -> Outcome:
        """Forward, backward, update; the position moves on by one batch."""
        at = self.position
        own = self._rounding.fold(at.step)
        labels = asarray(labels, device=self.device)
        logits = self.model(asarray(images, device=self.device), key=own.fold(0))
        loss = cross_entropy(logits, labels)
        loss.backward(key=own.fold(1))
        self.optimizer.step()
        if self.memory is None:
            self.memory = memory_of(loss, self.model.parameters())
        self.optimizer.zero_grad()
        out = _outcome(loss, logits, labels)
        at.step, at.batch = at.step + 1, at.batch + 1
        at.loss_sum += out.loss * out.images
        at.correct, at.seen = at.correct + out.correct, at.seen + out.images
        at.train_loss, at.train_accuracy = at.loss_sum / at.seen, at.correct / at.seen
        return out

    def next_epoch(self) -> None:
        """Begin the next epoch; its sums begin at zero."""
        at = self.position
        at.epoch, at.batch, at.loss_sum, at.correct, at.seen = at.epoch + 1, 0, 0.0, 0, 0

    def evaluate(self) -> Outcome:
        """The model on all test images, without a graph."""
        images, labels = self.test.normalised(), self.test.labels
        loss, correct = 0.0, 0
        self.model.eval()
        with no_grad():
            for first in range(0, len(labels), EVALUATE):
                part = slice(first, first + EVALUATE)
                own = asarray(labels[part], device=self.device)
                logits = self.model(asarray(images[part], device=self.device), key=self._evaluation)
                out = _outcome(cross_entropy(logits, own), logits, own)
                loss, correct = loss + out.loss * out.images, correct + out.correct
        self.model.train()
        return Outcome(loss / len(labels), correct, len(labels))


def _outcome(loss: Any, logits: Any, labels: Any) -> Outcome:
    right = (logits.array().argmax(1) == labels.array()).sum()
    return Outcome(loss.item(), int(right), len(labels))
