"""Derivatives of functions against PyTorch's words for them: closed forms, and each other."""

from typing import Any

import numpy as np
import pytest

import extensor as ex


def draw(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape)


def network(x: Any, w: Any) -> Any:
    return ex.softmax(ex.gelu(ex.matmul(x, w)), axis=0) * ex.layer_norm(
        ex.sin(ex.matmul(x, w)), ex.asarray(np.linspace(0.5, 1, 3)), ex.asarray(np.zeros(3))
    )


def jacobian(x: Any, w: Any) -> Any:
    """d network / d x, a row at a time: (2, 3) by (2, 4)."""
    y, back = ex.vjp(network, x, w)
    rows = []
    for i in np.ndindex(y.shape):
        g = np.zeros(y.shape)
        g[i] = 1
        rows.append(back(g)[0].numpy())
    return np.stack(rows).reshape(*y.shape, *x.shape)


def test_vjp_and_jvp_are_one_jacobian() -> None:
    x, w, v = draw(2, 4), draw(4, 3, seed=1), draw(2, 4, seed=2)
    y, dy = ex.jvp(network, (x, w), (v, None))
    np.testing.assert_allclose(y.numpy(), network(ex.asarray(x), ex.asarray(w)).numpy())
    np.testing.assert_allclose(dy.numpy(), np.tensordot(jacobian(x, w), v, 2), rtol=1e-9)
    h = 1e-6
    ends = [network(ex.asarray(x + s * h * v), ex.asarray(w)).numpy() for s in (1, -1)]
    np.testing.assert_allclose(dy.numpy(), (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["conv2d", "max_pool2d", "relu", "embedding", "logsumexp"])
def test_jvp_of_a_linear_or_piecewise_op(name: str) -> None:
    x, v = draw(2, 2, 6, 6), draw(2, 2, 6, 6, seed=3)
    index = np.array([1, 0, 1])
    f: Any = {
        "conv2d": lambda x: ex.conv2d(x, ex.asarray(draw(3, 2, 3, 3, seed=4))),
        "max_pool2d": lambda x: ex.max_pool2d(x, kernel=(2, 2), stride=(2, 2)),
        "relu": ex.relu,
        "embedding": lambda x: ex.embedding(x.reshape(2, -1), index),
        "logsumexp": lambda x: ex.logsumexp(x, axis=(1, 2)),
    }[name]
    _, dy = ex.jvp(f, [x], [v])
    ends = [f(ex.asarray(x + s * 1e-6 * v)).numpy() for s in (1, -1)]
    np.testing.assert_allclose(dy.numpy(), (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-8)


def test_tuples_of_answers() -> None:
    f = lambda a, b: (a * b, a + b)  # noqa: E731
    (p, s), back = ex.vjp(f, [2.0], [5.0])
    assert (p.tolist(), s.tolist()) == ([10.0], [7.0])
    assert [g.tolist() for g in back(([1.0], [100.0]))] == [[105.0], [102.0]]
    assert [g.tolist() for g in back(([1.0], None))] == [[5.0], [2.0]]
    _, (dp, ds) = ex.jvp(f, ([2.0], [5.0]), ([1.0], [10.0]))
    assert (dp.tolist(), ds.tolist()) == ([25.0], [11.0])


def test_operands_without_a_part_get_zeros_and_integers_none() -> None:
    y, back = ex.vjp(lambda a, b, i: ex.embedding(a, i) + 0.0, [[1.0], [2.0]], [3.0], [1, 1])
    da, db, di = back([[1.0], [1.0]])
    assert (da.tolist(), db.tolist(), di) == ([[0.0], [2.0]], [0.0], None)
    y, dy = ex.jvp(lambda a, b: b * 2.0, ([1.0], [3.0]), ([1.0], None))
    assert (y.tolist(), dy.tolist()) == ([6.0], [0.0])
    constant, back = ex.vjp(lambda a: ex.asarray([4.0]), [1.0])
    assert back([1.0])[0].tolist() == [0.0] and not constant.requires_grad


def test_nothing_is_stored_and_answers_have_no_graph() -> None:
    w = ex.asarray([2.0], requires_grad=True)
    with ex.no_grad():
        value, (gx,) = ex.value_and_grad(lambda x: (x * w).sum(), (0,))([3.0])
    assert w.grad is None and not value.requires_grad and not gx.requires_grad
    assert (value.item(), gx.tolist()) == (6.0, [2.0])


def test_one_tensor_given_twice() -> None:
    x = ex.asarray([3.0], requires_grad=True)
    f = lambda a, b: (a * a * b).sum()  # noqa: E731
    assert ex.grad(f)(x, x).tolist() == [18.0]
    assert [g.tolist() for g in ex.grad(f, argnums=(0, -1))(x, x)] == [[18.0], [9.0]]


def test_derivatives_nest() -> None:
    f = lambda x: (x * x * x * x).sum()  # noqa: E731
    third = ex.grad(lambda x: ex.grad(lambda x: ex.grad(f)(x).sum())(x).sum())
    assert third([2.0]).tolist() == [48.0]
    _, hv = ex.jvp(ex.grad(f), [[1.0, 2.0]], [[1.0, 1.0]])
    assert hv.tolist() == [12.0, 48.0]
    _, back = ex.vjp(ex.grad(f), [1.0, 2.0])
    assert back([1.0, 1.0])[0].tolist() == [12.0, 48.0]
    x = ex.asarray([2.0], requires_grad=True)
    ex.grad(f)(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [48.0]


def test_a_graph_for_the_surroundings() -> None:
    w = ex.asarray([2.0], requires_grad=True)
    f = lambda x: (x * x * w * w).sum()  # noqa: E731
    _, g = ex.value_and_grad(f, create_graph=True)([3.0])
    g.sum().backward()
    assert w.grad is not None and w.grad.tolist() == [24.0]


def test_trees_of_parameters() -> None:
    p = {"layers": [ex.asarray([2.0]), ex.asarray([3.0])], "b": ex.asarray([1.0])}
    loss = lambda x, p: (x * p["layers"][0] * p["layers"][1] + p["b"]).sum()  # noqa: E731
    value, g = ex.value_and_grad(loss, argnums=1)(ex.asarray([10.0]), p)
    assert value.item() == 61.0
    assert [t.tolist() for t in g["layers"]] == [[30.0], [20.0]] and g["b"].tolist() == [1.0]


def test_a_layer_under_a_recipe_has_vjp_and_no_jvp() -> None:
    layer = ex.nn.Linear(32, 4, recipe=ex.recipes.get("mxfp4-sr"), key=ex.key(0))
    x = draw(2, 32).astype(np.float32)
    y, back = ex.vjp(lambda x: layer(x, key=ex.key(1)), x)
    assert back(np.ones(y.shape, np.float32))[0].shape == (2, 32)
    with pytest.raises(ex.GraphError, match="no second derivative"):
        ex.jvp(lambda x: layer(x, key=ex.key(1)), [x], [x])


@pytest.mark.parametrize(
    ("run", "kind", "message"),
    [
        (lambda: ex.vjp(lambda x: 3.0, [1.0]), ex.GraphError, "gave float"),
        (lambda: ex.vjp(lambda x: x, [1.0])[1]([1.0, 2.0]), ex.ShapeError, r"\(2,\); allowed: \(1"),
        (lambda: ex.jvp(lambda x: x, [[1.0]], []), ex.ShapeError, "0 directions; allowed: 1"),
        (lambda: ex.grad(lambda x: x)([1.0, 2.0]), ex.ShapeError, "use ex.vjp"),
        (lambda: ex.grad(lambda x: x, argnums=1)([1.0]), ex.ShapeError, "argnums=1 of 1"),
        (lambda: ex.grad(ex.asarray(1.0)), ex.GraphError, r"ex.grad\(y, \[x"),  # type: ignore[call-overload]
    ],
)
def test_errors(run: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        run()
