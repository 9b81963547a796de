"""``Transform``: a random change of images as a frozen value; ``Compose``: several in a row.

What happens to an image is a function of the key and of the image's number in its data set. So it
is the same in any batch, in any order, on any thread, and after a resume.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extensor.data.dataset import Images
from extensor.errors import ShapeError
from extensor.jit import kernel
from extensor.noise import Key
from extensor.philox import philox

Index = NDArray[np.int64]


class Transform(ABC):
    """A random change of a batch of images; a subclass is a frozen dataclass with ``apply``.

    >>> @dataclass(frozen=True)
    ... class Negative(Transform):
    ...     def apply(self, images, key, index):
    ...         return 1 - images
    >>> Negative()(np.zeros((1, 1, 1, 2)), Key(0)).tolist()
    [[[[1.0, 1.0]]]]
    """

    def __call__(self, images: Images, key: Key, index: Index | None = None) -> Images:
        """The changed images, fresh.

        images
            Shape (N, C, H, W), float32, in 0..1; what comes in from outside is 0.
        key
            Of this epoch.
        index
            Shape (N,), int64: the numbers of the images in their data set; without it 0 .. N-1.
        """
        images = np.ascontiguousarray(images, dtype=np.float32)
        index = np.arange(len(images), dtype=np.int64) if index is None else np.asarray(index)
        if images.ndim != 4 or index.shape != images.shape[:1]:
            raise ShapeError(
                f"{self}: images of shape {images.shape} and an index of shape {index.shape}; "
                "expected (N, C, H, W) and (N,)"
            )
        return self.apply(images, key, index)

    @abstractmethod
    def apply(self, images: Images, key: Key, index: Index) -> Images:
        """What ``__call__`` does once the arguments are checked."""


@dataclass(frozen=True, init=False)
class Compose(Transform):
    """One transform after the other; the i-th gets the key ``key.fold(i)``.

    >>> Compose()(np.ones((1, 1, 2, 2), np.float32), Key(0)).shape
    (1, 1, 2, 2)
    """

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform) -> None:
        object.__setattr__(self, "transforms", transforms)

    def apply(self, images: Images, key: Key, index: Index) -> Images:
        """The images after the last transform."""
        for number, transform in enumerate(self.transforms):
            images = transform(images, key.fold(number), index)
        return images

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


def image_words(key: Key, index: Index, width: int) -> NDArray[np.uint32]:
    """``width`` random words for each image, shape (N, width); image i has i·width onwards.

    >>> both = image_words(Key(0), np.array([5, 2]), 3)
    >>> bool((both[1] == image_words(Key(0), np.array([2]), 3)[0]).all())
    True
    """
    out = np.empty((len(index), width), np.uint32)
    _gather(index.astype(np.uint64), np.uint64(key.stream), np.uint64(key.seed), out)
    return out


def uniform(words: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Words as numbers in [-1, 1): their top 24 bits over 2^23, minus 1, exactly.

    >>> uniform(np.array([0, 2**31, 2**32 - 1], np.uint32)).tolist()
    [-1.0, 0.0, 0.9999998807907104]
    """
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


@kernel()
def _gather(
    index: NDArray[np.uint64], stream: np.uint64, seed: np.uint64, out: NDArray[np.uint32]
) -> None:
    width = out.shape[1]
    for i in range(out.shape[0]):
        first = np.uint64(index[i] * np.uint64(width))
        before = np.int64(first & np.uint64(3))
        for block in range((before + width + 3) // 4):  # four words come at once
            counter = np.uint64((first >> np.uint64(2)) + np.uint64(block))
            four = philox(counter, stream, seed)
            for lane in range(4):
                j = 4 * block + lane - before
                if 0 <= j < width:
                    out[i, j] = four[lane]
