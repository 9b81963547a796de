"""Changes in place: in memory outside of a graph, through the graph inside of one, guarded."""

import operator as op
from typing import Any

import numpy as np
import pytest

import extensor as ex

X = np.arange(12.0).reshape(3, 4)
INDICES: list[Any] = [
    0, (1, 2), slice(None, None, -2), (..., 1), (None, 1), (slice(1), slice(2, None)), (),
    np.array([2, 0]), (np.array([0, 2]), np.array([1, 1])), X > 4, np.array([True, False, True]),
    (np.array([0, 2]), 1), (X > 100),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "int32", "bfloat16", "float8_e5m2", "complex64"])
def test_entries(index: Any, dtype: str) -> None:
    wanted, x = X.copy(), ex.asarray(X, dtype)
    as_tensor = ex.asarray(index) if isinstance(index, np.ndarray) else index
    wanted[index] = 7
    version = x.storage.version
    x[as_tensor] = 7
    held = ex.asarray(wanted, dtype)
    assert x.tolist() == held.tolist() and x.storage.version == version + 1
    value = np.arange(wanted[index].size, dtype=float).reshape(wanted[index].shape)
    wanted[index] = value
    x[as_tensor] = ex.asarray(value, dtype)
    assert x.tolist() == ex.asarray(wanted, dtype).tolist()


def test_what_a_value_may_be() -> None:
    x = ex.zeros((2, 3), dtype="float16")
    x[0] = np.ones(3, np.float16)
    x[:, 1] = 0.1
    x[1] = ex.asarray([1, 2, 3], "int8")
    assert x.tolist() == [[1.0, float(np.float16(0.1)), 1.0], [1.0, 2.0, 3.0]]
    for value in (ex.ones(3), 1j):
        with pytest.raises(ex.DTypeError, match="setitem"):
            x[0] = value
    with pytest.raises(ex.DTypeError, match="float into a tensor of int64"):
        ex.arange(3)[0] = 0.5
    with pytest.raises(ex.ShapeError, match="setitem"):
        x[0] = ex.ones(2, dtype="float16")
    with pytest.raises(IndexError):
        x[2] = 1.0
    with pytest.raises(ex.FormatError, match="300"):
        ex.zeros(2, dtype="uint8")[0] = 300
    with pytest.raises(ex.DTypeError, match="shares scales"):
        ex.zeros((2, 32), dtype="mxfp4")[0] = 1.0
    assert x.tolist()[1] == [1.0, 2.0, 3.0], "nothing was written before an error"


OPS: list[tuple[Any, Any, float]] = [
    (op.iadd, op.add, 3.0), (op.isub, op.sub, 3.0), (op.imul, op.mul, 3.0),
    (op.itruediv, op.truediv, 4.0), (op.ipow, op.pow, 2.0), (op.ifloordiv, op.floordiv, 2.0),
    (op.imod, op.mod, 5.0),
]  # fmt: skip


@pytest.mark.parametrize(("inplace", "plain", "number"), OPS)
def test_operators_change_the_memory(inplace: Any, plain: Any, number: float) -> None:
    x = ex.asarray(X.copy())
    view, row = x.reshape(2, 6), x[1]
    wanted = plain(X, number)
    assert inplace(x, number) is x and x.tolist() == wanted.tolist()
    assert view.tolist() == wanted.reshape(2, 6).tolist() and row.tolist() == wanted[1].tolist()


def test_integers() -> None:
    x = ex.asarray(np.array([1, 2, 3], np.int16))
    x <<= 2
    x |= 1
    x &= 13
    x ^= 5
    x >>= 1
    assert x.tolist() == [(((n << 2 | 1) & 13) ^ 5) >> 1 for n in (1, 2, 3)]
    with pytest.raises(ex.DTypeError, match="int16 cannot hold the answer's float32"):
        x += 0.5
    with pytest.raises(ex.ShapeError, match="in place"):
        x += ex.ones((2, 3), dtype="int16")
    assert x.dtype == ex.int16


def test_a_numpy_array_that_may_not_be_written_stays_as_it_is() -> None:
    array = np.ones(3)
    array.flags.writeable = False
    x = ex.asarray(array)
    x += 1
    x[0] = 5
    assert array.tolist() == [1, 1, 1] and x.tolist() == [5, 2, 2]


def test_gradients_go_through_changes() -> None:
    torch = pytest.importorskip("torch")
    a, v = X.copy(), np.array([1.0, -2.0])

    def run(lib: Any, x: Any, v: Any) -> Any:
        y = x * 2.0
        y *= x
        y[1:, 2] = v
        y += x * 0.5
        y[0] *= 3.0
        return (y * y).sum()

    ours = [ex.asarray(t, requires_grad=True) for t in (a, v)]
    run(ex, *ours).backward()
    theirs = [torch.from_numpy(t.copy()).requires_grad_() for t in (a, v)]
    run(torch, *theirs).backward()
    for mine, their in zip(ours, theirs, strict=True):
        assert mine.grad is not None
        np.testing.assert_allclose(mine.grad.numpy(), their.grad.numpy(), rtol=1e-12)


def test_what_a_graph_saved_is_guarded() -> None:
    w = ex.asarray([1.0, 2.0, 3.0], requires_grad=True)
    changes: list[Any] = [
        lambda t: t.__setitem__(0, 5.0), lambda t: t.__iadd__(1.0), lambda t: t[1:].__imul__(2.0),
        lambda t: t.reshape(3, 1).__setitem__(0, 5.0),
    ]  # fmt: skip
    for change in changes:
        x = ex.asarray([1.0, 2.0, 3.0])
        y = (w * x).sum()
        change(x)
        with pytest.raises(ex.GraphError, match="changed in place"):
            y.backward()
    x = ex.asarray([1.0, 2.0, 3.0])
    y = (w[1:] * x[1:]).sum()
    x += 1.0
    with pytest.raises(ex.GraphError, match="changed in place"):
        y.backward()
    h = w * 2.0
    y = (h * h).sum()
    h += 1.0
    with pytest.raises(ex.GraphError, match="changed in place"):
        y.backward()


def test_a_leaf_is_changed_without_a_graph_only() -> None:
    w = ex.asarray([1.0, 2.0], requires_grad=True)
    with pytest.raises(ex.GraphError, match="no_grad"):
        w += 1.0
    with pytest.raises(ex.GraphError, match="no_grad"):
        w[0] = 1.0
    with ex.no_grad():
        w += 1.0
        w[0] = 9.0
    assert w.tolist() == [9.0, 3.0] and w.requires_grad and w.node is None
