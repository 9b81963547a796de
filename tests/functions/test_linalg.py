"""Decompositions put together again, norms of every order, stacks, complex and narrow formats."""

from math import inf
from typing import Any

import numpy as np
import pytest

import extensor as ex

RNG = np.random.default_rng(2)
KINDS = ["float64", "float32", "complex128", "complex64"]
BOUND = {"float64": 1e-10, "complex128": 1e-10, "float32": 2e-4, "complex64": 2e-4}


def matrices(kind: str, *shape: int) -> Any:
    x = RNG.standard_normal(shape)
    if kind.startswith("c"):
        x = x + 1j * RNG.standard_normal(shape)
    return x.astype(kind)


def near(a: Any, b: Any, kind: str) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=BOUND[kind], atol=BOUND[kind])


def part(kind: str) -> str:
    return {"complex64": "float32", "complex128": "float64"}.get(kind, kind)


def dagger(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 5), (2, 3, 4, 3), (0, 2, 2)])
def test_decompositions(kind: str, shape: tuple[int, ...]) -> None:
    x = matrices(kind, *shape)
    for mode in ("reduced", "complete"):
        q, r = ex.linalg.qr(x, mode=mode)
        assert q.dtype.name == r.dtype.name == kind
        near(q.numpy() @ r.numpy(), x, kind)
    u, s, vh = ex.linalg.svd(x, full_matrices=False)
    assert s.dtype.name == part(kind) and u.shape[-1] == vh.shape[-2] == s.shape[-1]
    near(u.numpy() * s.numpy()[..., None, :] @ vh.numpy(), x, kind)
    assert ex.linalg.svd(x).U.shape[-1] == shape[-2]
    near(ex.linalg.svdvals(x).numpy(), s.numpy(), kind)
    near(ex.linalg.pinv(x).numpy(), np.linalg.pinv(x), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 4, 4), (0, 3, 3)])
def test_square_matrices(kind: str, shape: tuple[int, ...]) -> None:
    x = matrices(kind, *shape)
    h = (x @ dagger(x) + 2 * np.eye(shape[-1])).astype(kind)
    w, v = ex.linalg.eigh(h)
    near(v.numpy() * w.numpy()[..., None, :] @ dagger(v.numpy()), h, kind)
    near(ex.linalg.eigvalsh(h).numpy(), w.numpy(), kind)
    lower, upper = ex.linalg.cholesky(h).numpy(), ex.linalg.cholesky(h, upper=True).numpy()
    near(lower @ dagger(lower), h, kind)
    near(dagger(upper) @ upper, h, kind)
    sign, log = ex.linalg.slogdet(x)
    assert log.dtype.name == part(kind)
    near(sign.numpy() * np.exp(log.numpy()), np.linalg.det(x), kind)
    near(ex.linalg.det(x).numpy(), np.linalg.det(x), kind)
    near(ex.linalg.inv(h).numpy() @ h, np.broadcast_to(np.eye(shape[-1]), shape), kind)
    near(ex.linalg.matrix_power(x, 3).numpy(), x @ x @ x, kind)
    near(ex.linalg.matrix_power(x, 0).numpy(), np.broadcast_to(np.eye(shape[-1]), shape), kind)
    b = matrices(kind, *shape[:-1], 2)
    near(h @ ex.linalg.solve(h, b).numpy(), b, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, inf, -inf])
@pytest.mark.parametrize("keepdims", [False, True])
def test_matrix_norms(kind: str, ord: Any, keepdims: bool) -> None:
    x = matrices(kind, 2, 3, 4)
    y = ex.linalg.matrix_norm(x, ord=ord, keepdims=keepdims)
    assert y.dtype.name == part(kind)
    near(y.numpy(), np.linalg.norm(x, ord, (-2, -1), keepdims=keepdims), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ord", [0, 1, 2, 3.5, -1, inf, -inf])
def test_vector_norms(kind: str, ord: Any) -> None:
    x = matrices(kind, 2, 3, 4)
    y = ex.linalg.vector_norm(x, axis=1, ord=ord, keepdims=True)
    near(y.numpy(), np.linalg.norm(x, ord, 1, keepdims=True), kind)


def test_rank() -> None:
    x = np.diag([1.0, 1e-3, 0.0, 1e-20])
    assert ex.linalg.matrix_rank(x).item() == 2
    assert ex.linalg.matrix_rank(np.stack([x, x]), rtol=[1e-2, 0.0]).tolist() == [1, 3]
    assert ex.linalg.matrix_rank(np.zeros((2, 0, 3))).tolist() == [0, 0]


@pytest.mark.parametrize("fmt", ["float16", "bfloat16", "float8_e4m3fn", "mxfp4", "nvfp4"])
def test_narrow_formats_compute_in_float32(fmt: str) -> None:
    x = ex.asarray(np.eye(8, dtype=np.float32) * 2 + np.eye(8, k=1, dtype=np.float32)).to(fmt)
    wide = np.asarray(x.numpy(), np.float32)
    to = fmt if fmt in ("float16", "bfloat16") else "float32"
    for name in ("det", "inv", "cholesky", "svdvals", "vector_norm", "matrix_norm", "trace"):
        mine = getattr(ex.linalg, name)
        y, wanted = mine(x), mine(wide).to(to)
        assert y.dtype.name == to
        np.testing.assert_array_equal(y.numpy(), wanted.numpy(), err_msg=name)
    assert all(t.dtype.name == to for t in ex.linalg.svd(x))


def test_a_norm_of_large_halves_does_not_overflow() -> None:
    assert ex.linalg.vector_norm(ex.asarray([24e3, 32e3], "float16")).item() == 4e4


def test_cross_of_integers_and_stacks() -> None:
    a, b = RNG.integers(-9, 9, (2, 3, 4)), RNG.integers(-9, 9, (3, 1))
    y = ex.linalg.cross(a, b, axis=-2)
    assert y.dtype == ex.int64
    np.testing.assert_array_equal(y.numpy(), np.cross(a, b[None], axis=1))


@pytest.mark.parametrize("kind", ["int8", "uint16", "complex64", "float32"])
def test_products_keep_their_format(kind: str) -> None:
    x = np.arange(6).reshape(2, 3).astype(kind)
    assert ex.vecdot(x, x).dtype.name == ex.tensordot(x, x, axes=([1], [1])).dtype.name == kind
    np.testing.assert_array_equal(ex.vecdot(x, x).numpy(), (np.conj(x) * x).sum(-1))
