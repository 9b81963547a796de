"""The strict safetensors reader and writer: round trips, every refusal, every flipped bit."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extensor.errors import FormatError
from extensor.io import safetensors
from extensor.io.header import LIMIT
from extensor.io.raw import TYPES, RawTensor, byte_count

RNG = np.random.default_rng(0)


def sample(dtype: str, shape: tuple[int, ...]) -> RawTensor:
    """Random bytes as a tensor."""
    data = RNG.integers(0, 2 if dtype == "BOOL" else 256, byte_count(dtype, shape), np.uint8)
    kind = TYPES[dtype]
    return RawTensor(
        dtype, shape, data if kind.bits < 8 else data.view(kind.carrier).reshape(shape)
    )


def file_of(header: Any, data: bytes = b"") -> bytes:
    """The bytes of a file with any JSON, or any bytes, as its header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: Any = "U8", shape: Any = (2,), offsets: Any = (0, 2)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (0,), (8,), (3, 0, 4), (2, 4, 5)])
def test_every_type_comes_back(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    if TYPES[dtype].bits < 8 and shape == ():
        shape = (16,)  # one value below a byte cannot be stored
    tensor = sample(dtype, shape)
    safetensors.write(tmp_path / "x", {"t": tensor, "other": sample("U8", (3,))})
    arrays, metadata = safetensors.read(tmp_path / "x")
    back = arrays["t"]
    assert (back.dtype, back.shape, metadata) == (dtype, shape, {})
    assert back.tobytes() == tensor.tobytes()
    assert back.array.flags.writeable and back.array.flags.aligned


def test_names_metadata_and_any_memory_order(tmp_path: Path) -> None:
    array = np.arange(24, dtype=">i4").reshape(2, 3, 4).transpose(2, 0, 1)[::-1]
    texts = {"recipe": '{"a": "ü\\n"}', "": "empty", "step": "7"}
    names = {"": np.arange(2), "a.b/c\n\"'": array, "größe": np.array([1], np.float16)}
    safetensors.write(tmp_path / "x", {k: RawTensor.of(v) for k, v in names.items()}, texts)
    arrays, metadata = safetensors.read(tmp_path / "x")
    assert metadata == texts
    assert arrays.keys() == names.keys()
    for name, value in names.items():
        np.testing.assert_array_equal(arrays[name].array, value)
    assert safetensors.read_header(tmp_path / "x").entries["größe"].shape == (1,)


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    a, b = RawTensor.of(np.arange(3)), RawTensor.of(np.array([1], np.float32))
    safetensors.write(tmp_path / "x", {"a": a, "b": b}, {"p": "1", "q": "2"})
    safetensors.write(tmp_path / "y", {"b": b, "a": a}, {"q": "2", "p": "1"})
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_no_tensors_at_all(tmp_path: Path) -> None:
    safetensors.write(tmp_path / "x", {})
    assert safetensors.read(tmp_path / "x") == ({}, {})


OK = {"a": entry()}
DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BAD = {
    "empty": (b"", "too few"),
    "seven bytes": (b"1234567", "too few"),
    "huge header": ((2**64 - 1).to_bytes(8, "little") + b"{}", "claims"),
    "over the limit": ((LIMIT + 1).to_bytes(8, "little") + bytes(16), "claims"),
    "header past the end": ((3).to_bytes(8, "little") + b"{}", "claims"),
    "empty header": (file_of(b""), "begin with"),
    "a list": (file_of([]), "begin with"),
    "space first": (file_of(b' {"a":1}'), "begin with"),
    "not JSON": (file_of(b'{"a"'), "not JSON"),
    "not UTF-8": (file_of(b'{"\xff":1}'), "not JSON"),
    "two objects": (file_of(b"{}{}"), "not JSON"),
    "deep": (file_of(DEEP), "not JSON"),
    "lone surrogate": (file_of(b'{"__metadata__":{"a":"\\ud800"}}'), "not JSON"),
    "NaN": (file_of(b'{"a":NaN}'), "no integer"),
    "a fraction": (file_of({"a": entry(shape=[2.0])}, b"12"), "no integer"),
    "a long number": (file_of(b'{"a":' + b"1" * 5000 + b"}"), "not JSON"),
    "a key twice": (file_of(b'{"a":{},"a":{}}'), "twice"),
    "a field twice": (file_of(b'{"a":{"dtype":"U8","dtype":"I8"}}'), "twice"),
    "metadata not texts": (file_of({"__metadata__": {"a": 1}}), "texts|strings"),
    "metadata a list": (file_of({"__metadata__": []}), "strings"),
    "a tensor that is a number": (file_of({"a": 1}), "exactly"),
    "a field too many": (file_of({"a": entry() | {"x": 1}}, b"12"), "exactly"),
    "a field missing": (file_of({"a": {"dtype": "U8", "shape": [2]}}, b"12"), "exactly"),
    "unknown type": (file_of({"a": entry("U9")}, b"12"), "unknown type"),
    "a type that is a list": (file_of({"a": entry([])}, b"12"), "unknown type"),
    "negative size": (file_of({"a": entry(shape=[-2])}, b"12"), "valid shape"),
    "true as a size": (file_of({"a": entry(shape=[True, 2])}, b"12"), "valid shape"),
    "shape a number": (file_of({"a": entry(shape=2)}, b"12"), "valid shape"),
    "33 axes": (file_of({"a": entry(shape=[1] * 32 + [2])}, b"12"), "valid shape"),
    "2**64 values": (file_of({"a": entry(shape=[2**32, 2**32], offsets=[0, 0])}), "valid shape"),
    "empty and huge": (file_of({"a": entry(shape=[0, 2**62, 8], offsets=[0, 0])}), "valid shape"),
    "one offset": (file_of({"a": entry(offsets=[0])}, b"12"), "data_offsets"),
    "offsets backwards": (file_of({"a": entry(offsets=[2, 0])}, b"12"), "data_offsets"),
    "size and offsets differ": (file_of({"a": entry(shape=[3])}, b"12"), "offsets span"),
    "half a byte": (file_of({"a": entry("F4", [3], [0, 2])}, b"12"), "whole byte"),
    "a hole before": (file_of({"a": entry(offsets=[1, 3])}, b"123"), "begins at"),
    "overlap": (file_of({"a": entry(), "b": entry(offsets=[1, 3])}, b"123"), "begins at"),
    "the same bytes twice": (file_of({"a": entry(), "b": entry()}, b"12"), "begins at"),
    "a hole": (file_of({"a": entry(), "b": entry(offsets=[3, 5])}, b"12345"), "begins at"),
    "truncated": (file_of(OK, b"1"), "end at byte"),
    "too long": (file_of(OK, b"123"), "end at byte"),
    "terabytes": (file_of({"a": entry(shape=[2**42], offsets=[0, 2**42])}), "end at byte"),
    "a byte that is no BOOL": (file_of({"a": entry("BOOL")}, b"\x00\x02"), "neither 0 nor 1"),
    "half of our checksums": (
        file_of({"a": entry(), "__metadata__": {"extensor.sha256": "{}"}}, b"12"),
        "checksum",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_and_allocates_nothing(case: str, tmp_path: Path) -> None:
    content, reason = BAD[case]
    path = tmp_path / "x"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(FormatError, match=reason) as caught:
        safetensors.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert peak < 20 * len(content) + 2**20  # parsed JSON is some times its text, never the claim


def test_a_valid_file_of_another_program_needs_no_checksums(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(file_of(OK | {"__metadata__": {"format": "pt"}}, b"12"))
    arrays, metadata = safetensors.read(tmp_path / "x")
    assert arrays["a"].array.tolist() == [49, 50] and metadata == {"format": "pt"}


def test_what_the_writer_refuses(tmp_path: Path) -> None:
    tensor = RawTensor.of(np.arange(2))
    for arrays, texts in (
        ({"__metadata__": tensor}, {}),
        ({"a": tensor}, {"extensor.sha256": "x"}),
        ({"a": tensor}, {"step": 1}),
        ({"\ud800": tensor}, {}),
        ({"a": tensor}, {"a": "\ud800"}),
    ):
        with pytest.raises(FormatError):
            safetensors.write(tmp_path / "x", arrays, texts)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()
    makers: list[Callable[[], RawTensor]] = [
        lambda: RawTensor.of(np.array([object()])),
        lambda: RawTensor.of(np.array(["a"])),
        lambda: RawTensor("F9", (1,), np.zeros(1)),
        lambda: RawTensor("F32", (1,), np.zeros(1)),
        lambda: RawTensor("F4", (2, 2), np.zeros((2, 2), np.uint8)),
    ]
    for make in makers:
        with pytest.raises(FormatError):
            make()


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(FormatError, match="cannot open"):
            safetensors.read(path)


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    """All bits of a small file: length, header, metadata, checksums, padding, data (R15)."""
    path = tmp_path / "x"
    arrays = {"w": RawTensor.of(np.arange(6, dtype=np.float32)), "b": sample("BF16", (3,))}
    safetensors.write(path, arrays, {"step": "12", "recipe": "nvfp4"})
    good = path.read_bytes()
    for position in range(8 * len(good)):
        damaged = bytearray(good)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            safetensors.read(path)
