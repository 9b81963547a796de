"""Elementary functions, products and running sums against PyTorch: values and gradients."""

import operator as op
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import extensor as ex
from tests.ops.peer import BOUNDS, agree

both = pytest.mark.parametrize("dtype", BOUNDS)
ONE = {
    "tan": (-1.2, 1.2), "asin": (-0.9, 0.9), "acos": (-0.9, 0.9), "atan": (-3.0, 3.0),
    "sinh": (-3.0, 3.0), "cosh": (-3.0, 3.0), "asinh": (-3.0, 3.0), "acosh": (1.2, 4.0),
    "atanh": (-0.9, 0.9), "log2": (0.2, 4.0), "log10": (0.2, 4.0), "positive": (-2.0, 2.0),
    "trunc": (-3.0, 3.0), "expm1": (-1.0, 1.0), "tanh": (-2.0, 2.0),
}  # fmt: skip
"""Functions of one number, and where their operands are drawn."""
TWO = {
    "atan2": "atan2", "hypot": "hypot", "logaddexp": "logaddexp", "copysign": "copysign",
    "remainder": "remainder", "divide": "div", "subtract": "sub", "multiply": "mul",
}  # fmt: skip
"""Functions of two numbers, and PyTorch's names."""
SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((3, 4), (3, 4)), ((), (3,)), ((2, 1, 3), (4, 1)), ((0, 3), (3,)),
]  # fmt: skip


def uniform(shape: tuple[int, ...], low: float, high: float, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(low, high, shape)


@both
@pytest.mark.parametrize("name", ONE)
def test_of_one_number(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    for shape in ((3, 4), (), (0, 2)):
        x = uniform(shape, *ONE[name])
        agree(getattr(ex, name), getattr(torch, name), [x], dtype)
    backwards = uniform((5, 6), *ONE[name])[::-1, ::2]
    ours = getattr(ex, name)(ex.asarray(backwards))
    theirs = getattr(torch, name)(torch.from_numpy(backwards.copy()))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)


@both
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", TWO)
def test_of_two_numbers(name: str, shapes: Any, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    a, b = uniform(shapes[0], 0.3, 3.0), uniform(shapes[1], 0.3, 3.0, 1)
    agree(getattr(ex, name), getattr(torch, TWO[name]), [a, b], dtype)


REDUCED: list[tuple[str, dict[str, Any], Callable[[Any, Any], Any]]] = [
    ("prod", {"axis": 1}, lambda t, x: x.prod(1)),
    ("prod", {"axis": -1, "keepdims": True}, lambda t, x: x.prod(-1, keepdim=True)),
    ("prod", {}, lambda t, x: x.prod()),
    ("var", {"axis": 1, "correction": 1}, lambda t, x: x.var(1)),
    ("var", {"correction": 0.0}, lambda t, x: x.var(correction=0)),
    ("std", {"axis": (0, 1), "correction": 1}, lambda t, x: x.std((0, 1))),
    ("cumulative_sum", {"axis": 1}, lambda t, x: x.cumsum(1)),
    ("cumulative_prod", {"axis": 0}, lambda t, x: x.cumprod(0)),
    ("diff", {"axis": 0, "n": 2}, lambda t, x: x.diff(dim=0, n=2)),
    ("tril", {"k": 1}, lambda t, x: x.tril(1)),
    ("triu", {"k": -1}, lambda t, x: x.triu(-1)),
    ("clip", {"min": -0.5, "max": 1.0}, lambda t, x: x.clip(-0.5, 1.0)),
    ("clip", {"max": 1.0}, lambda t, x: x.clip(max=1.0)),
    ("sum", {"axis": 0, "dtype": "float64"}, lambda t, x: x.sum(0, dtype=t.float64).to(x.dtype)),
]


@both
@pytest.mark.parametrize(("name", "how", "theirs"), REDUCED)
def test_over_axes(name: str, how: dict[str, Any], theirs: Any, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    x = uniform((3, 4, 2), -2.0, 2.0)
    mine = lambda t: getattr(ex, name)(t, **how).to(t.dtype)  # noqa: E731
    agree(mine, lambda t: theirs(torch, t), [x], dtype)


@both
@pytest.mark.parametrize("zeros", [[1], [1, 3], [0, 1, 2, 3]])
def test_products_of_numbers_that_are_zero(zeros: list[int], dtype: str) -> None:
    """A derivative by division would be NaN."""
    x = uniform((2, 4), 0.5, 2.0)
    x[0, zeros] = 0.0
    agree(lambda t: ex.prod(t, axis=1), lambda t: t.prod(1), [x], dtype)
    agree(lambda t: ex.cumulative_prod(t, axis=1), lambda t: t.cumprod(1), [x], dtype)
    assert ex.gradgradcheck(lambda t: ex.prod(t, axis=1), [x])
    assert ex.gradgradcheck(lambda t: ex.cumprod(t, axis=1), [x])


def test_products_without_numbers() -> None:
    assert ex.prod(ex.zeros((0, 3)), axis=0).tolist() == [1, 1, 1]
    x = ex.asarray(np.ones((2, 0)), requires_grad=True)
    x.prod(axis=1).sum().backward()
    assert x.grad is not None and x.grad.shape == (2, 0)
    y = ex.asarray(3.0, requires_grad=True)
    y.prod().backward()
    assert y.grad is not None and y.grad.item() == 1.0


@pytest.mark.parametrize("axis", [0, -1])
def test_a_linear_recurrence(axis: int) -> None:
    a, b = uniform((5, 7), -1, 1), uniform((5, 7), -1, 1, 1)
    s = np.moveaxis(ex.linear_scan(ex.asarray(a), ex.asarray(b), axis=axis).numpy(), axis, 0)
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    wanted = np.zeros_like(b[0])
    for t in range(len(a)):
        wanted = a[t] * wanted + b[t]
        np.testing.assert_allclose(s[t], wanted, rtol=1e-12, atol=1e-12)


@both
def test_clip_between_tensors(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    arrays = [uniform((3, 4), -2, 2), uniform((4,), -1.5, -0.5, 1), uniform((3, 1), 0.5, 1.5, 2)]
    agree(ex.clip, torch.clip, arrays, dtype)


def test_bits() -> None:
    a, b = np.arange(-4, 4, dtype=np.int16), np.arange(8, dtype=np.int16)[::-1]
    for name, mark in (("bitwise_and", op.and_), ("bitwise_or", op.or_), ("bitwise_xor", op.xor)):
        ours = getattr(ex, name)(ex.asarray(a), ex.asarray(b))
        assert ours.tolist() == mark(a, b).tolist() and ours.dtype == ex.int16
        assert mark(ex.asarray(a), ex.asarray(b)).tolist() == ours.tolist()
    assert (~ex.asarray(a)).tolist() == (~a).tolist()
    assert (1 << ex.asarray(b)).tolist() == (1 << b).tolist()
    assert (ex.asarray(a) >> 1).tolist() == (a >> 1).tolist()
    for x in (ex.ones(2), ex.ones((1, 32), dtype="mxfp4"), ex.ones(2, dtype="bfloat16")):
        with pytest.raises(ex.DTypeError, match="bitwise_or"):
            ex.bitwise_or(x, x)
    with pytest.raises(ex.DTypeError, match="bits to shift"):
        ex.bitwise_left_shift(ex.asarray([True]), ex.asarray([True]))


def test_whole_division_follows_the_standard_at_infinity() -> None:
    inf = ex.inf
    pairs = [(inf, 2.0, inf), (inf, -2.0, -inf), (1.0, -inf, -0.0), (-1.0, inf, -0.0)]
    for a, b, wanted in pairs:
        got = (ex.asarray(a) // b).item()
        assert got == wanted and np.signbit(got) == np.signbit(wanted)
    assert (ex.asarray([-7, 7]) // 2).tolist() == [-4, 3]
    assert (ex.asarray([-7, 7]) % 2).tolist() == [1, 1]
    assert (7.5 % ex.asarray([2.0])).tolist() == [1.5]
