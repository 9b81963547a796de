"""Read and write safetensors files: named arrays and a map of texts, with checksums.

The reader is strict (``extensor.io.header``) and allocates no more than the file's own size. A file
that we wrote carries a SHA-256 of every tensor and one of the header itself, so every flipped bit
is found at load; a file of another program, which has none, is read without that check. Writing is
deterministic (equal arrays and metadata give equal bytes) and replaces the file in one step.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from io import BufferedReader

import numpy as np

from extensor.errors import FormatError
from extensor.io.atomic import write_atomic
from extensor.io.header import LIMIT, METADATA, Entry, Header, format_header, parse_header
from extensor.io.raw import TYPES, RawTensor

TENSORS_SUM = "extensor.sha256"
"""The metadata key of the tensors' checksums: a JSON object from names to hexadecimal SHA-256."""
HEADER_SUM = "extensor.header_sha256"
"""The metadata key of the header's checksum: SHA-256 of the header without this key."""
Path = str | os.PathLike[str]


def write(
    path: Path, arrays: Mapping[str, RawTensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays; wide types first, so that every array is aligned in the file.

    metadata
        Texts to go with them; names that begin with ``extensor.`` and end in ``sha256`` are ours.
    Raises ``FormatError`` for a name or text that the format cannot hold, ``CheckpointError``
    where the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/x", {"a": RawTensor.of(np.arange(3))}, {"step": "7"})
    ...     arrays, metadata = read(f"{folder}/x")
    >>> arrays["a"].array, metadata
    (array([0, 1, 2]), {'step': '7'})
    """
    texts = dict(metadata or {})
    _check_names(arrays, texts)
    order = sorted(arrays, key=lambda name: (-TYPES[arrays[name].dtype].bits, name))
    entries, chunks, end = {}, [], 0
    for name in order:
        tensor, begin = arrays[name], end
        end += tensor.nbytes
        entries[name] = Entry(tensor.dtype, tensor.shape, begin, end)
        chunks.append(tensor.tobytes())
    sums = {name: hashlib.sha256(c).hexdigest() for name, c in zip(order, chunks, strict=True)}
    texts[TENSORS_SUM] = json.dumps(sums, ensure_ascii=False)
    texts = dict(sorted(texts.items()))
    texts[HEADER_SUM] = _header_sum(Header(entries, texts))
    write_atomic(path, [format_header(Header(entries, texts)), *chunks])


def read(path: Path) -> tuple[dict[str, RawTensor], dict[str, str]]:
    """The named arrays of a file, in the order of the file, and its metadata.

    The arrays are fresh and writable. Raises ``FormatError`` for a file that cannot be opened, is
    not a valid safetensors file, or whose bytes do not match their checksums.
    """
    arrays = {}
    with _opened(path) as file:
        try:
            header = _header(file)
            sums = _sums(header)
            for name, entry in header.entries.items():
                arrays[name] = _tensor(file, entry, sums[name] if sums else None, name)
        except FormatError as error:
            raise FormatError(f"read: {os.fspath(path)} is damaged or foreign: {error}") from error
        except OSError as error:
            raise FormatError(f"read: {os.fspath(path)}: {error}") from error
    ours = (TENSORS_SUM, HEADER_SUM)
    return arrays, {k: v for k, v in header.metadata.items() if k not in ours}


def read_header(path: Path) -> Header:
    """Names, types, shapes, offsets and metadata of a file, without reading its tensors.

    The header's own checksum is verified where it has one.
    """
    with _opened(path) as file:
        try:
            header = _header(file)
            _sums(header)
        except (FormatError, OSError) as error:
            raise FormatError(f"read_header: {os.fspath(path)}: {error}") from error
    return header


def _opened(path: Path) -> BufferedReader:
    try:
        return open(path, "rb")
    except OSError as error:
        raise FormatError(f"read: cannot open {os.fspath(path)}: {error.strerror}") from error


def _header(file: BufferedReader) -> Header:
    size = os.fstat(file.fileno()).st_size
    if size < 8:
        raise FormatError(f"{size} bytes are too few: 8 for the header's length come first")
    length = int.from_bytes(file.read(8), "little")
    if length > min(LIMIT, size - 8):
        raise FormatError(
            f"the header claims {length:,} bytes; {size - 8:,} follow, and {LIMIT:,} are allowed"
        )
    return parse_header(file.read(length), size - 8 - length)


def _tensor(file: BufferedReader, entry: Entry, checksum: str | None, name: str) -> RawTensor:
    data = np.empty(entry.end - entry.begin, np.uint8)
    if file.readinto(data.data) != data.size:
        raise FormatError(f"the file ended inside of {name!r}: it was cut while it was read")
    if checksum is not None and hashlib.sha256(data.data).hexdigest() != checksum:
        raise FormatError(f"the bytes of {name!r} do not match their checksum")
    kind = TYPES[entry.dtype]
    if entry.dtype == "BOOL" and data.size and data.max() > 1:
        raise FormatError(f"{name!r} is BOOL with a byte that is neither 0 nor 1")
    if kind.bits >= 8:
        return RawTensor(entry.dtype, entry.shape, data.view(kind.carrier).reshape(entry.shape))
    return RawTensor(entry.dtype, entry.shape, data)


def _header_sum(header: Header) -> str:
    """SHA-256 of the header as it would stand in the file without its own checksum."""
    texts = {k: v for k, v in header.metadata.items() if k != HEADER_SUM}
    return hashlib.sha256(format_header(Header(header.entries, texts))).hexdigest()


def _sums(header: Header) -> dict[str, str] | None:
    """The checksums of the tensors, after that of the header held; ``None`` in a foreign file."""
    present = [key in header.metadata for key in (TENSORS_SUM, HEADER_SUM)]
    if not any(present):
        return None
    if not all(present) or _header_sum(header) != header.metadata[HEADER_SUM]:
        raise FormatError("the header does not match its checksum")
    try:
        sums = json.loads(header.metadata[TENSORS_SUM])
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the checksums are not JSON: {error}") from error
    if not isinstance(sums, dict) or set(sums) != set(header.entries):
        raise FormatError("the checksums do not name the tensors of the file")
    return sums


def _check_names(arrays: Mapping[str, RawTensor], texts: Mapping[str, str]) -> None:
    if METADATA in arrays:
        raise FormatError(f"write: {METADATA!r} cannot name a tensor: the format reserves it")
    for key, text in texts.items():
        if key in (TENSORS_SUM, HEADER_SUM) or not isinstance(text, str):
            raise FormatError(f"write: metadata {key!r} must be a text, and not a checksum of ours")
