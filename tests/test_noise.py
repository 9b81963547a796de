"""Philox: known answers, slices, and keys that never meet."""

import numpy as np
import pytest

import extensor as ex
from extensor.noise import DERIVE, words
from extensor.philox import draw
from tests import oracle_blocks

KNOWN = {
    "zeros": ("00000000 00000000 00000000 00000000", "00000000 00000000",
              "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    "ones": ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
             "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    "pi": ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
           "d16cfe09 94fdcceb 5001e420 24126ea1"),
}  # fmt: skip
"""Random123's known answers for philox4x32-10: counter, key, words."""


def _hex(text: str) -> tuple[int, ...]:
    return tuple(int(word, 16) for word in text.split())


@pytest.mark.parametrize("case", KNOWN)
def test_known_answers(case: str) -> None:
    counter, key, answer = map(_hex, KNOWN[case])
    found = draw(
        np.uint64(counter[0] | counter[1] << 32),
        np.uint64(counter[2] | counter[3] << 32),
        np.uint64(key[0] | key[1] << 32),
    )
    assert tuple(int(w) for w in found) == answer
    assert oracle_blocks.philox(counter, key) == answer  # type: ignore[arg-type]


def test_words_are_those_of_the_oracle() -> None:
    """Low and high halves of index, stream and seed all count."""
    for seed, stream in ((0, 0), (7, 1), (2**64 - 1, 2**63 + 5), (1 << 32, 1 << 32)):
        for start in (0, 1, 3, 2**34 - 2, 2**40 + 1):
            wanted = [oracle_blocks.word(seed, stream, start + i) for i in range(9)]
            assert words(ex.Key(seed, stream), start, 9).tolist() == wanted


def test_a_slice_draws_what_the_whole_would() -> None:
    key = ex.key(5)
    whole = words(key, 0, 1000)
    for start, stop in ((0, 0), (1, 2), (3, 500), (998, 1000)):
        np.testing.assert_array_equal(words(key, start, stop - start), whole[start:stop])


def test_keys_are_values() -> None:
    assert ex.key(3) == ex.key(3) and hash(ex.key(3)) == hash(ex.key(3))
    assert ex.key(3).split(4) == tuple(ex.key(3).fold(i) for i in range(4))
    assert ex.key(3).fold(1).fold(2) != ex.key(3).fold(2).fold(1)


def test_derived_keys_are_disjoint() -> None:
    """10,000 keys of a tree are all different, and so are their first words."""
    keys = [ex.key(0), ex.key(1)]
    for root in tuple(keys):
        for child in root.split(50):
            keys += [child, *child.split(99)]
    assert len(set(keys)) == len(keys) == 2 + 2 * 50 * 100
    first = np.array([words(key, 0, 2) for key in keys[:2000]])
    assert len(np.unique(first, axis=0)) == 2000


def test_no_counter_is_used_for_two_ends() -> None:
    """A draw has counter i // 4 < 2**62 in words 0-1; a fold sets the top bit: they never meet."""
    largest_draw = (2**63 - 1) // 4
    assert largest_draw < DERIVE and all((n | DERIVE) >= DERIVE for n in (0, 1, 2**63 - 1))
    key = ex.Key(9, 4)
    counter = (5, DERIVE >> 32, 4, 0)
    child = oracle_blocks.philox(counter, (9, 0))
    assert key.fold(5) == ex.Key(child[0] | child[1] << 32, child[2] | child[3] << 32)


def test_words_look_uniform() -> None:
    """A smoke test: bits are fair within 6 sigma, and neighbours do not correlate."""
    w = words(ex.key(123), 0, 1 << 16)
    bits = np.unpackbits(w.view(np.uint8)).mean()
    assert abs(bits - 0.5) < 6 * 0.5 / np.sqrt(w.size * 32)
    u = w / 2**32 - 0.5
    assert abs(np.mean(u[1:] * u[:-1])) * 12 < 6 / np.sqrt(w.size)


@pytest.mark.parametrize("bad", [-1, 2**64])
def test_out_of_range(bad: int) -> None:
    with pytest.raises(ex.FormatError, match="outside of 0"):
        ex.key(bad)
    with pytest.raises(ex.FormatError, match="outside of 0"):
        ex.key(0).fold(bad)
