"""The IDX reader: every type, every lie in a header, random bytes; memory stays near the file."""

import gzip
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extensor.data.idx import MOST_RATIO, TYPES, read_idx
from extensor.errors import FormatError
from tests.data.files import header, idx_bytes

MANY = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", TYPES.values())
def test_every_type_comes_back(kind: str, packed: bool, tmp_path: Path) -> None:
    array = np.arange(-12, 12).reshape(2, 3, 4).astype(np.dtype(kind).newbyteorder("="))
    content = idx_bytes(array)
    (tmp_path / "x").write_bytes(gzip.compress(content) if packed else content)
    back = read_idx(tmp_path / "x", dtype=array.dtype, ndim=3)
    assert back.dtype == array.dtype and back.flags.writeable
    np.testing.assert_array_equal(back, array)


GOOD = header(8, 3) + b"abc"
BAD = {
    "empty": (b"", "nothing"),
    "three bytes": (b"\0\0\x08", "no IDX"),
    "not zero": (b"\1\0\x08\1" + bytes(5), "no IDX"),
    "unknown type": (b"\0\0\x0a\1" + bytes(5), "no IDX"),
    "no axes": (b"\0\0\x08\0a", "0 axes"),
    "too many axes": (header(8, *[1] * 17) + b"a", "17 axes"),
    "cut header": (header(8, 3, 3)[:9], "ends inside"),
    "an empty axis": (header(8, 0, 2**32 - 1), "empty axis"),
    "truncated": (GOOD[:-1], "claims 11 bytes"),
    "oversized": (GOOD + b"d", "claims 11 bytes"),
    "terabytes": (header(8, 10**6, 1297, 1297), "claims"),
    "beyond 64 bits": (header(14, *[2**32 - 1] * 16), "claims"),
    "gzip: truncated values": (gzip.compress(GOOD[:-1]), "only 2"),
    "gzip: oversized": (gzip.compress(GOOD + b"d"), "there are more"),
    "gzip: terabytes": (gzip.compress(header(8, 10**6, 1297, 1297)), "claims"),
    "gzip: cut": (gzip.compress(GOOD)[:-9], "cannot be read"),
    "gzip: cut checksum": (gzip.compress(GOOD)[:-3], "cannot be read"),
    "gzip: wrong checksum": (gzip.compress(GOOD)[:-8] + bytes(8), "cannot be read"),
    "gzip: bad deflate": (gzip.compress(GOOD)[:10] + b"\xff" * 20, "cannot be read"),
    "gzip: garbage behind": (gzip.compress(GOOD) + b"garbage", "cannot be read"),
    "gzip: nothing inside": (gzip.compress(b""), "nothing"),
    "gzip: magic only": (b"\x1f\x8b", "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_and_allocates_nothing(case: str, tmp_path: Path) -> None:
    content, reason = BAD[case]
    (tmp_path / "x").write_bytes(content)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(FormatError, match=reason) as caught:
        read_idx(tmp_path / "x")
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(tmp_path / "x") in str(caught.value)
    assert peak < len(content) + 2**20 and seconds < 0.5


def test_a_bomb_is_unpacked_no_further_than_it_declares(tmp_path: Path) -> None:
    """A gzipped file that declares 1,000 bytes and unpacks to 64 MB costs about a chunk."""
    (tmp_path / "x").write_bytes(gzip.compress(header(8, 1000) + bytes(64 << 20)))
    tracemalloc.start()
    with pytest.raises(FormatError, match="there are more"):
        read_idx(tmp_path / "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_the_ratio_of_deflate_is_a_bound(tmp_path: Path) -> None:
    """The best compression there is stays below the ratio that the reader trusts."""
    content = idx_bytes(np.zeros(1 << 24, np.uint8))
    packed = gzip.compress(content, 9)
    assert len(content) < MOST_RATIO * len(packed)
    (tmp_path / "x").write_bytes(packed)
    assert read_idx(tmp_path / "x").size == 1 << 24


def test_what_was_asked_for_is_checked_first(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(GOOD)
    with pytest.raises(FormatError, match="holds uint8, expected float32"):
        read_idx(tmp_path / "x", dtype=np.float32)
    with pytest.raises(FormatError, match="expected 3 axes"):
        read_idx(tmp_path / "x", ndim=3)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(FormatError, match="cannot be read"):
            read_idx(path)


def survives(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        read_idx(path)
    except FormatError:
        pass


@MANY
@given(
    st.sampled_from([*TYPES, 0, 7]),
    st.lists(st.integers(0, 4) | st.integers(0, 2**32 - 1), max_size=5),
    st.binary(max_size=80),
    st.booleans(),
)
def test_random_headers(
    tmp_path: Path, code: int, shape: list[int], data: bytes, packed: bool
) -> None:
    content = header(code, *shape) + data
    survives(tmp_path / "x", gzip.compress(content, 1) if packed else content)


@MANY
@given(st.binary(max_size=60), st.booleans())
def test_random_bytes(tmp_path: Path, content: bytes, packed: bool) -> None:
    survives(tmp_path / "x", b"\x1f\x8b\x08" + content if packed else content)


@MANY
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
def test_mutated_gzip(tmp_path: Path, at: int, new: bytes) -> None:
    content = bytearray(gzip.compress(idx_bytes(np.arange(40, dtype=np.int32)), mtime=0))
    at %= len(content)
    content[at : at + len(new)] = new
    survives(tmp_path / "x", bytes(content))
