"""Images to classify: digits, mnist and fashion, by lenet or mlp."""

from collections.abc import Iterator

from extensor.data import (
    Compose,
    DataLoader,
    Dataset,
    Elastic,
    Rotate,
    Shift,
    digits,
    fashion_mnist,
    mnist,
)
from extensor.nn import Module
from extensor.noise import Key
from extensor.recipe import Recipe
from extensor.train.build import make_model
from extensor.train.measure import data_hash
from extensor.train.problem import Batch, Problem, Words
from extensor.train.settings import Settings

AUGMENT = Compose(Shift(2), Rotate(10), Elastic(alpha=20, sigma=4))
"""What ``--augment`` does: at most 2 pixels and 10 degrees, bent by about 0.8 pixels."""
EVALUATE = 500
"""Test images a forward pass."""
WORDS = Words(
    items="images", item="img", held="test",
    figure="accuracy", label="accuracy (%)", factor=100.0,
    judged="accuracy", judged_fact="test_accuracy", judged_factor=100.0, judged_digits=2,
)  # fmt: skip


class Images(Problem[Dataset]):
    """One class an image; judged by the share of test images that are classified rightly.

    >>> IMAGES.title(0.1, 0.9)
    '90.00 % of test images'
    """

    words = WORDS

    def load(self, settings: Settings) -> tuple[Dataset, Dataset]:
        """The training images and the test images."""
        if settings.data == "digits":
            return digits("train"), digits("test")
        read = mnist if settings.data == "mnist" else fashion_mnist
        return read(settings.data_dir, "train"), read(settings.data_dir, "test")

    def model(self, settings: Settings, data: Dataset, recipe: Recipe, key: Key) -> Module:
        """The model of this name."""
        return make_model(settings, recipe, key)

    def loader(self, settings: Settings, data: Dataset, key: Key) -> DataLoader:
        """Shuffled images float32 (B, 1, 28, 28) and labels int64 (B,)."""
        return DataLoader(
            data,
            batch_size=settings.batch_size or 1,
            shuffle=True,
            key=key,
            transform=AUGMENT if settings.augment else None,
        )

    def held_batches(self, data: Dataset) -> Iterator[Batch]:
        """The test images in parts of ``EVALUATE``."""
        images, labels = data.normalised(), data.labels
        for first in range(0, len(labels), EVALUATE):
            part = slice(first, first + EVALUATE)
            yield images[part], labels[part]

    def each(self, data: Dataset) -> int:
        """One."""
        return 1

    def describe(self, data: Dataset) -> str:
        """Name, images and hash."""
        return f"{data.name} ({len(data):,} images, {data_hash(data)})"

    def sizes(self, data: Dataset, held: Dataset) -> str:
        """Images of both splits."""
        return f"{data.name}, {len(data):,} images to train on, {len(held):,} to test on"

    def figure(self, loss: float, accuracy: float) -> float:
        """The accuracy."""
        return accuracy

    def headline(self, loss: float, figure: float) -> str:
        """The test accuracy in percent."""
        return f"test accuracy {100 * figure:.2f} %"

    def title(self, loss: float, figure: float) -> str:
        """The share of test images."""
        return f"{100 * figure:.2f} % of test images"

    def line(self, train: tuple[float, float], held: tuple[float, float]) -> str:
        """Training loss, both accuracies."""
        loss, accuracy = train
        return f"loss {loss:.4f}  train {100 * accuracy:.2f} %  test {100 * held[1]:.2f} %"

    def running(self, loss: float, figure: float) -> str:
        """Training loss and accuracy."""
        return f"loss {loss:.3f}, acc {100 * figure:.1f} %"


IMAGES = Images()
"""The one instance."""
