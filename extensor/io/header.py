"""The header of a safetensors file: parsed strictly, before a byte of tensor data is touched.

A file is: the header's length (8 bytes, little-endian), the header (JSON), the data. The header
maps each name to ``{"dtype", "shape", "data_offsets": [begin, end]}`` and ``"__metadata__"`` to
texts. Refused, each with a ``FormatError``: a header over 100 MB or beyond the end of the file,
anything but one JSON object, a key twice, an unknown type, a size that disagrees with its offsets,
and offsets that leave holes, overlap, or do not end where the file ends.

Source: the safetensors format, README, "Format" and "Benefits".
"""

import json
from collections import Counter
from dataclasses import dataclass
from math import prod
from reprlib import repr as short
from typing import Any, NoReturn

from extensor.errors import FormatError
from extensor.io.raw import TYPES, byte_count

LIMIT = 100_000_000
"""The longest header, in bytes."""
METADATA = "__metadata__"
MOST_AXES = 32
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies: type, shape, and its bytes ``begin .. end`` of the data."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a header says: the tensors in the order of their bytes, and the metadata."""

    entries: dict[str, Entry]
    metadata: dict[str, str]


def format_header(header: Header) -> bytes:
    """The bytes of a header, its length first, padded with spaces to a multiple of 8.

    >>> format_header(Header({"a": Entry("U8", (2,), 0, 2)}, {}))[8:]
    b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   '
    """
    value: dict[str, Any] = {METADATA: header.metadata} if header.metadata else {}
    for name, e in header.entries.items():
        offsets = [e.begin, e.end]
        value[name] = {"dtype": e.dtype, "shape": list(e.shape), "data_offsets": offsets}
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise FormatError(f"safetensors: a name or text is not valid Unicode: {error}") from error
    text += b" " * (-len(text) % 8)
    if len(text) > LIMIT:
        raise FormatError(f"safetensors: the header takes {len(text):,} bytes, at most {LIMIT:,}")
    return len(text).to_bytes(8, "little") + text


def parse_header(text: bytes, data_size: int) -> Header:
    """The header in ``text`` (without its length) of a file with ``data_size`` bytes of data.

    >>> parse_header(b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}', 2).entries["a"].end
    2
    >>> parse_header(b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}', 3)
    Traceback (most recent call last):
    extensor.errors.FormatError: the tensors end at byte 2 of 3 bytes of data
    """
    value = _json(text)
    metadata = value.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise FormatError(f"{METADATA} must map names to strings")
    entries = {name: _entry(name, fields) for name, fields in value.items()}
    ordered = dict(sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)))
    end = 0
    for name, entry in ordered.items():
        if entry.begin != end:
            raise FormatError(f"{short(name)} begins at byte {entry.begin}, expected {end}")
        end = entry.end
    if end != data_size:
        raise FormatError(f"the tensors end at byte {end} of {data_size} bytes of data")
    return Header(ordered, metadata)


def _json(text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise FormatError(f"the header must begin with '{{', got {text[:8]!r}")
    try:
        value = json.loads(
            text.decode(), object_pairs_hook=_no_twice, parse_float=_refuse, parse_constant=_refuse
        )
        json.dumps(value, ensure_ascii=False).encode()  # lone surrogates cannot be printed
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the header is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FormatError("the header must be one JSON object")
    return value


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise FormatError(f"the key {short(twice)} stands twice in the header")
    return result


def _refuse(text: str) -> NoReturn:
    raise FormatError(f"the number {text[:40]} in the header is no integer")


def _entry(name: str, fields: Any) -> Entry:
    who = short(name)
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"{who} must have exactly dtype, shape and data_offsets")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str) or dtype not in TYPES:
        raise FormatError(f"{who} has the unknown type {short(dtype)}; known: {', '.join(TYPES)}")
    if not _sizes(shape) or len(shape) > MOST_AXES or _extent(shape) > _LARGEST // 8:
        raise FormatError(f"{who} has no valid shape: {short(shape)}")
    if not _sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise FormatError(f"{who} has no valid data_offsets: {short(offsets)}")
    begin, end = offsets
    size = byte_count(dtype, tuple(shape))
    if size != end - begin:
        raise FormatError(
            f"{who} is {dtype} of shape {short(shape)}: {size} bytes, "
            f"but its offsets span {end - begin}"
        )
    return Entry(dtype, tuple(shape), begin, end)


def _extent(shape: list[int]) -> int:
    """The number of values, an empty axis counted as one: NumPy refuses where this overflows."""
    return prod(size or 1 for size in shape)


def _sizes(value: Any) -> bool:
    """Whether ``value`` is a list of integers from 0 on."""
    return isinstance(value, list) and all(type(x) is int and 0 <= x <= _LARGEST for x in value)
