"""``Text``: a text as numbers of its characters, cut into windows; and the reader of its file.

A window of ``context`` characters is what a language model reads, and the same window one character
on is what it should have answered. The first nine tenths of a text are to train on, the rest is to
validate with.
"""

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extensor.data.cache import LARGEST
from extensor.errors import FormatError, ShapeError

Tokens = NDArray[np.int64]
MOST = 1 << 16
"""Different characters that a text may have."""
SPLITS = ("train", "validation")


@dataclass(frozen=True, eq=False)
class Text:
    """Numbers of characters, and how they are cut.

    tokens
        Shape (N,), int64, each in ``0 .. len(characters) - 1``; kept as a read-only view.
    characters
        The character of each number, no two alike.
    context
        Characters of a window.
    name
        What it is called, for messages and records.
    ``len`` is the number of windows that fit beside each other wherever the first one begins
    (within the first ``context`` characters).
    Raises ``ShapeError`` or ``FormatError`` for what is none of this, or too short for one window.

    >>> data = Text(np.array([0, 1, 1, 0, 1]), "ab", context=2)
    >>> len(data), data.decode(data.tokens), data.encode("ba").tolist()
    (1, 'abbab', [1, 0])
    """

    tokens: Tokens
    characters: str
    context: int
    name: str = "text"

    def __post_init__(self) -> None:
        tokens, who = np.asarray(self.tokens), f"Text {self.name!r}"
        if tokens.ndim != 1 or tokens.dtype != np.int64:
            raise ShapeError(f"{who}: tokens {tokens.dtype}{tokens.shape}; expected int64 of (N,)")
        if len(set(self.characters)) != len(self.characters):
            raise FormatError(f"{who}: a character has two numbers")
        if self.context < 1 or tokens.size < 2 * self.context:
            raise FormatError(
                f"{who}: {tokens.size:,} characters, windows of {self.context:,}; allowed: windows "
                "of 1 character or more, and a text of two windows or more"
            )
        if not 0 <= tokens.min() <= tokens.max() < len(self.characters):
            raise FormatError(
                f"{who}: tokens lie in {tokens.min()}..{tokens.max()}, "
                f"expected 0..{len(self.characters) - 1}"
            )
        view = tokens.view()
        view.flags.writeable = False
        object.__setattr__(self, "tokens", view)

    def __len__(self) -> int:
        return len(self.tokens) // self.context - 1

    @property
    def vocab(self) -> int:
        """How many different characters there are."""
        return len(self.characters)

    def windows(self, starts: Tokens) -> tuple[Tokens, Tokens]:
        """The windows that begin at ``starts`` (B,), and what follows each character: (B, context).

        >>> data = Text(np.arange(6), "abcdef", context=2)
        >>> [part.tolist() for part in data.windows(np.array([3, 0]))]
        [[[3, 4], [0, 1]], [[4, 5], [1, 2]]]
        """
        places = np.asarray(starts)[:, None] + np.arange(self.context + 1)
        if places.size and not 0 <= places.min() <= places.max() < len(self.tokens):
            raise ShapeError(
                f"Text {self.name!r}: windows begin at {places[:, 0].min()}..{places[:, 0].max()}; "
                f"allowed: 0..{len(self.tokens) - self.context - 1}"
            )
        both = self.tokens[places]
        return both[:, :-1], both[:, 1:]

    def encode(self, text: str) -> Tokens:
        """The numbers of characters; ``FormatError`` for one that is not known."""
        number = {character: i for i, character in enumerate(self.characters)}
        if unknown := sorted(set(text) - set(number)):
            raise FormatError(f"Text {self.name!r}: unknown characters {''.join(unknown)!r}")
        return np.array([number[character] for character in text], np.int64)

    def decode(self, tokens: Tokens) -> str:
        """The characters of numbers (N,)."""
        return "".join(self.characters[int(token)] for token in tokens)


def text(
    path: str | os.PathLike[str],
    context: int = 128,
    split: str = "train",
    name: str | None = None,
) -> Text:
    """One split of a UTF-8 file, character by character.

    path
        The file, of at most 64 MiB. Its characters are numbered in the order of Unicode; the
        numbers are those of the whole file, so both splits know every character.
    context
        Characters of a window.
    split
        ``"train"``, the first nine tenths of the characters, or ``"validation"``, the others.
    name
        What the data set is called; without it as the file is.
    Raises ``FormatError`` for a file that cannot be read, is too large, is no UTF-8, or is too
    short for two windows in the split.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open(f"{folder}/verse.txt", "w") as file:
    ...         _ = file.write("to be or not to be, " * 5)
    ...     text(f"{folder}/verse.txt", context=4).decode(np.arange(8))
    ' ,benort'
    """
    if split not in SPLITS:
        allowed = ", ".join(repr(known) for known in SPLITS)
        raise FormatError(f"text: unknown split {split!r}; allowed: {allowed}")
    content = _read(path)
    codes, tokens = np.unique(
        np.frombuffer(content.encode("utf-32-le"), np.uint32), return_inverse=True
    )
    if len(codes) > MOST:
        raise FormatError(
            f"text: {os.fspath(path)}: {len(codes):,} different characters; allowed: {MOST:,}"
        )
    cut = len(tokens) * 9 // 10
    part = tokens[:cut] if split == "train" else tokens[cut:]
    characters = "".join(map(chr, codes.tolist()))
    known_as = os.path.basename(os.fspath(path)) if name is None else name
    return Text(part.astype(np.int64), characters, context, known_as)


def _read(path: str | os.PathLike[str]) -> str:
    """The whole file; refused by its size before a byte of it is read."""
    where = os.fspath(path)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > LARGEST else file.read(LARGEST + 1)
    except OSError as error:
        raise FormatError(f"text: {where}: cannot be read: {error.strerror}") from error
    if max(size, len(content)) > LARGEST:
        raise FormatError(f"text: {where}: {size:,} bytes; allowed: {LARGEST:,}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"text: {where}: is no UTF-8: {error.reason} at byte {error.start:,}; "
                          "convert it first") from error  # fmt: skip
