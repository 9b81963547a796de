"""Modules: names, modes, states, and how they print."""

import numpy as np
import pytest

import extensor as ex
from extensor.nn import Conv2d, Linear, Module, ReLU, Sequential
from tests.recipes.steps import normal


class Net(Module):
    """Layers in attributes and in a list; a tensor that is no parameter."""

    def __init__(self) -> None:
        self.first = Linear(4, 3, key=ex.key(0))
        self.rest = [Linear(3, 3, key=ex.key(1)), ReLU()]
        self.table = ex.asarray([1.0])
        self.gain = ex.asarray([2.0], requires_grad=True)

    def forward(self, x: ex.ExTensor, key: ex.Key | None = None) -> ex.ExTensor:
        return self.rest[1](self.rest[0](self.first(x))) * self.gain


NAMES = ["first.weight", "first.bias", "rest.0.weight", "rest.0.bias", "gain"]


def test_names() -> None:
    net = Net()
    assert sorted(net.parameters()) == sorted(NAMES)
    assert [name for name, _ in net.named_modules()] == ["", "first", "rest.0", "rest.1"]
    assert net.parameters()["first.weight"] is net.first.weight
    assert net(normal(0, 2, 4)).shape == (2, 3)


def test_train_and_eval_reach_every_layer() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(module.training for _, module in net.named_modules())
    assert all(module.training for _, module in net.train().named_modules())


def test_every_parameter_gets_a_gradient() -> None:
    net = Net()
    (net(normal(0, 8, 4)) * ex.asarray(normal(1, 8, 3))).sum().backward()
    assert all(p.grad is not None and p.grad.numpy().any() for p in net.parameters().values())


def test_states_are_copied_in() -> None:
    one, other = Linear(4, 3, key=ex.key(0)), Linear(4, 3, key=ex.key(1))
    y = (other.weight * other.weight).sum()
    other.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(one.weight.numpy(), other.weight.numpy())
    assert not np.shares_memory(one.weight.numpy(), other.weight.numpy())
    with pytest.raises(ex.GraphError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Linear(5, 3), "weight"),
        (Linear(4, 3, bias=False), "bias"),
        (Sequential(Linear(4, 3)), "layers.0.weight"),
        (Conv2d(4, 3, 1), "weight"),
    ],
)
def test_a_state_of_another_model_changes_nothing(other: Module, named: str) -> None:
    layer = Linear(4, 3, key=ex.key(0))
    before = layer.weight.numpy().copy()
    with pytest.raises(ex.CheckpointError, match=f"do not fit this model: .*{named}"):
        layer.load_state_dict(other.state_dict())
    np.testing.assert_array_equal(layer.weight.numpy(), before)


def test_repr_shows_sizes_and_recipe() -> None:
    layer = Linear(4, 3, recipe=ex.recipes.get("nvfp4"))
    assert repr(layer) == "Linear(4, 3, recipe=nvfp4)"
    assert repr(Conv2d(1, 6, 5, padding=2)) == "Conv2d(1, 6, (5, 5), padding=(2, 2))"
    assert repr(Sequential(Linear(4, 3), ReLU())).splitlines() == [
        "Sequential(", "  layers.0: Linear(4, 3)", "  layers.1: ReLU()", ")",
    ]  # fmt: skip


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError):
        Module()([1.0])
