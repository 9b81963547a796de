"""The loader: an order that is a function of (key, epoch), threads that vanish, exact resume."""

import gc
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from extensor.data import Compose, DataLoader, Dataset, Elastic, Rotate, Shift
from extensor.data import order as order_module
from extensor.data.dataset import Images
from extensor.data.loader import Batch
from extensor.data.order import permutation
from extensor.data.prefetch import ordered_map
from extensor.errors import FormatError, KeyMissingError
from extensor.noise import Key, key, words

COUNT = 50
DATA = Dataset(
    np.random.default_rng(0).integers(0, 256, (COUNT, 1, 28, 28), np.uint8),
    np.arange(COUNT) % 10,
    mean=0.25,
    std=0.5,
)
PIPELINE = Compose(Shift(2), Rotate(15), Elastic())


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert set(threading.enumerate()) <= before


def loader(**changes: object) -> DataLoader:
    arguments = {"batch_size": 8, "shuffle": True, "key": key(3), "transform": PIPELINE} | changes
    return DataLoader(DATA, **arguments)  # type: ignore[arg-type]


def equal(a: Iterator[Batch], b: Iterator[Batch]) -> bool:
    """Whether two iterations give the same bits."""
    return all(
        np.array_equal(x, images) and np.array_equal(y, labels)
        for (x, y), (images, labels) in zip(a, b, strict=True)
    )


def test_batches_are_normalised_images_and_labels() -> None:
    plain = DataLoader(DATA, batch_size=8)
    batches = list(plain)
    assert [len(labels) for _, labels in batches] == [8] * 6 + [2] and len(plain) == 7
    images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
    assert images.dtype == np.float32 and labels.dtype == np.int64
    expected = (DATA.images / np.float32(255) - np.float32(0.25)) / np.float32(0.5)
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(labels, DATA.labels)
    dropped = DataLoader(DATA, batch_size=8, drop_last=True)
    assert [len(labels) for _, labels in dropped] == [8] * 6 and len(dropped) == 6


def test_permutation_sorts_words_and_ties_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    order = permutation(key(5), 1000)
    drawn = words(key(5), 0, 1000).tolist()
    assert order.tolist() == sorted(range(1000), key=lambda i: (drawn[i], i))
    assert permutation(key(5), 0).tolist() == []
    few = np.random.default_rng(1).integers(0, 3, 200, np.uint32)
    monkeypatch.setattr(order_module, "words", lambda *_: few)
    assert permutation(key(5), 200).tolist() == sorted(range(200), key=lambda i: (few[i], i))


def test_the_permutation_of_a_key_never_changes() -> None:
    """Written down once: another order would change every published run."""
    assert permutation(key(0), 8).tolist() == [7, 5, 0, 3, 6, 2, 1, 4]


def test_permutations_are_fair() -> None:
    """Every number comes first about as often: chi-squared of 4,000 keys over 8 numbers."""
    firsts = np.bincount([permutation(Key(s), 8)[0] for s in range(4000)], minlength=8)
    assert ((firsts - 500) ** 2 / 500).sum() < 29.9  # p = 1e-4 at 7 degrees of freedom


def test_each_epoch_is_a_new_order_of_all_images() -> None:
    orders = []
    for epoch in range(3):
        images = np.concatenate([x for x, _ in loader(transform=None).epoch(epoch)])
        where = {image.tobytes(): i for i, image in enumerate(DATA.normalised())}
        orders.append([where[image.tobytes()] for image in images])
        assert sorted(orders[-1]) == list(range(COUNT))
    assert orders[0] != orders[1] != orders[2] != orders[0]


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_the_batches_do_not_depend_on_the_threads(workers: int) -> None:
    assert equal(loader(workers=workers).epoch(4), loader().epoch(4))


def test_an_image_is_changed_alike_in_batches_of_any_size() -> None:
    small = np.concatenate([x for x, _ in loader(batch_size=3).epoch(1)])
    large = np.concatenate([x for x, _ in loader(batch_size=50).epoch(1)])
    np.testing.assert_array_equal(small, large)


def test_an_image_is_changed_anew_each_epoch() -> None:
    first, second = (next(loader(shuffle=False).epoch(epoch))[0] for epoch in (0, 1))
    assert not any(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_resume_in_the_middle_gives_the_same_bits() -> None:
    def run(data: DataLoader, epochs: int) -> Iterator[Batch]:
        for _ in range(epochs):
            yield from data

    whole = list(run(loader(), 3))
    for seen in range(22):
        rest = run(loader(start=divmod(seen, 7)), 3 - seen // 7)
        assert equal(iter(whole[seen:]), rest)


def test_iterating_again_is_the_next_epoch() -> None:
    data = loader()
    for epoch in range(3):
        assert equal(iter(data), loader().epoch(epoch))


def test_keys_are_needed_where_chance_is() -> None:
    for changes in ({"transform": None}, {"shuffle": False}):
        with pytest.raises(KeyMissingError):
            loader(key=None, **changes)
    assert len(list(loader(key=None, shuffle=False, transform=None))) == 7


def test_what_the_loader_refuses() -> None:
    for changes in ({"batch_size": 0}, {"workers": -1}, {"start": (0, 8)}, {"start": (-1, 0)}):
        with pytest.raises(FormatError, match="DataLoader"):
            loader(**changes)
    with pytest.raises(FormatError, match="7 batches"):
        loader().epoch(0, 8)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_error_surfaces_where_its_batch_would_come(workers: int) -> None:
    def fail(images: Images, key: Key) -> Images:
        if (images == DATA.pixels(slice(16, 24))).all():
            raise ZeroDivisionError("in the third batch")
        return images

    batches = loader(transform=fail, shuffle=False, workers=workers).epoch(0)
    assert len(next(batches)[1]) == len(next(batches)[1]) == 8
    with pytest.raises(ZeroDivisionError, match="third"):
        next(batches)
    assert next(batches, None) is None


def test_a_function_as_transform_gets_a_key_a_batch() -> None:
    seen = []

    def note(images: Images, key: Key) -> Images:
        seen.append(key)
        return 1 - images

    batches = list(loader(transform=note, shuffle=False, workers=0))
    assert len(set(seen)) == 7
    expected = (1 - DATA.pixels(slice(8)) - np.float32(0.25)) / np.float32(0.5)
    np.testing.assert_array_equal(batches[0][0], expected)


def test_closing_early_joins_the_threads() -> None:
    def threads() -> int:
        return sum(t.name.startswith("extensor-data") for t in threading.enumerate())

    batches = loader(workers=3).epoch(0)
    next(batches)
    assert threads() > 0
    batches.close()  # type: ignore[attr-defined]
    assert threads() == 0
    for _ in loader(workers=2):
        break
    gc.collect()
    assert threads() == 0


def test_the_queue_is_bounded() -> None:
    started: list[int] = []

    def note(number: int) -> int:
        started.append(number)
        return number

    results = ordered_map(note, range(1000), workers=2, ahead=5)
    assert next(results) == 0
    time.sleep(0.05)
    assert len(started) <= 6
    assert list(results) == list(range(1, 1000))


def test_slow_items_keep_the_order() -> None:
    def slow(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number

    function: Callable[[int], int] = slow
    assert list(ordered_map(function, range(30), workers=4, ahead=8)) == list(range(30))
