"""Functions made of rows: first and second derivatives, and the same numbers as PyTorch."""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
import pytest

import extensor as ex
from tests.ops.peer import BOUNDS, agree

RNG = np.random.default_rng(1)
A, B, V = (RNG.standard_normal(s) for s in [(2, 3, 3), (2, 3, 4), (3,)])
SPD = A @ np.swapaxes(A, -1, -2) + 2 * np.eye(3)
INDEX = np.array([[[2, 0, 2]], [[1, 1, 0]]])

CASES: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "concat": (lambda a, b: ex.concat([a, b], axis=-1), [A, B]),
    "flip": (ex.flip, [B]),
    "moveaxis": (lambda a: ex.moveaxis(a, 0, -1), [B]),
    "pad": (lambda a: ex.pad(a, ((0, 1), (2, 0), (1, 1)), mode="reflect"), [A]),
    "pad_value": (lambda a: ex.pad(a, 1, value=2.0), [V]),
    "repeat": (lambda a: ex.repeat(a, [0, 2, 1], axis=1), [B]),
    "roll": (lambda a: ex.roll(a, 4), [B]),
    "scatter_add": (lambda a, b: ex.scatter_add(a, INDEX, b), [B, A[:, :1]]),
    "scatter_add_rows": (lambda a, b: ex.scatter_add(a, INDEX[0, 0][None, :, None], b, axis=1),
                         [B, B]),
    "sort": (lambda a: ex.sort(a, axis=1, descending=True), [B]),
    "take": (lambda a: ex.take(a, INDEX, axis=1), [B]),
    "take_along_axis": (lambda a: ex.take_along_axis(a, INDEX), [A]),
    "tensordot": (lambda a, b: ex.tensordot(a, b, axes=((0, 1), (0, 1))), [A, B]),
    "tile": (lambda a: ex.tile(a, (2, 1, 3)), [V]),
    "topk": (lambda a: ex.topk(a, 2).values, [B]),
    "unstack": (lambda a: ex.unstack(a, axis=1)[1], [B]),
    "vecdot": (lambda a, b: ex.vecdot(a, b, axis=-1), [A, V]),
    "cross": (lambda a, b: ex.linalg.cross(a, b), [A, V]),
    "diagonal": (lambda a: ex.linalg.diagonal(a, offset=-1), [B]),
    "outer": (ex.linalg.outer, [V, B[0, 0]]),
    "trace": (ex.linalg.trace, [A]),
    "cholesky": (lambda a: ex.linalg.cholesky(a, upper=True), [SPD]),
    "det": (ex.linalg.det, [A]),
    "inv": (ex.linalg.inv, [SPD]),
    "pinv": (ex.linalg.pinv, [B]),
    "slogdet": (lambda a: ex.linalg.slogdet(a).logabsdet, [A]),
    "solve": (ex.linalg.solve, [SPD, B]),
    "solve_vector": (ex.linalg.solve, [SPD, V]),
    "matrix_power": (lambda a: ex.linalg.matrix_power(a, 5), [A]),
    "matrix_power_below": (lambda a: ex.linalg.matrix_power(a, -2), [SPD]),
    "matrix_norm": (ex.linalg.matrix_norm, [B]),
    "matrix_norm_1": (lambda a: ex.linalg.matrix_norm(a, ord=1), [B]),
    "matrix_norm_inf": (lambda a: ex.linalg.matrix_norm(a, ord=-inf), [B]),
    "vector_norm": (lambda a: ex.linalg.vector_norm(a, axis=(0, 2)), [B]),
    "vector_norm_1": (lambda a: ex.linalg.vector_norm(a, axis=1, ord=1), [B]),
    "vector_norm_3": (lambda a: ex.linalg.vector_norm(a, axis=1, ord=3), [B]),
    "vector_norm_inf": (lambda a: ex.linalg.vector_norm(a, axis=1, ord=inf), [B]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name: str) -> None:
    f, inputs = CASES[name]
    assert ex.gradcheck(f, inputs)
    assert ex.gradgradcheck(f, inputs)


def _theirs(torch: Any) -> dict[str, Callable[..., Any]]:
    la, index = torch.linalg, torch.from_numpy(INDEX)
    return {
        "concat": lambda a, b: torch.cat([a, b], -1),
        "flip": lambda a: torch.flip(a, (0, 1, 2)),
        "pad": lambda a: torch.nn.functional.pad(a[None], (1, 1, 2, 0, 0, 1), mode="reflect")[0],
        "roll": lambda a: torch.roll(a, 4),
        "repeat": lambda a: torch.repeat_interleave(a, torch.tensor([0, 2, 1]), 1),
        "sort": lambda a: torch.sort(a, 1, descending=True).values,
        "take_along_axis": lambda a: torch.take_along_dim(a, index, -1),
        "scatter_add": lambda a, b: torch.scatter_add(
            a, -1, index.expand(2, 3, 3), b.expand(2, 3, 3)
        ),
        "tensordot": lambda a, b: torch.tensordot(a, b, ([0, 1], [0, 1])),
        "topk": lambda a: torch.topk(a, 2).values,
        "vecdot": lambda a, b: la.vecdot(a, b),
        "cross": lambda a, b: la.cross(a, b.expand(2, 3, 3)),
        "diagonal": lambda a: torch.diagonal(a, -1, -2, -1),
        "cholesky": lambda a: la.cholesky(a, upper=True),
        "det": la.det,
        "inv": la.inv,
        "pinv": la.pinv,
        "slogdet": lambda a: la.slogdet(a).logabsdet,
        "solve": la.solve,
        "solve_vector": lambda a, b: la.solve(a, b.expand(2, 3)),
        "matrix_power": lambda a: la.matrix_power(a, 5),
        "matrix_power_below": lambda a: la.matrix_power(a, -2),
        "matrix_norm": la.matrix_norm,
        "matrix_norm_1": lambda a: la.matrix_norm(a, ord=1),
        "matrix_norm_inf": lambda a: la.matrix_norm(a, ord=-inf),
        "vector_norm": lambda a: la.vector_norm(a, dim=(0, 2)),
        "vector_norm_3": lambda a: la.vector_norm(a, dim=1, ord=3),
        "vector_norm_inf": lambda a: la.vector_norm(a, dim=1, ord=inf),
    }


PEERS = [n for n in CASES if n not in (
    "moveaxis", "pad_value", "scatter_add_rows", "take", "tile", "unstack", "outer", "trace",
    "vector_norm_1")]  # fmt: skip
HARD = {"inv": 10, "pinv": 100, "solve": 10, "det": 10, "matrix_power": 100,
        "matrix_power_below": 100, "slogdet": 10, "cholesky": 10}  # fmt: skip
"""How much more than a sum these may lose: their condition numbers, rounded up."""


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("dtype", BOUNDS)
def test_pytorch_agrees(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    f, inputs = CASES[name]
    monkeypatch.setitem(BOUNDS, dtype, BOUNDS[dtype] * HARD.get(name, 1))
    agree(f, _theirs(torch)[name], inputs, dtype)


EINSUMS = [
    ("ij,jk->ik", [(3, 4), (4, 2)]), ("ij,jk", [(3, 4), (4, 2)]), ("ii", [(3, 3)]),
    ("iij->ji", [(3, 3, 2)]), ("iji->j", [(3, 2, 3)]), ("bik,bkj->bij", [(2, 3, 4), (2, 4, 2)]),
    ("...ij,...jk->...ik", [(2, 3, 4), (4, 2)]), ("i,j", [(3,), (4,)]), ("i,i->i", [(3,), (3,)]),
    ("i,i", [(3,), (3,)]), ("abc->cba", [(2, 3, 4)]), ("abc->b", [(2, 3, 4)]),
    ("ab,bc,cd->da", [(2, 3), (3, 4), (4, 2)]), ("ab,c->", [(2, 3), (4,)]),
    ("ab,ab->ba", [(2, 1), (2, 3)]), ("a...,a...->...", [(2, 3, 1), (2, 1, 4)]),
    ("abc,bd,dc->a", [(2, 3, 4), (3, 2), (2, 4)]), (" b h q d, b h k d -> b h q k ",
     [(2, 2, 3, 4), (2, 2, 2, 4)]), ("...", [()]), ("...,...", [(2, 2), ()]),
]  # fmt: skip


@pytest.mark.parametrize(("equation", "shapes"), EINSUMS)
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    xs = [RNG.standard_normal(s) for s in shapes]

    def f(*ts: Any) -> Any:
        return ex.einsum(equation, *ts)

    y, wanted = f(*xs).numpy(), np.einsum(equation, *xs)
    assert y.shape == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)
    assert ex.gradcheck(f, xs) and ex.gradgradcheck(f, xs)


def test_einsum_of_integers_and_narrow_floats() -> None:
    x = RNG.integers(0, 5, (3, 4)).astype(np.int8)
    y = ex.einsum("ij,kj->ik", x, x)
    assert y.dtype == ex.int8
    np.testing.assert_array_equal(y.numpy(), x @ x.T)
    big = ex.asarray(np.full((2, 64), 200.0)).to("float16")
    assert ex.einsum("ij,ij,j->i", big, big, big[0] * 1e-6).dtype == ex.float16
    assert ex.einsum("ij,ij->i", big, big * 1e-3).tolist() == pytest.approx([2560] * 2, rel=1e-3)
    q = ex.quantize(RNG.standard_normal((4, 64)).astype(np.float32), ex.mxfp4)
    with ex.trace() as calls:
        y = ex.einsum("ij,kj->ik", q, q)
    assert "packed x packed" in [c.kernel for c in calls]
    np.testing.assert_allclose(y.numpy(), q.numpy() @ q.numpy().T, rtol=1e-5)


def test_the_gradient_of_a_norm_at_zero_is_zero() -> None:
    x = ex.asarray(np.zeros((2, 2)), requires_grad=True)
    (ex.linalg.vector_norm(x) + ex.linalg.matrix_norm(x)).backward()
    assert x.grad is not None and not x.grad.numpy().any()


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_a_number_does_not_widen_a_gradient(dtype: str) -> None:
    x = ex.asarray(np.array([1.0, 2.0]), dtype, requires_grad=True)
    (x**0.1 + x / 3.0).sum().backward()
    assert x.grad is not None and x.grad.dtype.name == dtype
    wanted = 0.1 * np.array([1.0, 2.0]) ** (0.1 - 1.0) + 1 / 3.0
    bound = {"float64": 1e-15, "float32": 1e-6, "float16": 2e-3}[dtype]
    np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=bound)


def test_a_choice_of_two_numbers_has_their_default_format() -> None:
    condition = ex.asarray([True, False])
    assert ex.where(condition, 1.0, 2.0).dtype == ex.float32
    assert ex.where(condition, 1, 2).dtype == ex.int64
    assert ex.where(condition, 1.0, 2.0).tolist() == [1.0, 2.0]
