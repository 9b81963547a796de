"""``Trainer``: a model, its data, its optimizer, and how far they have come."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from extensor.backend import check_device
from extensor.nn.under import under
from extensor.noise import key
from extensor.ops import cross_entropy
from extensor.ops.mode import no_grad
from extensor.telemetry import Telemetry, watched
from extensor.tensor import asarray
from extensor.train.build import make_optimizer, recipe_of
from extensor.train.measure import Memory, memory_of
from extensor.train.problem import Outcome
from extensor.train.problems import problem_of
from extensor.train.settings import Settings


@dataclass
class Position:
    """How far a run has come; all of it is in the checkpoint.

    step, epoch, batch
        Steps made, and the epoch and batch that come next.
    loss_sum, correct, seen
        Over the current epoch: the sum of losses of answers, right answers, answers.
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


class Trainer:
    """Everything that a run consists of, made from its settings.

    What is learned, and from what, is the affair of its ``problem``.
    Randomness is four children of ``key(seed)``: weights, order and augmentation of the data,
    rounding (``.fold(step)``, then 0 for the layers and 1 for stored gradients), evaluation.

    Raises the errors of the parts: unknown names, missing data, a format without blocks.

    >>> trainer = Trainer(Settings(model="mlp", steps=2, recipe="nvfp4-grad"))
    >>> batches = trainer.batches()
    >>> trainer.step(*next(batches)).answers, trainer.position.batch
    (32, 1)
    >>> batches.close()
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings = settings.resolved()
        self.device = check_device(settings.device)
        self.recipe = recipe_of(settings)
        weights, order, self._rounding, self._evaluation = key(settings.seed).split(4)
        self.problem = problem = problem_of(settings)
        self.data, self.test = problem.load(settings)
        self.model = problem.model(settings, self.data, self.recipe, weights).to(self.device)
        self.loader = problem.loader(settings, self.data, order)
        self.total = settings.steps or (settings.epochs or 1) * len(self.loader)
        self.optimizer = make_optimizer(settings, self.model.parameters(), self.total)
        self.position = Position()
        self.memory: Memory | None = None
        self.telemetry: Telemetry | None = None
        self._now = self.recipe.at(0, 1)

    @property
    def done(self) -> bool:
        """Whether all steps are made."""
        return self.position.step >= self.total

    @property
    def at_epoch_end(self) -> bool:
        """Whether the epoch has no batch left."""
        return self.position.batch >= len(self.loader)

    @property
    def due(self) -> bool:
        """Whether an evaluation is due: at the end, after an epoch, every so many steps."""
        every = self.settings.evaluate_every
        often = every is not None and self.position.step % every == 0
        return self.done or self.at_epoch_end or often

    def batches(self) -> Generator[tuple[Any, Any], None, None]:
        """What is left of the epoch: inputs and labels, such as images float32 (B, 1, 28, 28)
        and int64 (B,)."""
        with closing(self.loader.epoch(self.position.epoch, self.position.batch)) as batches:  # type: ignore[type-var]
            yield from batches

    def step(self, inputs: Any, labels: Any) -> Outcome:
        """Forward, backward, update; the position moves on by one batch."""
        at = self.position
        self._settle(at.step)
        own = self._rounding.fold(at.step)
        labels = asarray(labels, device=self.device)
        with watched(self.telemetry, at.step):
            logits = self.model(asarray(inputs, device=self.device), key=own.fold(0))
            loss = cross_entropy(logits, labels)
            loss.backward(key=own.fold(1))
        self.optimizer.step()
        if self.memory is None:
            self.memory = memory_of(loss, self.model.parameters())
        self.optimizer.zero_grad()
        out = _outcome(loss, logits, labels)
        at.step, at.batch = at.step + 1, at.batch + 1
        at.loss_sum += out.loss * out.answers
        at.correct, at.seen = at.correct + out.correct, at.seen + out.answers
        at.train_loss, at.train_accuracy = at.loss_sum / at.seen, at.correct / at.seen
        return out

    def _settle(self, step: int) -> None:
        """Put the model under what the recipe says of a step."""
        now = self.recipe.at(step, self.total)
        if now != self._now:
            under(self.model, now)
            self._now = now

    def next_epoch(self) -> None:
        """Begin the next epoch; its sums begin at zero."""
        at = self.position
        at.epoch, at.batch, at.loss_sum, at.correct, at.seen = at.epoch + 1, 0, 0.0, 0, 0

    def evaluate(self) -> Outcome:
        """The model on all the data held back, under the recipe of its last step, without a
        graph."""
        self._settle(max(self.position.step - 1, 0))
        loss, correct, count = 0.0, 0, 0
        self.model.eval()
        with no_grad():
            for inputs, labels in self.problem.held_batches(self.test):
                own = asarray(labels, device=self.device)
                logits = self.model(asarray(inputs, device=self.device), key=self._evaluation)
                out = _outcome(cross_entropy(logits, own), logits, own)
                loss += out.loss * out.answers
                correct, count = correct + out.correct, count + out.answers
        self.model.train()
        return Outcome(loss / count, correct, count)


def _outcome(loss: Any, logits: Any, labels: Any) -> Outcome:
    right = (logits.array().argmax(-1) == labels.array()).sum()
    return Outcome(loss.item(), int(right), labels.size)
