"""The graph: what backward adds where, and every way of asking for a gradient that is none."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.optim import SGD


def leaf(*values: float) -> ex.ExTensor:
    return ex.asarray(list(values), requires_grad=True)


def grad_of(x: ex.ExTensor) -> Any:
    assert x.grad is not None
    return x.grad.tolist()


def test_backward_twice_adds_up() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    y.backward()
    assert grad_of(x) == [4.0, 8.0]
    x.grad = None
    y.backward()
    assert grad_of(x) == [2.0, 4.0]


def test_a_tensor_used_many_times_collects_all_its_parts() -> None:
    """A diamond, a chain through shared parts, and one leaf on both sides of a product."""
    x = leaf(3.0)
    shared = x * x
    y = shared * shared + shared + x  # x^4 + x^2 + x
    y.backward()
    assert grad_of(x) == [4 * 27 + 2 * 3 + 1]


def test_a_long_chain_needs_no_recursion() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(5000):
        y = y + 0.5
    y.backward()
    assert grad_of(x) == [1.0]


def test_broadcasting_is_summed_back() -> None:
    a, b = ex.asarray(np.ones((3, 1)), requires_grad=True), leaf(1.0, 2.0)
    (a * b).sum().backward()
    assert (grad_of(a), grad_of(b)) == ([[3.0]] * 3, [3.0, 3.0])


def test_backward_takes_a_gradient() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    y.backward([1.0, 10.0])
    assert grad_of(x) == [2.0, 40.0]


def test_only_leaves_keep_a_gradient() -> None:
    x = leaf(2.0)
    inner = x * 3.0
    (inner * inner).backward()
    assert inner.grad is None and grad_of(x) == [36.0]


@pytest.mark.parametrize(
    ("run", "kind", "message"),
    [
        (lambda x: ex.asarray([1.0]).backward(), ex.GraphError, "requires_grad=True"),
        (lambda x: (x * 2.0).detach().backward(), ex.GraphError, "no graph"),
        (lambda x: (x * 2.0).backward(), ex.ShapeError, r"shape \(2,\) is not a single number"),
        (lambda x: x.sum().backward([1.0, 2.0]), ex.ShapeError, r"\(2,\) for a tensor of \(\)"),
        (lambda x: (x * 2.0).backward([1.0]), ex.ShapeError, r"\(1,\) for a tensor of \(2,\)"),
        (lambda x: ex.grad(ex.asarray(1.0), [x]), ex.GraphError, "no graph"),
        (lambda x: ex.asarray([1, 2], requires_grad=True), ex.GraphError, "int64 has no gradients"),
        (lambda x: (x > 0).sum().backward(), ex.GraphError, "no graph"),
    ],
)
def test_errors_of_the_graph(run: Any, kind: type[Exception], message: str) -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(kind, match=message):
        run(x)
    assert x.grad is None


def test_no_grad_and_detach() -> None:
    x = leaf(2.0)
    with ex.no_grad():
        assert not (x * x).requires_grad
        with pytest.raises(ZeroDivisionError), ex.no_grad():
            raise ZeroDivisionError
        assert not (x * x).requires_grad, "the inner context ended, the outer did not"
    assert (x * x).requires_grad
    loose = (x * x).detach()
    assert not loose.requires_grad and loose.node is None
    (loose * x).backward()
    assert grad_of(x) == [4.0], "detached factors are constants"
    assert np.shares_memory(x.detach().numpy(), x.numpy())


def test_grad_stores_nothing_and_reaches_inner_tensors() -> None:
    x, unused = leaf(3.0), leaf(1.0)
    inner = x * x
    y = inner * inner
    of_inner, of_x, of_unused, of_y = ex.grad(y, [inner, x, unused, y])
    assert (of_inner.tolist(), of_x.tolist(), of_unused, of_y.tolist()) == (
        [18.0], [108.0], None, [1.0],
    )  # fmt: skip
    assert x.grad is None


def test_second_derivatives() -> None:
    x = leaf(2.0)
    (first,) = ex.grad(x * x * x, [x], create_graph=True)
    assert ex.grad(first, [x])[0].tolist() == [12.0]
    (plain,) = ex.grad(x * x * x, [x])
    with pytest.raises(ex.GraphError, match="no graph"):
        plain.backward()


def change(tensor: ex.ExTensor) -> None:
    tensor.storage.array += 1.0  # type: ignore[union-attr]
    tensor.bump()


def test_a_saved_operand_changed_in_place() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    change(w)
    with pytest.raises(ex.GraphError, match="operand 1 of mul was changed in place"):
        y.backward()
    assert x.grad is None and w.grad is None
    fine = (x + w).sum()  # a sum saves nothing
    change(w)
    fine.backward()
    assert grad_of(w) == [1.0, 1.0]


def test_a_saved_answer_changed_in_place() -> None:
    x = leaf(0.0, 1.0)
    y = ex.exp(x)
    total = y.sum()
    change(y)
    with pytest.raises(ex.GraphError, match="answer of exp was changed in place"):
        total.backward()


def test_detached_copies_share_the_version() -> None:
    x = leaf(1.0)
    y = x * x
    change(x.detach())
    with pytest.raises(ex.GraphError, match="changed in place"):
        y.backward()


def test_an_optimizer_step_invalidates_older_graphs() -> None:
    w = leaf(1.0, 2.0)
    y = (w * w).sum()
    y.backward()
    SGD([w], lr=0.1).step()
    with pytest.raises(ex.GraphError, match="call backward first"):
        y.backward()


@pytest.mark.parametrize("recipe", ["mxfp4-sr", "nvfp4", "bf16", "mxfp8-grad"])
def test_a_quantized_layer_has_no_second_derivative(recipe: str) -> None:
    """Rounding counts as the identity once: asking twice raises, it does not give zeros."""
    layers: list[tuple[ex.nn.Module, tuple[int, ...]]] = [
        (ex.nn.Linear(8, 4, recipe=ex.recipes.get(recipe)), (2, 8)),
        (ex.nn.Conv2d(2, 3, 3, recipe=ex.recipes.get(recipe)), (1, 2, 5, 5)),
    ]
    for layer, shape in layers:
        x = ex.asarray(np.ones(shape, np.float32), requires_grad=True)
        y = layer(x, key=ex.key(0)).sum()
        with pytest.raises(ex.GraphError, match="no second derivative.*recipe fp32"):
            ex.grad(y, [x], create_graph=True)
        assert ex.grad(y, [x])[0] is not None


def test_a_plain_layer_has_one() -> None:
    layer = ex.nn.Linear(3, 2, key=ex.key(0))
    x = ex.asarray(np.ones((2, 3), np.float32), requires_grad=True)
    (first,) = ex.grad((layer(x) * layer(x)).sum(), [x], create_graph=True)
    (second,) = ex.grad(first.sum(), [x])
    w = layer.weight.numpy()
    np.testing.assert_allclose(second.numpy(), np.tile(2 * (w.T @ w).sum(1), (2, 1)), rtol=1e-5)


def test_an_op_without_a_gradient() -> None:
    """Comparisons and roundings of indices end the graph; nothing flows through them silently."""
    x = leaf(1.0, -2.0)
    for y in (x > 0, ex.argmax(x), ex.isnan(x)):
        assert not y.requires_grad


def test_quantize_is_straight_through() -> None:
    x = leaf(0.3, -2.7, 5.0)
    q = ex.quantize(x, ex.mxfp4)
    (q * ex.asarray([1.0, 2.0, 3.0])).sum().backward()
    assert grad_of(x) == [1.0, 2.0, 3.0]


def test_clipped_elements_get_none_with_ste_clip() -> None:
    """`floor` of a block whose largest is 7.5 has scale 1: what is above 6 is clipped."""
    x = leaf(7.5, -6.5, 6.0, 1.3)
    q = ex.quantize(x, ex.mxfp4, scale_rule="floor", ste="clip")
    q.sum().backward()
    assert q.tolist() == [6.0, -6.0, 6.0, 1.5]
    assert grad_of(x) == [0.0, 0.0, 1.0, 1.0]
