"""One of a few names, or an error that says which name was probably meant."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from extensor.errors import FormatError

T = TypeVar("T")


def choose(what: str, name: str, known: Mapping[str, T]) -> T:
    """The value under ``name``; ``FormatError`` where there is none.

    >>> choose("model", "lenet", {"lenet": 5})
    5
    >>> choose("model", "lennet", {"lenet": 5})
    Traceback (most recent call last):
    extensor.errors.FormatError: model: unknown name 'lennet'; did you mean 'lenet'? allowed: lenet
    """
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise FormatError(f"{what}: unknown name {name!r}; {hint}allowed: {', '.join(known)}")
