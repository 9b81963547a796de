"""Options of a command from its words, by tyro: a dataclass is a command line."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def parse(kind: type[T], words: Sequence[str], command: str) -> T:
    """The dataclass filled from the words; prints help (exit 0) or what is wrong (exit 2).

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Options:
    ...     threads: int = 1
    >>> parse(Options, ["--threads", "4"], "train").threads
    4
    """
    import tyro

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(kind, args=list(words), prog=f"extensor {command}", config=config)
