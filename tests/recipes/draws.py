"""All draws of a stochastic quantizer, by its own kernel, each equally likely.

The word of element i is a pure function of (key, i), so a draw of the kernel is chosen by its key.
For every element and every byte j there is a seed whose word begins with j; a whole draw "all
elements get j" is put together from the codes that the kernel gave under those seeds. Over all j
each element then met each of its draws exactly once, so means are exact: nothing is sampled.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import extensor as ex
from extensor.kernels.choice import Choice
from extensor.kernels.pack import pack, unpack
from extensor.kernels.packed import Packed
from extensor.kernels.quantize import quantize
from extensor.noise import Key, words

Strides = tuple[int, int, int]


def all_draws(
    x: NDArray[Any], fmt: ex.Block, choice: Choice, strides: Strides, offset: int = 0
) -> list[Packed]:
    """The 2**sr_bits draws of (1, R, K); draw j gives every element words that begin with j."""
    _, rows, length = x.shape
    places = offset + np.arange(rows)[:, None] * strides[1] + np.arange(length) * strides[2]
    count = 2**choice.sr_bits
    seed_of = np.full((count, rows, length), -1)  # the row of the table below
    codes: list[NDArray[np.uint8]] = []
    seed, like = 0, None
    while (seed_of < 0).any():
        drawn = words(Key(seed), 0, int(places.max()) + 1)[places] >> (32 - choice.sr_bits)
        new = np.take_along_axis(seed_of, drawn[None].astype(np.int64), 0)[0] < 0
        if new.any():
            r, k = np.nonzero(new)
            seed_of[drawn[r, k], r, k] = len(codes)
            like = quantize(x, fmt, choice, Key(seed), strides, offset)
            codes.append(like.codes)
        seed += 1
    assert like is not None
    full = fmt.blocks(length) * fmt.length
    table = unpack(np.concatenate(codes), fmt.packed_bits, full).reshape(-1, rows, full)
    draws = []
    for j in range(count):
        own = np.zeros((rows, full), np.uint8)
        own[:, :length] = np.take_along_axis(table[:, :, :length], seed_of[j][None], 0)[0]
        draws.append(like._replace(codes=pack(own, fmt.packed_bits)))
    return draws


@dataclass
class Chosen:
    """Stands in for the quantizing kernel: under a key of ``now``, the draw that it names.

    now
        The draw of each key that is expected; any other key of a stochastic rounding fails.
    """

    now: dict[Key, int] = field(default_factory=dict)
    known: dict[Any, list[Packed]] = field(default_factory=dict)

    def __call__(
        self, x: Any, fmt: ex.Block, choice: Choice, key: Any, strides: Any, offset: int, n: int,
        signs: Any,
    ) -> Packed:  # fmt: skip
        """What `extensor.kernels.quantize.quantize` is called with."""
        if not choice.draws:
            return quantize(x, fmt, choice, key, strides, offset, n, signs)
        assert not n, "draws of a rotated operand are not enumerated here"
        case = (x.tobytes(), x.shape, fmt, choice, strides, offset)
        if case not in self.known:
            self.known[case] = all_draws(x, fmt, choice, strides, offset)
        return self.known[case][self.now[key]]


def stacked(draws: list[Packed]) -> Packed:
    """All draws as one packed matrix, one below the other: one product makes every pair."""
    codes = np.concatenate([p.codes for p in draws])
    scales = np.concatenate([p.scales for p in draws])
    return draws[0]._replace(codes=codes, scales=scales, group=len(codes))
