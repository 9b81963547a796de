"""Random and mutated files: nothing but ``FormatError`` leaves the reader; accepted files agree
with the reader of the safetensors package, but for a closed list of differences."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extensor.errors import FormatError
from extensor.io import safetensors
from extensor.io.raw import TYPES, RawTensor

MANY = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SIZES = st.integers(0, 4) | st.sampled_from([-1, 2**31, 2**32, 2**62, 2**63, 2**64, 10**30])
ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(sorted(TYPES)) | st.text(max_size=3),
        "shape": st.lists(SIZES, max_size=4) | st.none(),
        "data_offsets": st.lists(st.integers(0, 40) | SIZES, min_size=2, max_size=2),
    }
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
HEADERS = st.dictionaries(st.text(max_size=5), ENTRY | JSON, max_size=4)


def survives(path: Path, content: bytes) -> bool:
    """Whether the reader accepts the bytes; any error but ``FormatError`` escapes."""
    path.write_bytes(content)
    try:
        safetensors.read(path)
    except FormatError:
        return False
    return True


@MANY
@given(st.binary(max_size=200))
def test_random_bytes(tmp_path: Path, content: bytes) -> None:
    survives(tmp_path / "x", content)


@MANY
@given(HEADERS, st.binary(max_size=48))
def test_random_headers(tmp_path: Path, header: dict[str, Any], data: bytes) -> None:
    text = json.dumps(header).encode()
    survives(tmp_path / "x", len(text).to_bytes(8, "little") + text + data)


@MANY
@given(st.data())
def test_mutated_files(tmp_path: Path, data: st.DataObject) -> None:
    arrays = {"w": RawTensor.of(np.arange(3)), "b": RawTensor.of(np.array([1, 2], np.float16))}
    safetensors.write(tmp_path / "x", arrays, {"step": "1"})
    content = bytearray((tmp_path / "x").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        kind = data.draw(st.sampled_from(["cut", "insert", "replace"]))
        new = data.draw(st.binary(min_size=1, max_size=4))
        if kind == "cut":
            del content[at : at + len(new)]
        else:
            content[at : at + (len(new) if kind == "replace" else 0)] = new
    survives(tmp_path / "x", bytes(content))


def test_both_ways_with_the_package(tmp_path: Path) -> None:
    """Random models: ours load in the package byte for byte, theirs in ours (R22)."""
    package = pytest.importorskip("safetensors")
    rng = np.random.default_rng(0)
    types = [t for t in TYPES if TYPES[t].native]
    numpy_api = pytest.importorskip("safetensors.numpy")
    for case in range(200):
        arrays = {}
        for i in range(rng.integers(0, 6)):
            shape = tuple(int(n) for n in rng.integers(0, 5, rng.integers(0, 4)))
            carrier = TYPES[types[rng.integers(len(types))]].carrier
            arrays[f"t{i}"] = rng.integers(0, 2, shape).astype(carrier)
        texts = {f"k{i}": f"v{i}" for i in range(rng.integers(0, 3))}
        ours, theirs = tmp_path / f"ours{case}", tmp_path / f"theirs{case}"
        safetensors.write(ours, {k: RawTensor.of(v) for k, v in arrays.items()}, texts)
        numpy_api.save_file(arrays, theirs, texts or None)
        for back in (numpy_api.load_file(ours), plain(theirs)):
            assert back.keys() == arrays.keys()
            for name, value in arrays.items():
                assert back[name].dtype == value.dtype and back[name].shape == value.shape
                assert back[name].tobytes() == value.tobytes()
        assert safetensors.read(theirs)[1] == texts
        with package.safe_open(ours, "numpy") as file:
            assert texts.items() <= (file.metadata() or {}).items()


def plain(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    return {name: tensor.array for name, tensor in safetensors.read(path)[0].items()}


def test_types_that_numpy_lacks(tmp_path: Path) -> None:
    """The package's low-level door knows them; the bytes agree both ways."""
    package = pytest.importorskip("safetensors")
    for name in ("BF16", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4"):
        kind = TYPES[name]
        data = np.arange(16, dtype=np.uint8)
        shape = (16 * 8 // kind.bits,)
        array = data if kind.bits < 8 else data.view(kind.carrier)
        safetensors.write(tmp_path / "x", {"t": RawTensor(name, shape, array)})
        [(key, value)] = package.deserialize((tmp_path / "x").read_bytes())
        assert (key, value["dtype"], bytes(value["data"])) == ("t", name, data.tobytes())


ACCEPTED_BY_THE_PACKAGE_ONLY = {
    "a key twice": b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},'
    b'"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}',
    "an unknown field": b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"x":1}}',
}


@pytest.mark.parametrize("case", ACCEPTED_BY_THE_PACKAGE_ONLY)
def test_where_we_are_stricter(tmp_path: Path, case: str) -> None:
    package = pytest.importorskip("safetensors")
    text = ACCEPTED_BY_THE_PACKAGE_ONLY[case]
    content = len(text).to_bytes(8, "little") + text + b"12"
    assert [name for name, _ in package.deserialize(content)] == ["a"]
    assert not survives(tmp_path / "x", content)


@MANY
@given(st.dictionaries(st.text(max_size=3), ENTRY, max_size=3), st.binary(max_size=32))
def test_what_we_accept_the_package_accepts(
    tmp_path: Path, header: dict[str, Any], data: bytes
) -> None:
    package = pytest.importorskip("safetensors")
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + data
    if survives(tmp_path / "x", content):
        package.deserialize(content)
