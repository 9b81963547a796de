"""``DataLoader``: batches of a data set in an order that is a pure function of (key, epoch)."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from extensor.data.dataset import Dataset, Images, Labels
from extensor.data.order import epoch_order
from extensor.data.prefetch import ordered_map
from extensor.data.transform import Transform
from extensor.errors import FormatError, KeyMissingError
from extensor.noise import Key

Batch = tuple[Images, Labels]
AHEAD = 4
"""How many batches wait beyond those that the threads work on."""


class DataLoader:
    """Normalised batches (images float32 (B, C, H, W), labels int64 (B,)) of a data set.

    batch_size
        Images a batch; the last batch of an epoch is smaller, or dropped with ``drop_last``.
    shuffle, key
        Whether each epoch has its own order, drawn from the key.
    transform
        A ``Transform``, or any function of (images, key): images in 0..1, before normalising. A
        ``Transform`` changes an image by the epoch and the image's number, so alike in any batch;
        a function gets a key of the epoch and the batch.
    workers
        Threads that prepare batches ahead; 0 for none. The batches do not depend on it.
    start
        (epoch, batch): where the first iteration begins, to go on after a checkpoint.

    ``loader.epoch(i)`` yields the batches of epoch i. Iterating over the loader itself yields the
    epoch of ``start``, and each further iteration the next epoch.

    >>> from extensor.noise import key
    >>> data = Dataset(np.zeros((10, 1, 28, 28), np.uint8), np.arange(10))
    >>> loader = DataLoader(data, batch_size=4, shuffle=True, key=key(0))
    >>> [labels.shape for _, labels in loader.epoch(0)]
    [(4,), (4,), (2,)]
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        shuffle: bool = False,
        key: Key | None = None,
        transform: Transform | Callable[[Images, Key], Images] | None = None,
        drop_last: bool = False,
        workers: int = 1,
        start: tuple[int, int] = (0, 0),
    ) -> None:
        if batch_size < 1 or workers < 0:
            raise FormatError(
                f"DataLoader: batch_size={batch_size}, workers={workers}; "
                "expected batch_size from 1 and workers from 0 on"
            )
        if key is None and (shuffle or transform is not None):
            raise KeyMissingError("DataLoader: shuffle and transform need a key: key=ex.key(seed)")
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.transform, self.workers = transform, workers
        self._order_key = key.fold(0) if key is not None and shuffle else None
        self._transform_key = key.fold(1) if key is not None else None
        self._next = self._checked(*start)

    def __len__(self) -> int:
        """The batches of an epoch."""
        rounding = 0 if self.drop_last else self.batch_size - 1
        return (len(self.dataset) + rounding) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        epoch, batch = self._next
        self._next = (epoch + 1, 0)
        return self.epoch(epoch, batch)

    def epoch(self, epoch: int, batch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from ``batch`` on; the same for the same numbers, always.

        Closing the iterator early joins its threads. An error while a batch is prepared is raised
        where the batch would have come.
        """
        self._checked(epoch, batch)
        order = epoch_order(self._order_key, epoch, len(self.dataset))

        def prepare(number: int) -> Batch:
            first = number * self.batch_size
            return self._batch(order[first : first + self.batch_size], epoch, number)

        numbers = range(batch, len(self))
        return ordered_map(prepare, numbers, self.workers, self.workers + AHEAD)

    def _batch(self, index: NDArray[np.int64], epoch: int, number: int) -> Batch:
        images = self.dataset.pixels(index)
        if self.transform is not None and self._transform_key is not None:
            key = self._transform_key.fold(epoch)
            if isinstance(self.transform, Transform):
                images = self.transform(images, key, index)
            else:
                images = np.array(self.transform(images, key.fold(number)), np.float32)
        return self.dataset.normalise(images), self.dataset.labels[index]

    def _checked(self, epoch: int, batch: int) -> tuple[int, int]:
        if epoch < 0 or not 0 <= batch <= len(self):
            raise FormatError(
                f"DataLoader: no batch {batch} of epoch {epoch}; an epoch has {len(self)} batches"
            )
        return epoch, batch
