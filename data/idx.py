"""Read IDX files, the format of MNIST, plain or gzipped, without trusting a byte of them.

A file is: two zero bytes, a type code, the number of axes, each axis as a big-endian uint32, then
the values, row-major and big-endian. The sizes in the header are compared with the real size of the
file before anything is allocated; of a gzipped file no more is unpacked than the header declares.

Source: the file format section of LeCun's page on the MNIST database.
"""

import gzip
import math
import os
import zlib
from io import BufferedReader
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from extensor.errors import FormatError

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""The NumPy type of each type code."""
MOST_AXES = 16
MOST_RATIO = 1032
"""Deflate cannot shrink data by more than this: 258 bytes in two bits."""
CHUNK = 1 << 20
Stream = BufferedReader | gzip.GzipFile


def read_idx(
    path: str | os.PathLike[str], *, dtype: DTypeLike | None = None, ndim: int | None = None
) -> NDArray[Any]:
    """The array in an IDX file, in the machine's byte order.

    path
        The file; whether it is gzipped is seen from its first two bytes.
    dtype, ndim
        What the file must hold, if given.
    Raises ``FormatError`` for a file that cannot be read, is no IDX file, holds another type or
    another number of axes than asked for, or is shorter or longer than its header says.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open(f"{folder}/x", "wb") as file:
    ...         _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3]) + b"abc")
    ...     read_idx(f"{folder}/x", dtype=np.uint8, ndim=1)
    array([97, 98, 99], dtype=uint8)
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if file.peek(2)[:2] != b"\x1f\x8b":
                return _read(file, size, 1, dtype, ndim)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(unpacked, size, MOST_RATIO, dtype, ndim)
    except FormatError as error:
        raise FormatError(f"read_idx: {os.fspath(path)}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"read_idx: {os.fspath(path)}: cannot be read: {error}") from error


def _read(
    file: Stream, size: int, ratio: int, dtype: DTypeLike | None, ndim: int | None
) -> NDArray[Any]:
    kind, shape = _header(file)
    if dtype is not None and kind.newbyteorder("=") != np.dtype(dtype):
        raise FormatError(f"holds {kind.newbyteorder('=')}, expected {np.dtype(dtype)}")
    if ndim is not None and len(shape) != ndim:
        raise FormatError(f"has shape {shape}, expected {ndim} axes")
    header = 4 + 4 * len(shape)
    claimed = header + math.prod(shape) * kind.itemsize
    if claimed > size * ratio or (ratio == 1 and claimed != size):
        raise FormatError(
            f"claims {claimed:,} bytes (shape {shape} of {kind.name}), "
            f"but the file has {size:,}{'' if ratio == 1 else ', gzipped'}"
        )
    data = _take(file, claimed - header)
    return np.frombuffer(data, kind).reshape(shape).astype(kind.newbyteorder("="), copy=False)


def _header(file: Stream) -> tuple["np.dtype[Any]", tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\x00\x00" or magic[2] not in TYPES:
        raise FormatError(f"is no IDX file: it begins with {magic.hex(' ') or 'nothing'}")
    axes = magic[3]
    if not 1 <= axes <= MOST_AXES:
        raise FormatError(f"has {axes} axes, expected 1..{MOST_AXES}")
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise FormatError("ends inside of its header")
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * axes, 4))
    if 0 in shape:
        raise FormatError(f"has shape {shape}: an empty axis")
    return np.dtype(TYPES[magic[2]]), shape


def _take(file: Stream, count: int) -> bytearray:
    """Exactly ``count`` bytes, of which the last must end the file; memory grows as they come."""
    data = bytearray()
    while chunk := file.read(min(CHUNK, count + 1 - len(data))):
        data += chunk
    if len(data) != count:
        what = "more" if len(data) > count else f"only {len(data):,}"
        raise FormatError(f"should hold {count:,} bytes of values, but there are {what}")
    return data
