"""``Dataset``: images, labels and how to normalise them, as one frozen value."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import FormatError, ShapeError

Images = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    images
        Shape (N, C, H, W); uint8 in 0..255 or float32 in 0..1. Kept as a read-only view.
    labels
        Shape (N,), int64, each in ``0 .. len(classes) - 1``.
    name
        What it is called, for messages and records.
    mean, std
        Of the pixels in 0..1: what ``normalised`` subtracts and divides by.
    classes
        The names of the classes.
    Raises ``ShapeError`` or ``FormatError`` for arrays that are none of this.

    >>> data = Dataset(np.zeros((2, 1, 28, 28), np.uint8), np.array([0, 1]), "two")
    >>> len(data), data.image_shape
    (2, (1, 28, 28))
    """

    images: NDArray[Any]
    labels: Labels
    name: str = "dataset"
    mean: float = 0.0
    std: float = 1.0
    classes: tuple[str, ...] = tuple("0123456789")

    def __post_init__(self) -> None:
        images, labels = np.asarray(self.images), np.asarray(self.labels)
        who = f"Dataset {self.name!r}"
        if images.ndim != 4 or labels.shape != images.shape[:1]:
            raise ShapeError(
                f"{who}: images of shape {images.shape} and labels of shape {labels.shape}; "
                "expected (N, C, H, W) and (N,): as many labels as images"
            )
        if images.dtype not in (np.uint8, np.float32) or labels.dtype != np.int64:
            raise FormatError(
                f"{who}: images are {images.dtype} and labels {labels.dtype}; "
                "expected uint8 or float32 images and int64 labels"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise FormatError(
                f"{who}: labels lie in {labels.min()}..{labels.max()}, "
                f"expected 0..{len(self.classes) - 1}"
            )
        if not self.std > 0:
            raise FormatError(f"{who}: std is {self.std}, expected more than 0")
        for name, array in (("images", images), ("labels", labels)):
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def pixels(self, index: NDArray[np.int64] | slice) -> Images:
        """The images of an index as a fresh float32 array in 0..1: uint8 values over 255."""
        chosen = self.images[index]
        result = chosen.astype(np.float32)
        if chosen.dtype == np.uint8:
            result /= np.float32(255)
        return result

    def normalise(self, pixels: Images) -> Images:
        """(pixels - mean) / std in float32, in place: the array that came is returned."""
        pixels -= np.float32(self.mean)
        pixels /= np.float32(self.std)
        return pixels

    def normalised(self) -> Images:
        """All images as float32, normalised.

        >>> one = Dataset(np.full((1, 1, 1, 1), 255, np.uint8), np.array([0]), mean=0.5, std=0.25)
        >>> one.normalised().item()
        2.0
        """
        return self.normalise(self.pixels(slice(None)))

    def take(self, count: int) -> "Dataset":
        """The first ``count`` images, or all where there are fewer."""
        return replace(self, images=self.images[:count], labels=self.labels[:count])
