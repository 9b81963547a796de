"""What can be asked of an experiment; each reads what concerns it."""

from dataclasses import dataclass

from extensor.errors import FormatError


@dataclass(frozen=True)
class Options:
    """What can be asked of an experiment."""

    full: bool = False
    """The sizes of the papers' own tables: minutes instead of seconds."""
    seed: int = 0
    """Of the data and of every draw."""
    recipes: str | None = None
    """linear-layer: names of recipes, separated by commas; without it all that quantize."""
    shapes: str | None = None
    """linear-layer: sizes T x K x N (tokens, inputs, outputs) such as 256x256x256,512x768x2048."""
    parameters: float = 30e6
    """recommend: parameters of the model, without embeddings."""
    tokens: float = 3e9
    """recommend: how many tokens it will see."""


def sizes(text: str) -> list[tuple[int, int, int]]:
    """The shapes T, K, N of a text; `FormatError` for another text.

    >>> sizes("256x128x64,8x8x8")
    [(256, 128, 64), (8, 8, 8)]
    """
    found = []
    for word in text.split(","):
        parts = word.strip().split("x")
        if len(parts) != 3 or not all(p.isdecimal() and 0 < int(p) < 1 << 20 for p in parts):
            raise FormatError(f"lab: --shapes {word!r}; allowed: TxKxN such as 256x768x2048")
        t, k, n = map(int, parts)
        found.append((t, k, n))
    return found
