"""The distinct numbers of a tensor, sorted. Every NaN is one of its own. No gradients."""

from typing import Any, NamedTuple

import numpy as np

from extensor.formats import compute
from extensor.functions.operands import tensor
from extensor.ops.convert import arrays_of, store
from extensor.storage import Native
from extensor.tensor import ExTensor


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: ExTensor
    indices: ExTensor
    inverse_indices: ExTensor
    counts: ExTensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: ExTensor
    counts: ExTensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: ExTensor
    inverse_indices: ExTensor


def _places(array: Any) -> ExTensor:
    return ExTensor(Native(array.astype(np.int64, copy=False)))


def unique_all(x: Any, /) -> UniqueAll:
    """The distinct numbers, where each comes first, which of them each entry is, and how often.

    The format is that of ``x`` (float32 for narrow and blocked ones).

    >>> values, indices, inverse, counts = unique_all([[2, 1], [2, 2]])
    >>> values.tolist(), indices.tolist(), inverse.tolist(), counts.tolist()
    ([1, 2], [1, 0], [[1, 0], [1, 1]], [1, 3])
    """
    made = tensor(x)
    values, first, inverse, counts = np.unique(
        arrays_of(made.storage).reshape(-1), return_index=True, return_inverse=True,
        return_counts=True, equal_nan=False,
    )  # fmt: skip
    kept = ExTensor(store(values, compute(made.dtype)))
    return UniqueAll(kept, _places(first), _places(inverse.reshape(made.shape)), _places(counts))


def unique_counts(x: Any, /) -> UniqueCounts:
    """The distinct numbers and how often each comes.

    >>> [part.tolist() for part in unique_counts([3, 1, 3])]
    [[1, 3], [1, 2]]
    """
    parts = unique_all(x)
    return UniqueCounts(parts.values, parts.counts)


def unique_inverse(x: Any, /) -> UniqueInverse:
    """The distinct numbers, and for each entry the place of its number among them.

    >>> [part.tolist() for part in unique_inverse([3, 1, 3])]
    [[1, 3], [1, 0, 1]]
    """
    parts = unique_all(x)
    return UniqueInverse(parts.values, parts.inverse_indices)


def unique_values(x: Any, /) -> ExTensor:
    """The distinct numbers.

    >>> unique_values([3, 1, 3]).tolist()
    [1, 3]
    """
    made = tensor(x)
    values = np.unique(arrays_of(made.storage).reshape(-1), equal_nan=False)
    return ExTensor(store(values, compute(made.dtype)))
