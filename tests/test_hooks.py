"""Hooks see the whole gradient of a tensor once, and may change it."""

from typing import Any

import pytest

import extensor as ex


def leaf(*values: float) -> ex.ExTensor:
    return ex.asarray(list(values), requires_grad=True)


def test_a_hook_on_a_leaf_sees_the_sum_once() -> None:
    x, seen = leaf(3.0), []
    handle = x.register_hook(lambda g: seen.append(g.tolist()))
    (x * x + x).backward()
    assert x.grad is not None and seen == [[7.0]] and x.grad.tolist() == [7.0]
    handle.remove()
    handle.remove()
    (x * x + x).backward()
    assert seen == [[7.0]] and x.grad.tolist() == [14.0]


def test_a_hook_inside_changes_what_flows_on() -> None:
    x, seen = leaf(3.0), []
    y = x * x
    y.register_hook(lambda g: seen.append(("first", g.tolist())))
    second = y.register_hook(lambda g: g * 10.0)
    y.register_hook(lambda g: seen.append(("third", g.tolist())))
    (y * 2.0 + y).backward()
    assert seen == [("first", [3.0]), ("third", [30.0])]
    assert x.grad is not None and x.grad.tolist() == [180.0]
    second.remove()
    assert ex.grad(y * 1.0, [x])[0].tolist() == [6.0], "ex.grad calls hooks too"


def test_hooks_of_the_root_and_second_derivatives() -> None:
    x = leaf(2.0)
    y = x * x * x
    with y.register_hook(lambda g: g * 2.0):
        (first,) = ex.grad(y, [x], create_graph=True)
        assert ex.grad(first, [x])[0].tolist() == [24.0]
    with x.register_hook(lambda g: g * 5.0):
        x.backward()
    assert x.grad is not None and x.grad.tolist() == [5.0], "a leaf is a root too"


def test_retain_grad() -> None:
    x = leaf(3.0)
    y = x * x
    assert not y.retains_grad
    y.retain_grad()
    x.retain_grad()
    assert (y.retains_grad, x.retains_grad) == (True, False)
    y.register_hook(lambda g: g * 2.0)
    (y * y).backward()
    assert y.grad is not None and y.grad.tolist() == [36.0], "what the hooks made of it"
    assert x.grad is not None and x.grad.tolist() == [216.0]
    (y * y).backward()
    assert y.grad.tolist() == [72.0], "gradients add up"
    ex.grad(y * y, [x])
    assert y.grad.tolist() == [72.0], "ex.grad stores nothing"


def test_retaining_changes_no_draw_of_stored_gradients() -> None:
    def run(retain: bool) -> Any:
        x, w = leaf(*[0.3] * 32), leaf(*[0.7] * 32)
        x.grad_quantizer = w.grad_quantizer = ex.Quantizer(ex.mxfp4, rounding="stochastic")
        y = x * w
        if retain:
            y.retain_grad()
        y.sum().backward(key=ex.key(5))
        assert x.grad is not None and w.grad is not None
        return x.grad.tolist(), w.grad.tolist()

    assert run(False) == run(True)


@pytest.mark.parametrize(
    ("run", "kind", "message"),
    [
        (lambda: ex.asarray([1.0]).register_hook(print), ex.GraphError, "requires no gradient"),
        (lambda: ex.asarray([1.0]).retain_grad(), ex.GraphError, "requires no gradient"),
    ],
)
def test_errors(run: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        run()


@pytest.mark.parametrize("wrong", [3.0, ex.asarray([1.0, 2.0])])
def test_a_hook_that_gives_something_else(wrong: Any) -> None:
    x = leaf(1.0)
    x.register_hook(lambda g: wrong)
    with pytest.raises(ex.ShapeError, match="register_hook: a hook gave"):
        (x * x).backward()
    assert x.grad is None
