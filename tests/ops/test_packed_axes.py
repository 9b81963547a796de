"""Functions that only touch other axes than the blocked one keep a packed tensor packed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import extensor as ex
from tests.ops.test_packed_shape import X, same

FORMATS = [ex.mxfp4, ex.mxfp6_e3m2, ex.mxint8, ex.nvfp4]
MOVES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "flip": (lambda q: ex.flip(q, axis=(0, 1)), lambda x: np.flip(x, (0, 1))),
    "roll": (lambda q: ex.roll(q, (1, 2), axis=(0, 1)), lambda x: np.roll(x, (1, 2), (0, 1))),
    "take": (lambda q: ex.take(q, [[2, 0], [1, -1]], axis=0), lambda x: x[[[2, 0], [1, -1]]]),
    "repeat": (lambda q: ex.repeat(q, [0, 2, 1, 1], axis=1), lambda x: np.repeat(
        x, [0, 2, 1, 1], 1)),
    "tile": (lambda q: ex.tile(q, (2, 1, 3, 1)), lambda x: np.tile(x, (2, 1, 3, 1))),
    "expand": (lambda q: ex.expand_dims(q, axis=(0, 2, -1)), lambda x: np.expand_dims(
        x, (0, 2, -1))),
    "squeeze": (lambda q: ex.squeeze(q[1:2], 0), lambda x: x[1]),
    "broadcast": (lambda q: ex.broadcast_to(q, (2, 3, 4, 40)), lambda x: np.stack([x, x])),
    "move": (lambda q: ex.moveaxis(q, 2, 0), lambda x: np.moveaxis(x, 2, 0)),
    "unstack": (lambda q: ex.unstack(q, axis=1)[2], lambda x: x[:, 2]),
    "reshape": (lambda q: ex.reshape(q, (2, 6, 40, 1)), lambda x: x.reshape(2, 6, 40, 1)),
}  # fmt: skip


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize("name", MOVES)
def test_other_axes(name: str, fmt: Any) -> None:
    q = ex.quantize(X, fmt)
    mine, numpys = MOVES[name]
    same(mine(q), numpys(q.numpy()), fmt)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_blocked_axis_in_front(axis: int, fmt: Any) -> None:
    q = ex.quantize(X, fmt, axis=axis)
    x, other = q.numpy(), 1 - axis
    same(ex.flip(q, axis=(other, 2)), np.flip(x, (other, 2)), fmt)
    same(ex.take(q, [[1, 0]], axis=2), np.take(x, [[1, 0]], 2), fmt)
    same(ex.take(q, [[1, 0]], axis=other), np.take(x, [[1, 0]], other), fmt)
    same(ex.expand_dims(q, axis=1), np.expand_dims(x, 1), fmt)
    same(ex.tile(q, (2, *([1, 2] if axis == 0 else [2, 1]), 1)),
         np.tile(x, (2, *([1, 2] if axis == 0 else [2, 1]), 1)), fmt)  # fmt: skip
    assert ex.moveaxis(q, axis, -1).axis == 2


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_joined(count: int) -> None:
    q = ex.quantize(X, ex.mxfp4)
    same(ex.stack([q] * count, axis=1), np.stack([q.numpy()] * count, 1), ex.mxfp4)
    same(ex.concat([q] * count, axis=0), np.concatenate([q.numpy()] * count), ex.mxfp4)


@pytest.mark.parametrize("shape", [(0, 40), (3, 0), (0, 0), (2, 0, 33)])
@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_size_zero(shape: tuple[int, ...], fmt: Any) -> None:
    q = ex.quantize(np.zeros(shape, np.float32), fmt)
    same(ex.flip(q, axis=0), q.numpy(), fmt)
    same(ex.expand_dims(q, axis=0), q.numpy()[None], fmt)
    same(ex.roll(q, 1, axis=0), q.numpy(), fmt)
    assert ex.stack([q, q], axis=0).shape == (2, *shape)


def test_the_blocked_axis_is_decoded() -> None:
    q = ex.quantize(X, ex.mxfp4)
    x = q.numpy()
    same(ex.flip(q), np.flip(x), ex.float32)
    same(ex.roll(q, 1), np.roll(x, 1), ex.float32)
    same(ex.take(q, [3], axis=2), x[:, :, 3:4], ex.float32)
    same(ex.repeat(q, 2, axis=2), np.repeat(x, 2, 2), ex.float32)
    same(ex.tile(q, (2,)), np.tile(x, 2), ex.float32)
    n = ex.quantize(X, ex.nvfp4)  # two tensors, two tensor scales
    same(ex.stack([n, n]), np.stack([n.numpy()] * 2), ex.float32)


def test_the_gradient_of_packed_rows() -> None:
    x = ex.asarray(X, requires_grad=True)
    q = ex.quantize(x, ex.mxfp4)
    y = ex.flip(ex.take(q, [0, 0, 2], axis=0), axis=1)
    assert y.dtype == ex.mxfp4
    (y * 2.0).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy()[:, 0, 0], [4.0, 0.0, 2.0])


RAGGED: dict[str, tuple[Callable[[Any, int], Any], Callable[[Any, int], Any]]] = {
    "flip": (lambda q, a: ex.flip(q, axis=a), np.flip),
    "roll": (lambda q, a: ex.roll(q, 2, axis=a), lambda x, a: np.roll(x, 2, a)),
    "concat": (lambda q, a: ex.concat([q] * 3, axis=a), lambda x, a: np.concatenate([x] * 3, a)),
    "stack": (lambda q, a: ex.stack([q, q], axis=a), lambda x, a: np.stack([x, x], a)),
    "tile": (lambda q, a: ex.tile(q, (2,) * q.ndim), lambda x, a: np.tile(x, (2,) * x.ndim)),
    "move": (lambda q, a: ex.moveaxis(q, a, 0), lambda x, a: np.moveaxis(x, a, 0)),
    "squeeze": (lambda q, a: ex.squeeze(ex.expand_dims(q, axis=a), a), lambda x, a: x),
    "spread": (lambda q, a: ex.broadcast_to(q, (3, *q.shape)), lambda x, a: np.stack([x] * 3)),
    "reshape": (lambda q, a: ex.reshape(q, (1, *q.shape)), lambda x, a: x[None]),
    "repeat": (lambda q, a: ex.repeat(q, 2, axis=a), lambda x, a: np.repeat(x, 2, a)),
}


@pytest.mark.parametrize("fmt", [d for d in ex.DTYPES if d.kind == "blocked"], ids=str)
@pytest.mark.parametrize("shape", [(1, 31), (33, 7), (3, 1, 37), (2, 0, 5)], ids=str)
def test_ragged_shapes(shape: tuple[int, ...], fmt: Any) -> None:
    """Any function along any axis, whichever axis is blocked: the values of the decoded tensor."""
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    for blocked in range(len(shape)):
        if fmt == ex.nvfp4_2d and blocked < len(shape) - 2:
            continue  # tiles span the last two axes: quantize refuses
        q = ex.quantize(x, fmt, axis=blocked)
        for axis in range(len(shape)):
            for name, (mine, numpys) in RAGGED.items():
                wanted = numpys(q.numpy(), axis)
                np.testing.assert_array_equal(mine(q, axis).numpy(), wanted, err_msg=name)
