"""Where downloaded files lie, and how they come there: by checksum, in one atomic step."""

import hashlib
import os
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from extensor.errors import FormatError
from extensor.io.atomic import write_atomic

TIMEOUT = 20.0
"""How long, in seconds, a silent mirror is waited for."""
LARGEST = 64 << 20
"""No file of ours is larger, in bytes: more than this is not read."""


def cache_folder() -> Path:
    """The folder of downloaded files: ``EXTENSOR_DATA``, else ``extensor`` in the user's cache.

    The user's cache is ``XDG_CACHE_HOME``, else ``~/.cache``.

    >>> from unittest.mock import patch
    >>> with patch.dict(os.environ, EXTENSOR_DATA="/data/sets"):
    ...     print(cache_folder())
    /data/sets
    """
    if own := os.environ.get("EXTENSOR_DATA"):
        return Path(own).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "extensor"


def md5(content: bytes) -> str:
    """The MD5 of bytes in hexadecimal: the checksum that these data sets are published with.

    >>> md5(b"")
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def download(mirrors: Sequence[str], name: str, checksum: str, target: Path) -> Path:
    """Fetch ``name`` from the first mirror that has it, as ``target``.

    mirrors
        Addresses of folders, each ending in a slash.
    checksum
        The MD5 that the content must have.
    Raises ``FormatError`` with the fate of every mirror where none delivers.
    """
    reasons = []
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(mirror + name, timeout=TIMEOUT) as answer:
                content: bytes = answer.read(LARGEST + 1)
        except (OSError, HTTPException, ValueError) as error:
            reasons.append(f"{mirror}: {error}")
            continue
        if md5(content) == checksum:
            _make_folder(target.parent)
            write_atomic(target, [content])
            return target
        reasons.append(f"{mirror}: {len(content):,} bytes with another checksum")
    raise FormatError(f"cannot download {name}: " + "; ".join(reasons))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FormatError(
            f"cannot make the cache folder {folder}: {error.strerror}; set EXTENSOR_DATA to "
            "a folder that is writable"
        ) from error
