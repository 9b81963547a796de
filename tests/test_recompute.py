"""Checkpointing: the same bits, fewer bytes, and an error where f is not a function."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.optim import SGD
from extensor.train.measure import saved_nbytes


class Deep(ex.nn.Module):
    """Six layers with dropout under a recipe, in one piece or in checkpointed pairs."""

    def __init__(self, recipe: str | None, pieces: bool) -> None:
        how = None if recipe is None else ex.recipes.get(recipe)
        self.layers = [ex.nn.Linear(64, 64, recipe=how, key=ex.key(i)) for i in range(6)]
        self.pieces = pieces

    def pair(self, x: Any, at: int, key: Any) -> Any:
        for i in (at, at + 1):
            x = ex.gelu(self.layers[i](x, key=key.fold(i)))
            x = ex.dropout(x, p=0.2, key=key.fold(100 + i))
        return x

    def forward(self, x: Any, key: Any = None) -> Any:
        for at in (0, 2, 4):
            if self.pieces:
                x = ex.checkpoint(lambda x, at=at: self.pair(x, at, key), x)
            else:
                x = self.pair(x, at, key)
        return x


def step(recipe: str | None, pieces: bool) -> tuple[Any, list[Any], int]:
    model = Deep(recipe, pieces)
    x = ex.asarray(np.random.default_rng(0).standard_normal((32, 64)).astype(np.float32))
    loss = (model(x, key=ex.key(7)) ** 2.0).sum()
    kept = saved_nbytes(loss, model.parameters().values())
    loss.backward()
    return loss, [p.grad.numpy() for p in model.parameters().values() if p.grad is not None], kept


@pytest.mark.parametrize("recipe", [None, "nvfp4", "mxfp4-sr"])
def test_gradients_have_the_same_bits_and_less_is_saved(recipe: str | None) -> None:
    x_bytes = 4 * 32 * 64
    loss, grads, kept = step(recipe, False)
    again, same, less = step(recipe, True)
    assert loss.item() == again.item() and len(grads) == len(same) == 12
    for a, b in zip(grads, same, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a).max() > 0
    operands = 5 * x_bytes  # of three pieces, and operand and answer of the square
    assert less == operands < 0.6 * kept, f"{less} of {kept} bytes"


def test_lenet_with_a_checkpointed_trunk() -> None:
    def grads(pieces: bool) -> tuple[list[Any], int]:
        m = ex.models.LeNet5(recipe="mxfp4-sr-grad", key=ex.key(0))
        x = np.random.default_rng(1).standard_normal((4, 1, 28, 28)).astype(np.float32)

        def trunk(x: Any) -> Any:
            pool: Any = {"kernel": (2, 2), "stride": (2, 2)}
            x = ex.max_pool2d(ex.relu(m.conv1(x, key=ex.key(1))), **pool)
            return ex.max_pool2d(ex.relu(m.conv2(x, key=ex.key(2))), **pool).flatten()

        h = ex.checkpoint(trunk, ex.asarray(x)) if pieces else trunk(ex.asarray(x))
        loss = ex.cross_entropy(m.fc3(ex.relu(m.fc2(ex.relu(m.fc1(h, key=ex.key(3))),
                                                    key=ex.key(4))), key=ex.key(5)),
                                np.arange(4))  # fmt: skip
        kept = saved_nbytes(loss, m.parameters().values())
        loss.backward()
        return [p.grad.numpy() for p in m.parameters().values() if p.grad is not None], kept

    (plain, much), (again, little) = grads(False), grads(True)
    assert len(plain) == len(again) == 10 and little < much / 3
    for a, b in zip(plain, again, strict=True):
        np.testing.assert_array_equal(a, b)


def leaf(*values: float) -> ex.ExTensor:
    return ex.asarray(list(values), requires_grad=True)


def test_backward_twice_second_derivatives_hooks_and_surroundings() -> None:
    x, w = leaf(0.5), leaf(2.0)
    inner, seen = w * 3.0, []
    y = ex.checkpoint(lambda x: ex.exp(x * inner) * w, x)
    assert y.node is not None
    y.register_hook(lambda g: seen.append(g.tolist()))
    plain = ex.exp(x * inner) * w
    for xs in ([x], [w], [inner]):
        (a,), (b,) = ex.grad(y, xs), ex.grad(plain, xs)
        assert a.tolist() == b.tolist()
    assert seen == [[1.0]] * 3
    (first,) = ex.grad(y, [x], create_graph=True)
    (again,) = ex.grad(plain, [x], create_graph=True)
    assert ex.grad(first, [x, w])[0].tolist() == ex.grad(again, [x, w])[0].tolist()
    assert ex.grad(first, [x, w])[1].tolist() == ex.grad(again, [x, w])[1].tolist()


def test_several_answers_and_one_inside_the_other() -> None:
    x = leaf(1.5)
    a, b = ex.checkpoint(lambda x: (x.exp(), ex.checkpoint(lambda x: x.sin().exp(), x)), x)
    (a * b).backward()
    assert x.grad is not None
    want = np.exp(1.5) * np.exp(np.sin(1.5)) * (1 + np.cos(1.5))
    assert x.grad.item() == pytest.approx(want, rel=1e-5)


def test_no_graph_no_second_run() -> None:
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x.exp()

    with ex.no_grad():
        ex.checkpoint(f, leaf(1.0))
    ex.checkpoint(f, ex.asarray([1.0]))
    y = ex.checkpoint(f, leaf(1.0))
    assert len(calls) == 3
    y.backward()
    assert len(calls) == 4


def test_a_parameter_changed_before_backward() -> None:
    """Also one that no row saves: the bias of a sum."""
    x, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = ex.checkpoint(lambda x: (x + b).exp(), x).sum()
    y.backward()
    SGD([b], lr=0.1).step()
    with pytest.raises(ex.GraphError, match="operand of add was changed in place since f ran"):
        y.backward()


def test_f_must_repeat() -> None:
    x, state = leaf(1.0), [0]

    def other(x: Any) -> Any:
        state[0] += 1
        return x.exp() if state[0] == 1 else x.sin()

    def longer(x: Any) -> Any:
        state[0] += 1
        return x.exp() if state[0] == 1 else x.exp().exp()

    with pytest.raises(ex.GraphError, match="applied exp at first and sin"):
        ex.checkpoint(other, x).backward()
    state[0] = 0
    with pytest.raises(ex.GraphError, match="applied 1 ops at first and 2"):
        ex.checkpoint(longer, x).backward()
