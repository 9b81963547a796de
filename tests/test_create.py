"""Creation functions in every format, conversions, and what they refuse."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.errors import FormatError
from extensor.formats import DTYPES, E8M0


def _any(x: Any) -> Any:
    return x


def inside(dtype: ex.DType) -> Any:
    return np.complex128 if dtype.is_complex else np.float64


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_format(dtype: ex.DType) -> None:
    shape, kind = (2, 32), inside(dtype)
    assert (np.asarray(ex.ones(shape, dtype=dtype), kind) == 1).all()
    like = ex.ones(shape, dtype=dtype)
    made = [ex.ones_like(like), ex.full_like(like, 1), ex.full(shape, 1, dtype=dtype.name)]
    assert ex.linspace(1, 1, 32, dtype=dtype).tolist() == [1] * 32
    assert ex.empty_like(like).shape == ex.empty(shape, dtype=dtype).shape == shape
    if dtype != E8M0:  # which has no zero
        made += [ex.zeros(shape, dtype=dtype), ex.zeros_like(like), ex.eye(2, 32, dtype=dtype)]
        assert not np.asarray(made[-2], kind).any()
        assert (np.asarray(made[-1], kind) == np.eye(2, 32)).all()
        assert ex.arange(2, dtype=dtype).tolist() == [0, 1]
    assert all(x.dtype == dtype and x.shape == shape and x.device == "cpu" for x in made)


def test_default_formats() -> None:
    names = [ex.full(2, v).dtype.name for v in (True, 1, 1.0, 1j)]
    assert names == ["bool", "int64", "float32", "complex64"]
    assert [x.dtype.name for x in (ex.ones(1), ex.eye(2), ex.arange(3), ex.arange(3.0))] == [
        "float32", "float32", "int64", "float32",
    ]  # fmt: skip
    assert ex.linspace(0, 1, 3).dtype == ex.float32 and ex.linspace(0, 1j, 3).dtype == ex.complex64
    assert ex.full(2, ex.asarray(3, "int8")).dtype == ex.int8


@pytest.mark.parametrize("given", [(5,), (2, 7), (2, 9, 3), (9, 2, -2), (0, 1, 0.25), (3, 3)])
def test_arange(given: tuple[Any, ...]) -> None:
    assert ex.arange(*given).tolist() == np.arange(*given).tolist()
    assert ex.arange(*given, dtype="float64").tolist() == np.arange(*given).tolist()


def test_grids_and_triangles() -> None:
    a, b, c = np.arange(2), np.arange(3), np.arange(4)
    for indexing in ("xy", "ij"):
        ours = ex.meshgrid(*(ex.asarray(x) for x in (a, b, c)), indexing=indexing)
        theirs = np.meshgrid(a, b, c, indexing=indexing)
        assert [x.tolist() for x in ours] == [x.tolist() for x in theirs]
    for k in (-1, 0, 2):
        x = np.arange(24).reshape(2, 3, 4)
        assert ex.tril(ex.asarray(x), k=k).tolist() == np.tril(x, k).tolist()
        assert ex.triu(ex.asarray(x), k=k).tolist() == np.triu(x, k).tolist()
        assert ex.eye(3, 4, k=k).tolist() == np.eye(3, 4, k).tolist()
    bf16 = ex.ones((3, 3), dtype="float8_e5m2")
    assert ex.tril(bf16).dtype == ex.float8_e5m2


def test_copies() -> None:
    array = np.ones(3, np.float32)
    assert np.shares_memory(ex.asarray(array).numpy(), array)
    assert np.shares_memory(ex.asarray(array, copy=False).numpy(), array)
    assert np.shares_memory(ex.from_dlpack(array).numpy(), array)
    x = ex.asarray(array)
    assert not np.shares_memory(ex.asarray(array, copy=True).numpy(), array)
    assert not np.shares_memory(ex.astype(x, "float32").numpy(), array)
    assert ex.astype(x, "float32", copy=False) is x and ex.astype(x, "float16").dtype == ex.float16
    for obj, dtype in (([1.0], None), (array, "float64"), (x, "bfloat16")):
        with pytest.raises(ex.FormatError, match="copy=False"):
            ex.asarray(obj, dtype, copy=False)
    w = ex.asarray(array, requires_grad=True)
    (ex.astype(w, "float32") * 2.0).sum().backward()
    assert w.grad is not None and w.grad.tolist() == [2.0, 2.0, 2.0]


def test_attributes_and_conversions() -> None:
    x = ex.asarray(np.arange(24).reshape(2, 3, 4))
    assert x.mT.tolist() == np.arange(24).reshape(2, 3, 4).swapaxes(1, 2).tolist()
    assert x.__array_namespace__() is x.__array_namespace__(api_version="2024.12") is ex
    assert x.to_device("cpu") is x and x.device == ex.Device("cpu")
    assert [10, 20, 30][ex.asarray(1)] == 20 and complex(ex.asarray(2.0)) == 2
    assert [e for e in (ex.e, ex.pi, ex.inf)] == [np.e, np.pi, np.inf] and ex.nan != ex.nan
    assert x[ex.newaxis].shape == (1, 2, 3, 4)
    for wrong, kind in (
        (lambda: ex.ones(3).mT, ex.ShapeError),
        (lambda: [1][ex.asarray(0.0)], ex.DTypeError),
        (lambda: [1][ex.asarray(False)], ex.DTypeError),
        (lambda: x.to_device("tpu"), ex.DispatchError),
        (lambda: x.to_device("cpu", stream=1), ex.DispatchError),
        (lambda: x.__array_namespace__(api_version="1999.1"), ex.DispatchError),
        (lambda: ex.zeros((2, -1)), ex.ShapeError),
        (lambda: ex.zeros(_any(2.5)), ex.ShapeError),
        (lambda: ex.arange(1, 2, 0), ex.ShapeError),
        (lambda: ex.linspace(0, 1, -1), ex.ShapeError),
        (lambda: ex.full(2, 300, dtype="int8"), ex.FormatError),
        (lambda: ex.full(2, 2**64), ex.FormatError),
        (lambda: ex.asarray([300], "uint8"), ex.FormatError),
        (lambda: ex.asarray([1], "uint8") + 300, ex.FormatError),
        (lambda: ex.meshgrid(x), ex.ShapeError),
        (lambda: ex.meshgrid(ex.ones(2), ex.arange(2)), ex.DTypeError),
        (lambda: ex.meshgrid(ex.ones(2), indexing="ji"), ex.ShapeError),
        (lambda: ex.tril(ex.ones(3)), ex.ShapeError),
        (lambda: ex.from_dlpack([1]), ex.DTypeError),
        (lambda: ex.ops.squeeze(ex.ones((1, 2)), 0, axis=0), TypeError),
    ):  # fmt: skip
        with pytest.raises(kind):
            wrong()


def test_large_integers_keep_every_bit() -> None:
    """NumPy takes a list of integers on both sides of 2**63 for float64."""
    values = [0, 2**63 + 1, 2**64 - 1]
    assert ex.asarray(values, dtype=ex.uint64).tolist() == values
    assert ex.asarray([[1], [2**63]], dtype=ex.uint64).tolist() == [[1], [2**63]]
    with pytest.raises(FormatError, match="do not fit int64"):
        ex.asarray([-1, 2**63], dtype=ex.int64)
    assert ex.asarray([0.0, 3.0], dtype=ex.int64).tolist() == [0, 3]
