"""What the tests of the bridge to PyTorch share: numbers, keys, a small model, its training."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.noise import Key

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn
bridge: Any = pytest.importorskip("extensor.interop.torch")
product: Any = pytest.importorskip("extensor.interop.torch.product")
number: Any = pytest.importorskip("extensor.interop.torch.state").number

RECIPES = ["nvfp4", "mxfp4-sr", "mxfp4-rht-sr", "mxfp8", "bf16", "mxfp4-sr-grad", "mxfp4-naive"]
CONVOLUTIONS: list[dict[str, Any]] = [
    {"kernel_size": 3},
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    {"kernel_size": 3, "groups": 2, "padding": "same"},
    {"kernel_size": 3, "dilation": 2, "padding": 2},
    {"kernel_size": 2, "padding": "valid", "groups": 4},
]


def normal(seed: int, *shape: int) -> Any:
    """Numbers of PyTorch that do not depend on its own generator."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def key_of(layer: Any) -> Key:
    """The key of the layer's next pass, as the module's docstring says it."""
    state = layer.extensor
    key: Key = state.key.fold(number(state.name)).fold(state.step).fold(state.calls)
    return key


def equal(a: Any, b: Any) -> None:
    """The same bits."""
    a, b = (np.asarray(t.detach() if hasattr(t, "detach") else t) for t in (a, b))
    assert a.dtype == b.dtype == np.float32
    np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


def ours(run: Callable[[Any, Any], Any], x: Any, w: Any, g: Any) -> list[Any]:
    """(y, dx, dw) of a product of ours for the same numbers."""
    a, b = (ex.asarray(t.detach().numpy().copy(), requires_grad=True) for t in (x, w))
    y = run(a, b)
    return [y.numpy(), *(t.numpy() for t in ex.autograd.grad(y, [a, b], ex.asarray(g.numpy())))]


def small(recipe: Any = "mxfp4-sr", **options: Any) -> Any:
    """A model with both kinds of layers, its weights always the same."""
    torch.manual_seed(0)
    parts = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 32), nn.Linear(32, 10)]
    return bridge.apply(nn.Sequential(*parts), recipe, **options)


def train(model: Any, steps: int, start: int = 0, optimizer: Any = None) -> Any:
    """Steps on numbers that depend on their number only."""
    optimizer = optimizer or torch.optim.Adam(model.parameters(), 0.01)
    for step in range(start, start + steps):
        x, labels = normal(step, 16, 1, 8, 8), torch.arange(16) % 10
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()
    return optimizer


def weights(model: Any) -> bytes:
    return b"".join(p.detach().numpy().tobytes() for p in model.parameters())
