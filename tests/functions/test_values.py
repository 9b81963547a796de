"""Functions made of rows against NumPy: values on odd shapes, and in every kind of format."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import extensor as ex

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4, 5))
VIEW = np.asfortranarray(X)[::-1, :, ::2]
"""Negative and long strides."""
CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "broadcast_to": (lambda x: ex.broadcast_to(x, (2, *x.shape)), lambda x: np.stack([x, x])),
    "broadcast_arrays": (
        lambda x: ex.broadcast_arrays(x, x[..., :1])[1],
        lambda x: np.broadcast_arrays(x, x[..., :1])[1],
    ),
    "concat": (lambda x: ex.concat([x, x, x], axis=-1), lambda x: np.concatenate([x] * 3, -1)),
    "concat_flat": (lambda x: ex.concat([x, x[0]], axis=None), lambda x: np.concatenate(
        [x, x[0]], None)),
    "expand_dims": (lambda x: ex.expand_dims(x, axis=(0, -1)), lambda x: np.expand_dims(
        x, (0, -1))),
    "flip": (ex.flip, np.flip),
    "flip_two": (lambda x: ex.flip(x, axis=(0, -1)), lambda x: np.flip(x, (0, -1))),
    "moveaxis": (lambda x: ex.moveaxis(x, (0, -1), (1, 0)), lambda x: np.moveaxis(
        x, (0, -1), (1, 0))),
    "permute_dims": (lambda x: ex.permute_dims(x, (2, 0, -2)), lambda x: x.transpose(2, 0, 1)),
    "matrix_transpose": (ex.matrix_transpose, lambda x: np.swapaxes(x, -1, -2)),
    "repeat": (lambda x: ex.repeat(x, 2, axis=1), lambda x: np.repeat(x, 2, 1)),
    "repeat_each": (
        lambda x: ex.repeat(x, list(range(x.shape[0])), axis=0),
        lambda x: np.repeat(x, list(range(x.shape[0])), 0),
    ),
    "repeat_flat": (lambda x: ex.repeat(x, 3), lambda x: np.repeat(x, 3)),
    "reshape": (lambda x: ex.reshape(x, (-1,)), lambda x: x.reshape(-1)),
    "reshape_copy": (lambda x: ex.reshape(x, x.shape[::-1], copy=True), lambda x: x.reshape(
        x.shape[::-1])),
    "roll": (lambda x: ex.roll(x, 7), lambda x: np.roll(x, 7)),
    "roll_two": (lambda x: ex.roll(x, (1, -2), axis=(0, 2)), lambda x: np.roll(
        x, (1, -2), (0, 2))),
    "roll_same": (lambda x: ex.roll(x, 2, axis=(0, 0)), lambda x: np.roll(x, 2, (0, 0))),
    "stack": (lambda x: ex.stack([x, x], axis=-2), lambda x: np.stack([x, x], -2)),
    "tile": (lambda x: ex.tile(x, (2, 3)), lambda x: np.tile(x, (2, 3))),
    "tile_more": (lambda x: ex.tile(x, (2, 1, 1, 2)), lambda x: np.tile(x, (2, 1, 1, 2))),
    "unstack": (lambda x: ex.unstack(x, axis=1)[-1], lambda x: x[:, -1]),
    "take": (lambda x: ex.take(x, [[1, -1], [0, 0]], axis=1), lambda x: np.take(
        x, [[1, -1], [0, 0]], 1)),
    "pad": (lambda x: ex.pad(x, 1, value=-3.5), lambda x: np.pad(x, 1, constant_values=-3.5)),
    "tensordot": (lambda x: ex.tensordot(x, x, axes=([0, 2], [0, 2])), lambda x: np.tensordot(
        x, x, ([0, 2], [0, 2]))),
    "tensordot_none": (lambda x: ex.tensordot(x, x[0], axes=0), lambda x: np.tensordot(
        x, x[0], 0)),
    "vecdot": (lambda x: ex.vecdot(x, x[0], axis=-2), lambda x: (x * x[0]).sum(-2)),
    "count_nonzero": (lambda x: ex.count_nonzero(x, axis=(0, 1)), lambda x: np.count_nonzero(
        x, (0, 1))),
    "nonzero": (lambda x: ex.nonzero(x)[2], lambda x: np.nonzero(x)[2]),
    "sort": (lambda x: ex.sort(x, axis=1), lambda x: np.sort(x, 1)),
    "sort_down": (lambda x: ex.sort(x, descending=True), lambda x: -np.sort(-x)),
    "argsort": (lambda x: ex.argsort(x, axis=0), lambda x: np.argsort(x, 0)),
    "cumsum": (lambda x: ex.cumsum(x, axis=1), lambda x: np.cumsum(x, 1)),
    "diagonal": (lambda x: ex.linalg.diagonal(x, offset=1), lambda x: np.diagonal(x, 1, -2, -1)),
    "diagonal_below": (lambda x: ex.linalg.diagonal(x, offset=-9), lambda x: np.diagonal(
        x, -9, -2, -1)),
    "trace": (ex.linalg.trace, lambda x: np.trace(x, 0, -2, -1)),
    "outer": (lambda x: ex.linalg.outer(x[0, 0], x[:, 0, 0]), lambda x: np.outer(
        x[0, 0], x[:, 0, 0])),
    "vector_norm": (ex.linalg.vector_norm, lambda x: np.linalg.norm(x.ravel())),
    "vector_norm_3": (
        lambda x: ex.linalg.vector_norm(x, axis=1, ord=3),
        lambda x: np.linalg.norm(x, 3, 1),
    ),
    "matrix_norm": (ex.linalg.matrix_norm, lambda x: np.linalg.norm(x, axis=(-2, -1))),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("x", [X, VIEW, X[:, :2, :2], X.astype(np.float32)], ids=repr)
def test_values(name: str, x: Any) -> None:
    mine, numpys = CASES[name]
    y, wanted = mine(x).numpy(), numpys(x)
    assert y.shape == wanted.shape and y.dtype == wanted.dtype
    bound = 1e-12 if x.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(y, wanted, rtol=bound, atol=bound)


EMPTY = {
    "concat", "flip", "expand_dims", "moveaxis", "permute_dims", "matrix_transpose", "repeat",
    "reshape", "roll", "stack", "tile", "pad", "tensordot", "vecdot", "count_nonzero", "nonzero",
    "sort", "argsort", "cumsum", "diagonal", "trace", "vector_norm", "matrix_norm", "broadcast_to",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(EMPTY))
def test_size_zero(name: str) -> None:
    mine, numpys = CASES[name]
    x = np.zeros((2, 0, 3))
    y, wanted = mine(x).numpy(), numpys(x)
    assert y.shape == wanted.shape
    np.testing.assert_array_equal(y, wanted)


SHAPES = ["concat", "flip", "moveaxis", "repeat", "roll_two", "stack", "tile", "take", "unstack",
          "repeat_each", "expand_dims", "roll", "concat_flat"]  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("fmt", ["bfloat16", "float8_e4m3fn", "float4_e2m1fn", "int8", "bool"])
def test_shape_functions_keep_the_format(name: str, fmt: str) -> None:
    mine, numpys = CASES[name]
    x = ex.asarray(X).to(fmt)
    y = mine(x)
    assert y.dtype.name == fmt
    np.testing.assert_array_equal(y.numpy(), numpys(x.numpy()))


def test_numbers_without_axes() -> None:
    x = ex.asarray(2.0)
    assert ex.tile(x, (2,)).tolist() == [2.0, 2.0]
    assert ex.repeat(x, 2).tolist() == [2.0, 2.0]
    assert ex.roll(x, 1).item() == 2.0 and ex.flip(x).item() == 2.0
    assert ex.stack([x, x]).tolist() == [2.0, 2.0]
    assert ex.concat([x, x], axis=None).tolist() == [2.0, 2.0]
    assert ex.argmax(x).item() == 0 and ex.count_nonzero(x).item() == 1
    assert ex.linalg.vector_norm(x).item() == 2.0
    assert ex.unique_values(x).tolist() == [2.0]


def test_joined_formats_are_promoted() -> None:
    a, b = ex.asarray([1.0], "bfloat16"), ex.asarray([2.0], "float64")
    assert ex.concat([a, b]).dtype == ex.float64
    assert ex.stack([a, ex.asarray([2], "int8")]).dtype == ex.bfloat16


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
def test_pad_modes(mode: Any) -> None:
    width = ((0, 0), (2, 3), (4, 0))
    np.testing.assert_array_equal(ex.pad(X, width, mode=mode).numpy(), np.pad(X, width, mode=mode))


def test_reshape_says_when_it_copies() -> None:
    x = ex.asarray(X, requires_grad=True)
    view, copied = ex.reshape(x, (12, 5)), ex.reshape(x, (12, 5), copy=True)
    assert np.may_share_memory(view.numpy(), X) and not np.may_share_memory(copied.numpy(), X)
    ex.reshape(X, (12, 5), copy=False)
    with pytest.raises(ex.ShapeError, match="needs a copy"):
        ex.reshape(np.asfortranarray(X), (12, 5), copy=False)
    copied.sum().backward()
    assert x.grad is not None and (x.grad.numpy() == 1).all()


@pytest.mark.parametrize("fmt", ["float64", "float32", "float16", "bfloat16", "int32", "uint8"])
@pytest.mark.parametrize("descending", [False, True])
def test_order_is_stable(fmt: str, descending: bool) -> None:
    x = ex.asarray(RNG.integers(0, 4, (5, 40))).to(fmt)
    order = ex.argsort(x, descending=descending)
    values = np.asarray(x.numpy(), np.float64)
    wanted = np.argsort(-values if descending else values, axis=-1, kind="stable")
    np.testing.assert_array_equal(order.numpy(), wanted)
    ordered = ex.sort(x, descending=descending)
    assert ordered.dtype.name == fmt
    np.testing.assert_array_equal(ordered.numpy(), ex.take_along_axis(x, order).numpy())


def test_topk() -> None:
    values, indices = ex.topk(X, 2, axis=1)
    np.testing.assert_array_equal(values.numpy(), -np.sort(-X, 1)[:, :2])
    np.testing.assert_array_equal(np.take_along_axis(X, indices.numpy(), 1), values.numpy())
    small = ex.topk(X, 3, largest=False)
    np.testing.assert_array_equal(small.values.numpy(), np.sort(X)[..., :3])
    assert ex.topk([1.0, 1.0], 1).indices.tolist() == [0]
    assert ex.topk(X, 0).values.shape == (3, 4, 0)


def test_nans_are_distinct_and_last() -> None:
    x = [np.nan, 1.0, np.nan, 1.0]
    values, counts = ex.unique_counts(x)
    assert values.size == 3 and counts.tolist() == [2, 1, 1]
    assert ex.argsort(x).tolist() == [1, 3, 0, 2]
    assert ex.argmax(x).item() == 0


def test_search() -> None:
    x, v = np.sort(X[0, 0]), X[1]
    for side in ("left", "right"):
        got = ex.searchsorted(x, v, side=side)
        np.testing.assert_array_equal(got.numpy(), np.searchsorted(x, v, side))
    order = ex.argsort(X[0, 0])
    got = ex.searchsorted(X[0, 0], v, sorter=order)
    np.testing.assert_array_equal(got.numpy(), np.searchsorted(x, v))
    assert ex.argmax(X, axis=-1, keepdims=True).shape == (3, 4, 1)


def test_scatter_adds_up() -> None:
    index = np.array([[0, 0, -1]])
    got = ex.scatter_add(np.zeros((2, 3)), index, np.arange(6.0).reshape(2, 3))
    assert got.tolist() == [[1.0, 0.0, 2.0], [7.0, 0.0, 5.0]]
    got = ex.scatter_add(np.ones((2, 3)), index.T, 2.0 * np.ones((1, 3)), axis=0)
    assert got.tolist() == [[5.0, 5.0, 5.0], [3.0, 3.0, 3.0]]
