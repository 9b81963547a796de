"""Trees of tensors: every format comes back packed and bit for bit, every damage is an error."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import extensor as ex
from extensor.errors import CheckpointError, FormatError
from extensor.formats import BF16, E2M1, E2M3, E3M2, E4M3, E5M2, E8M0, FP32, MXFP4, NVFP4, UE5M3
from extensor.io import safetensors
from extensor.io.raw import RawTensor
from extensor.io.tree import TREE, load, load_metadata, save
from extensor.storage import Blocked, Coded, Native

RNG = np.random.default_rng(0)
OWN = ex.Float("own5", exponent=2, mantissa=2, bias=1, specials="none")
BLOCKED = [
    *(d for d in ex.DTYPES if d.kind == "blocked"),
    ex.Block(E2M1, (1, 16), BF16),
    ex.Block(E2M3, (1, 24), FP32, tensor_scale=True),
    ex.Block(E4M3, (4, 8), UE5M3),
    ex.Block(OWN, (1, 32), E8M0),
]
SCALAR = [d for d in ex.DTYPES if d.kind != "blocked"]


def same(a: ex.ExTensor, b: ex.ExTensor) -> None:
    """Equal kinds, formats and bytes."""
    x, y = a.storage, b.storage
    assert type(x) is type(y) and x.dtype == y.dtype and x.shape == y.shape
    if isinstance(x, Native) and isinstance(y, Native):
        assert x.array.tobytes() == y.array.tobytes()
    elif isinstance(x, Coded) and isinstance(y, Coded):
        assert x.codes.tobytes() == y.codes.tobytes()
    else:
        assert isinstance(x, Blocked) and isinstance(y, Blocked)
        assert x.rows.codes.tobytes() == y.rows.codes.tobytes()
        assert x.rows.scales.tobytes() == y.rows.scales.tobytes()
        assert x.rows[2:] == y.rows[2:] and (x.axis, x.transform) == (y.axis, y.transform)
    np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("fmt", BLOCKED, ids=str)
@pytest.mark.parametrize(
    ("shape", "axis"), [((40,), 0), ((3, 70), 1), ((70, 3), 0), ((2, 5, 33), 2), ((2, 33, 5), 1)]
)
def test_blocked_tensors_stay_packed(
    fmt: ex.Block, shape: tuple[int, ...], axis: int, tmp_path: Path
) -> None:
    q = ex.quantize(RNG.normal(size=shape).astype(np.float32), fmt, axis=axis)
    save(tmp_path / "x", {"w": q})
    same(load(tmp_path / "x")["w"], q)
    raws, _ = safetensors.read(tmp_path / "x")
    assert set(raws) - {"w.tensor_scale"} == {"w.packed", "w.scales"}
    assert sum(raw.nbytes for raw in raws.values()) == q.nbytes


@pytest.mark.parametrize("fmt", SCALAR, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_scalar_formats(fmt: ex.DType, shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.ones(shape) if fmt == E8M0 else np.round(RNG.uniform(0, 1, shape))
    tensor = ex.asarray(values, fmt)
    save(tmp_path / "x", tensor)
    same(load(tmp_path / "x"), tensor)


def test_a_rotated_and_prescaled_tensor(tmp_path: Path) -> None:
    choices: dict[str, Any] = {"hadamard": 64, "signs": ex.key(3), "prescale": 0.75}
    q = ex.quantize(RNG.normal(size=(4, 64)), MXFP4, **choices)
    save(tmp_path / "x", [q])
    back = load(tmp_path / "x")[0]
    same(back, q)
    assert back.transform.hadamard == 64 and len(back.transform.signs) == 64


def test_a_nested_tree(tmp_path: Path) -> None:
    tree = {
        "model": {"conv1.weight": ex.asarray(RNG.normal(size=(2, 3))), "": ex.asarray(1.0)},
        "optimizer": {"m": [np.arange(3.0), np.float32(2)], "none": None, "empty": {}},
        "progress": {"epoch": 3, "lr": 0.1, "done": False, "name": 'a "ü"\n', "big": 2**64 - 1},
        "pair": (1, [float("inf"), -0.0]),
    }
    save(tmp_path / "x", tree, {"recipe": "nvfp4"})
    back = load(tmp_path / "x")
    same(back["model"]["conv1.weight"], tree["model"]["conv1.weight"])  # type: ignore[index]
    same(back["model"][""], tree["model"][""])  # type: ignore[index]
    np.testing.assert_array_equal(back["optimizer"]["m"][0], np.arange(3.0))
    assert back["optimizer"]["m"][1].dtype == np.float32
    assert back["optimizer"]["none"] is None and back["optimizer"]["empty"] == {}
    assert back["progress"] == tree["progress"] and repr(back["pair"]) == repr(tree["pair"])
    assert load_metadata(tmp_path / "x") == {"recipe": "nvfp4"}


def test_paths_that_read_alike_are_kept_apart(tmp_path: Path) -> None:
    q = ex.quantize(np.ones(32), NVFP4)
    parts: list[Any] = [np.array(i) for i in range(6)]
    tree = {
        "a": {"b": parts[0]},
        "a.b": parts[1],
        "w.packed": parts[2],
        "w": q,
        "v": q,
        "v.scales": parts[3],
        "": parts[4],
        "value": parts[5],
    }
    save(tmp_path / "x", tree)
    back = load(tmp_path / "x")
    same(back["w"], q)
    same(back["v"], q)
    assert [int(back["a"]["b"]), *(int(back[k]) for k in ("a.b", "w.packed", "v.scales"))] == [
        *range(4)
    ]
    assert (int(back[""]), int(back["value"])) == (4, 5)


def test_a_state_dict_keeps_its_names_for_other_programs(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    state = {"fc1.weight": ex.asarray(RNG.normal(size=(2, 3))), "fc1.bias": ex.asarray([1.0])}
    save(tmp_path / "x", state)
    arrays = package.load_file(tmp_path / "x")
    assert arrays.keys() == state.keys()
    np.testing.assert_array_equal(arrays["fc1.weight"], state["fc1.weight"].numpy())


def test_files_of_other_programs(tmp_path: Path) -> None:
    """Each type of codes becomes its coded format."""
    data = np.arange(12, dtype=np.uint8)
    low, high = data & 15, data >> 4
    six = ex.unpack(data.reshape(1, 12), 6, 16)
    expected: dict[str, tuple[ex.DType, Any]] = {
        "BF16": (BF16, data.view("<u2")),
        "F8_E4M3": (E4M3, data),
        "F8_E5M2": (E5M2, data),
        "F8_E8M0": (E8M0, data),
        "F6_E2M3": (E2M3, six[0]),
        "F6_E3M2": (E3M2, six[0]),
        "F4": (E2M1, np.stack([low, high], 1).reshape(-1)),
    }
    raws = {}
    for name, (_, codes) in expected.items():
        raw = data.view("<u2") if name == "BF16" else data
        raws[name] = RawTensor(name, codes.shape, raw)
    safetensors.write(tmp_path / "x", raws | {"plain": RawTensor.of(np.arange(3))})
    back = load(tmp_path / "x")
    assert back["plain"].tolist() == [0, 1, 2] and back["plain"].dtype == ex.dtype("int64")
    for name, (fmt, codes) in expected.items():
        assert back[name].dtype == fmt
        np.testing.assert_array_equal(back[name].codes, codes)
    safetensors.write(tmp_path / "y", {"t": RawTensor.of(np.full(2, 1 - 2j, np.complex64))})
    assert load(tmp_path / "y")["t"].tolist() == [1 - 2j, 1 - 2j]
    safetensors.write(tmp_path / "y", {"t": RawTensor.of(data, "F8_E4M3FNUZ")})
    with pytest.raises(FormatError, match="F8_E4M3FNUZ"):
        load(tmp_path / "y")


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    for tree, reason in (
        ({"a": object()}, "a is a object"),
        ({"a": {1: 2}}, "a has keys"),
        ({"a": {"b": [1, {2}]}}, "a.b.1 is a set"),
        (cyclic, "contains itself"),
        (np.array(["text"]), "no type"),
        ({"__metadata__": np.zeros(1)}, "reserves"),
    ):
        with pytest.raises(FormatError, match=reason):
            save(tmp_path / "x", tree)
    with pytest.raises(FormatError, match="ours"):
        save(tmp_path / "x", 1, {TREE: "{}"})
    with pytest.raises(CheckpointError, match="cannot write"):
        save(tmp_path / "none" / "x", np.zeros(3))
    assert not (tmp_path / "x").exists()


def forms(tmp_path: Path) -> tuple[dict[str, Any], dict[str, RawTensor]]:
    """A valid form of a tree with one of each kind of leaf, and its arrays."""
    path = tmp_path / "good"
    q = ex.quantize(RNG.normal(size=(2, 32)), NVFP4, hadamard=16)
    tree = {"q": q, "c": ex.asarray([1.0], E2M1), "n": ex.asarray([1.0]), "v": [1]}
    save(path, tree)
    raws, metadata = safetensors.read(path)
    return json.loads(metadata[TREE]), raws


DAMAGES: list[tuple[str, Any]] = [
    ("q", {"shape": [2, 33]}),
    ("q", {"shape": [2.0, 32]}),
    ("q", {"shape": [-2, 32]}),
    ("q", {"shape": [2**40, 32]}),
    ("q", {"shape": []}),
    ("q", {"shape": 3}),
    ("q", {"axis": 0}),
    ("q", {"axis": 2}),
    ("q", {"axis": -1}),
    ("q", {"axis": "1"}),
    ("q", {"axis": True}),
    ("q", {"format": "mxfp8_e4m3"}),
    ("q", {"format": "mxfp4"}),
    ("q", {"format": "float32"}),
    ("q", {"format": "nonsense"}),
    ("q", {"format": {"element": "float4_e2m1fn"}}),
    ("q", {"format": 7}),
    ("q", {"blocked": "elsewhere"}),
    ("q", {"transform": {"hadamard": 16}}),
    ("q", {"transform": {"hadamard": "16", "signs": [], "prescale": 1.0}}),
    ("q", {"transform": {"hadamard": 16, "signs": [2] * 16, "prescale": 1.0}}),
    ("q", {"transform": {"hadamard": 16, "signs": [1], "prescale": 1.0}}),
    ("q", {"transform": 5}),
    ("c", {"format": "mxfp4"}),
    ("c", {"format": "bfloat16"}),
    ("c", {"format": None}),
    ("c", {"coded": "n"}),
    ("n", {"native": "nothing"}),
    ("n", {"native": {}}),
    ("v", {"list": 5}),
    ("v", {"list": [[]]}),
]


@pytest.mark.parametrize(("leaf", "change"), DAMAGES, ids=str)
def test_facts_that_lie(leaf: str, change: dict[str, Any], tmp_path: Path) -> None:
    form, raws = forms(tmp_path)
    form["dict"][leaf] |= change
    safetensors.write(tmp_path / "x", raws, {TREE: json.dumps(form)})
    with pytest.raises(FormatError):
        load(tmp_path / "x")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '"a"', "{}", "[" * 100_000])
def test_forms_that_are_none(text: str, tmp_path: Path) -> None:
    safetensors.write(tmp_path / "x", {}, {TREE: text})
    with pytest.raises(FormatError, match="x"):
        load(tmp_path / "x")


def test_codes_beyond_the_format(tmp_path: Path) -> None:
    """Codes of 5 bits stored in bytes, FP4 codes one a byte: 31 and 15 are the last."""
    form, raws = forms(tmp_path)
    raws["c"].array[0] = 16
    safetensors.write(tmp_path / "x", raws, {TREE: json.dumps(form)})
    with pytest.raises(FormatError, match="code 16"):
        load(tmp_path / "x")
    save(tmp_path / "y", ex.quantize(np.ones(32), BLOCKED[-1]))
    raws, metadata = safetensors.read(tmp_path / "y")
    raws["value.packed"].array[0, 3] = 2**OWN.bits
    safetensors.write(tmp_path / "y", raws, metadata)
    with pytest.raises(FormatError, match=f"code {2**OWN.bits}"):
        load(tmp_path / "y")


LEAVES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)
QUICK = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUICK
@given(TREES)
def test_any_tree_of_values_comes_back(tmp_path: Path, tree: Any) -> None:
    save(tmp_path / "x", tree)
    back = load(tmp_path / "x")
    assert repr(back) == repr(tree)


@QUICK
@given(st.data())
def test_random_forms_raise_format_errors_only(tmp_path: Path, data: st.DataObject) -> None:
    form, raws = forms(tmp_path)
    junk: st.SearchStrategy[Any] = LEAVES | st.lists(st.integers(-1, 40), max_size=3) | st.just({})
    leaf = form["dict"][data.draw(st.sampled_from(sorted(form["dict"])))]
    leaf[data.draw(st.sampled_from(sorted(leaf)))] = data.draw(junk)
    safetensors.write(tmp_path / "x", raws, {TREE: json.dumps(form)})
    try:
        load(tmp_path / "x")
    except FormatError:
        pass
