"""``WindowLoader``: batches of windows of a text, a pure function of (key, epoch, batch)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from extensor.data.order import epoch_order
from extensor.data.text import Text, Tokens
from extensor.errors import FormatError
from extensor.noise import Key, words

Batch = tuple[Tokens, Tokens]


class WindowLoader:
    """Batches (tokens int64 (B, context), the tokens one place on (B, context)) of a text.

    batch_size
        Windows a batch; the last batch of an epoch is smaller.
    key
        With a key, the windows of an epoch lie beside each other from an offset that the epoch
        draws, and come in an order that it draws: an epoch sees every character once (but for the
        ends), never cut at the same places. Without one, they lie from the start on, in order, and
        all of them fit: what a validation reads.

    >>> from extensor.noise import key
    >>> loader = WindowLoader(Text(np.arange(10) % 3, "abc", 2), batch_size=3, key=key(0))
    >>> [tokens.shape for tokens, _ in loader.epoch(0)]
    [(3, 2), (1, 2)]
    """

    def __init__(self, text: Text, *, batch_size: int, key: Key | None = None) -> None:
        if batch_size < 1:
            raise FormatError(f"WindowLoader: batch_size={batch_size}; expected 1 or more")
        self.text, self.batch_size, self._key = text, batch_size, key
        fit = (len(text.tokens) - 1) // text.context
        self.count = fit if key is None else len(text)

    def __len__(self) -> int:
        """The batches of an epoch."""
        return (self.count + self.batch_size - 1) // self.batch_size

    def epoch(self, epoch: int, batch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from ``batch`` on; the same for the same numbers, always."""
        if epoch < 0 or not 0 <= batch <= len(self):
            raise FormatError(
                f"WindowLoader: no batch {batch} of epoch {epoch}; an epoch has {len(self)} batches"
            )
        starts, size = self.starts(epoch), self.batch_size
        firsts = range(batch * size, self.count, size)
        return (self.text.windows(starts[first : first + size]) for first in firsts)

    def starts(self, epoch: int) -> NDArray[np.int64]:
        """Where the windows of an epoch begin, in the order of the batches.

        The offset is floor(word · context / 2^32), of the first word of the epoch's own key.
        """
        context = self.text.context
        if self._key is None:
            return np.arange(self.count, dtype=np.int64) * context
        word = int(words(self._key.fold(1).fold(epoch), 0, 1)[0])
        offset = word * context >> 32
        return epoch_order(self._key.fold(0), epoch, self.count) * context + offset
