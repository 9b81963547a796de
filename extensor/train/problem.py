"""``Problem``: what kind of thing is learned, so that the loop, the files and the screens need not
know: which data, which model, in which batches, and what the numbers of a run are called."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from extensor.nn import Module
from extensor.noise import Key
from extensor.recipe import Recipe
from extensor.train.settings import Settings

D = TypeVar("D")
Batch = tuple[Any, Any]
"""What the model reads, and the labels of its answers: one integer an answer."""


class Outcome(NamedTuple):
    """What a step, or an evaluation, came to: the mean loss, right answers, answers.

    >>> Outcome(0.5, 3, 4).accuracy
    0.75
    """

    loss: float
    correct: int
    answers: int

    @property
    def accuracy(self) -> float:
        """Right answers over answers."""
        return self.correct / self.answers


class Loader(Protocol):
    """Batches by epoch: `extensor.data.DataLoader`, `extensor.data.WindowLoader`."""

    def __len__(self) -> int:
        """The batches of an epoch."""
        ...

    def epoch(self, epoch: int, batch: int = 0) -> Iterator[Batch]:
        """Those of an epoch from ``batch`` on."""
        ...


@dataclass(frozen=True)
class Words:
    """What the numbers of a run are called, in rows, in JSON and on screens.

    items, item
        What is counted and timed, and its short form.
    held
        The data that is not trained on: the kind of its rows, and the beginning of its facts.
    figure, label, factor
        The figure beside the loss: its column, its axis in a plot, and by what it is multiplied
        there.
    judged, judged_fact, judged_factor, judged_digits
        What recipes are compared by: its name, the fact of a run that it is, by what that is
        multiplied and how many digits are shown.
    """

    items: str
    item: str
    held: str
    figure: str
    label: str
    factor: float
    judged: str
    judged_fact: str
    judged_factor: float
    judged_digits: int

    @property
    def rate(self) -> str:
        """The column of the speed.

        >>> from extensor.train.images import IMAGES
        >>> IMAGES.words.rate
        'images_per_second'
        """
        return f"{self.items}_per_second"


class Problem(ABC, Generic[D]):
    """One kind of thing to learn, on data of one type; it holds nothing of a run."""

    words: Words

    @abstractmethod
    def load(self, settings: Settings) -> tuple[D, D]:
        """The data to train on, and the data held back."""

    @abstractmethod
    def model(self, settings: Settings, data: D, recipe: Recipe, key: Key) -> Module:
        """A fresh model for the data, under the recipe."""

    @abstractmethod
    def loader(self, settings: Settings, data: D, key: Key) -> Loader:
        """The batches to train on."""

    @abstractmethod
    def held_batches(self, data: D) -> Iterator[Batch]:
        """All of the data held back, once and in order."""

    @abstractmethod
    def each(self, data: D) -> int:
        """How many items (see ``Words``) a row of a batch has."""

    @abstractmethod
    def describe(self, data: D) -> str:
        """Name, size and hash in one line: equal lines, equal data."""

    @abstractmethod
    def sizes(self, data: D, held: D) -> str:
        """Both sizes in words, for the first lines of a run."""

    @abstractmethod
    def figure(self, loss: float, accuracy: float) -> float:
        """The figure beside the loss."""

    @abstractmethod
    def headline(self, loss: float, figure: float) -> str:
        """How well it went on the data held back, in a few words."""

    @abstractmethod
    def title(self, loss: float, figure: float) -> str:
        """The same above a picture."""

    @abstractmethod
    def line(self, train: tuple[float, float], held: tuple[float, float]) -> str:
        """An epoch in one line: loss and figure of training, then of the data held back."""

    @abstractmethod
    def running(self, loss: float, figure: float) -> str:
        """Training so far, beside a progress bar."""
