"""Texts: the reader refuses what is no text, windows are where they should be, orders resume."""

from pathlib import Path

import numpy as np
import pytest

from extensor.data import Text, WindowLoader, shakespeare, text
from extensor.errors import FormatError, ShapeError
from extensor.noise import key

VERSE = "So long as men can breathe or eyes can see,\nSo long lives this, and gives life to thee.\n"
LONG = VERSE * 8


def written(folder: Path, content: str | bytes, name: str = "verse.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def counting(count: int, context: int) -> Text:
    """A text whose tokens are their own places."""
    return Text(np.arange(count), "".join(map(chr, range(0x4000, 0x4000 + count))), context)


def test_both_splits_together_are_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, LONG)
    train, rest = text(path, 8), text(path, 8, "validation")
    assert train.decode(train.tokens) + rest.decode(rest.tokens) == LONG
    assert len(train.tokens) == len(LONG) * 9 // 10
    assert train.characters == rest.characters == "".join(sorted(set(LONG)))
    assert train.vocab == len(set(LONG)) and train.name == "verse.txt"
    assert train.tokens.dtype == np.int64 and not train.tokens.flags.writeable
    np.testing.assert_array_equal(train.encode(LONG[:50]), train.tokens[:50])


def test_characters_outside_of_ascii(tmp_path: Path) -> None:
    words = "Äpfel, 苹果, 🍎\r\n" * 30
    train = text(written(tmp_path, words), 4)
    assert train.decode(train.tokens) == words[: len(words) * 9 // 10]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 characters"),
        (b"short", "windows of 8"),
        (b"a" * 159, "15 characters|16 characters"),
        (b"caf\xe9 " * 50, "is no UTF-8: .* at byte 3"),
        (b"\xff\xfe" + b"ab" * 200, "is no UTF-8"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(FormatError, match=message):
        text(path, 8)
        text(path, 9, "validation")


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate((64 << 20) + 1)  # a hole: no byte is on the disk
    with pytest.raises(FormatError, match="67,108,865 bytes; allowed: 67,108,864"):
        text(path)
    with pytest.raises(FormatError, match="cannot be read"):
        text(tmp_path / "nothing")
    with pytest.raises(FormatError, match="cannot be read"):
        text(tmp_path)
    monkeypatch.setattr("builtins.open", pytest.fail)
    with pytest.raises(FormatError, match="unknown split 'test'"):
        text(path, 8, "test")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ((np.zeros((2, 2), np.int64), "a", 1), ShapeError),
        ((np.zeros(9, np.int32), "a", 1), ShapeError),
        ((np.array([0, 2, 1]), "ab", 1), FormatError),
        ((np.array([0, -1, 1]), "ab", 1), FormatError),
        ((np.array([0, 1, 1]), "aa", 1), FormatError),
        ((np.array([0, 1, 1]), "ab", 0), FormatError),
        ((np.array([0, 1, 1]), "ab", 2), FormatError),
    ],
)
def test_tokens_are_checked(arguments: tuple[object, ...], kind: type[Exception]) -> None:
    with pytest.raises(kind, match="Text 'text'"):
        Text(*arguments)  # type: ignore[arg-type]


def test_windows_and_what_follows() -> None:
    data = counting(20, 5)
    tokens, targets = data.windows(np.array([14, 0]))
    assert tokens.tolist() == [[14, 15, 16, 17, 18], [0, 1, 2, 3, 4]]
    np.testing.assert_array_equal(targets, tokens + 1)
    for start in (15, -1):
        with pytest.raises(ShapeError, match=r"allowed: 0\.\.14"):
            data.windows(np.array([start]))
    with pytest.raises(FormatError, match="unknown characters 'xy'"):
        data.encode("yxy")


@pytest.mark.parametrize(("count", "context"), [(10, 5), (11, 5), (64, 7), (200, 16), (4, 1)])
def test_an_epoch_has_each_character_once(count: int, context: int) -> None:
    data, offsets = counting(count, context), set()
    loader = WindowLoader(data, batch_size=3, key=key(1))
    for epoch in range(40):
        batches = list(loader.epoch(epoch))
        assert len(batches) == len(loader)
        tokens = np.concatenate([tokens for tokens, _ in batches])
        assert tokens.shape == (len(data), context)
        np.testing.assert_array_equal(np.concatenate([t for _, t in batches]), tokens + 1)
        seen = np.sort(tokens.reshape(-1))
        first = seen[0]
        np.testing.assert_array_equal(seen, np.arange(first, first + seen.size))
        assert 0 <= first < context
        offsets.add(int(first))
    assert len(offsets) > context // 2


def test_without_a_key_the_windows_lie_in_order() -> None:
    loader = WindowLoader(counting(22, 5), batch_size=3)
    batches = list(loader.epoch(7))
    assert [len(tokens) for tokens, _ in batches] == [3, 1]
    assert np.concatenate([t for t, _ in batches]).reshape(-1).tolist() == list(range(20))
    assert WindowLoader(counting(20, 5), batch_size=9).count == 3  # the last has nothing after it


def test_the_rest_of_an_epoch_is_the_same_from_any_batch() -> None:
    def loader() -> WindowLoader:
        return WindowLoader(counting(100, 4), batch_size=5, key=key(3))

    for epoch in (0, 5):
        whole = list(loader().epoch(epoch))
        for batch in range(len(whole) + 1):
            rest = list(loader().epoch(epoch, batch))
            assert len(rest) == len(whole) - batch
            for (a, b), (c, d) in zip(rest, whole[batch:], strict=True):
                np.testing.assert_array_equal(a, c)
                np.testing.assert_array_equal(b, d)


def test_epochs_and_keys_differ() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        loader = WindowLoader(counting(100, 4), batch_size=5, key=key(seed))
        return list(loader.starts(epoch))

    orders = [order(0, 0), order(0, 1), order(1, 0)]
    assert order(0, 0) == orders[0]
    assert len({tuple(some) for some in orders}) == 3


def test_the_starts_of_a_key_never_change() -> None:
    """Written down once: others would change every published run."""
    loader = WindowLoader(counting(40, 8), batch_size=1, key=key(0))
    assert [loader.starts(epoch).tolist() for epoch in (0, 1)] == STARTS


STARTS = [[25, 9, 17, 1], [13, 21, 5, 29]]


def test_what_the_loader_refuses() -> None:
    data = counting(100, 4)
    with pytest.raises(FormatError, match="batch_size=0"):
        WindowLoader(data, batch_size=0)
    loader = WindowLoader(data, batch_size=5, key=key(3))
    for epoch, batch in ((-1, 0), (0, 6), (0, -1)):
        with pytest.raises(FormatError, match="5 batches"):
            loader.epoch(epoch, batch)


@pytest.mark.parametrize("folder", [".", "tinyshakespeare", "shakespeare"])
def test_shakespeare_is_found_below_a_root(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    written(tmp_path / folder, LONG, "input.txt")
    data = shakespeare(tmp_path, "validation", 8)
    assert data.name == "shakespeare" and LONG.endswith(data.decode(data.tokens))


def test_missing_shakespeare_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> Path:
        raise FormatError(f"cannot download {arguments[1]}: no network")

    monkeypatch.setenv("EXTENSOR_DATA", str(tmp_path / "cache"))
    monkeypatch.setitem(shakespeare.__globals__, "download", refuse)
    with pytest.raises(FormatError, match="cannot download input.txt: no network") as caught:
        shakespeare(tmp_path / "root")
    for part in (str(tmp_path / "root"), str(tmp_path / "cache"), "--data-dir DIR"):
        assert part in str(caught.value)
    written(tmp_path, LONG)
    (tmp_path / "cache" / "tinyshakespeare").mkdir(parents=True)
    written(tmp_path / "cache" / "tinyshakespeare", LONG, "input.txt")
    assert len(shakespeare(context=8).tokens) == len(LONG) * 9 // 10
