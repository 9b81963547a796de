"""Convolution layers of every kind: sizes, recipes, representation, refusals."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor import nn
from tests.recipes.steps import normal

LAYERS: list[tuple[Any, dict[str, Any], tuple[int, ...], tuple[int, ...]]] = [
    (nn.Conv1d, {"kernel_size": 3, "padding": "same"}, (2, 4, 9), (2, 8, 9)),
    (nn.Conv2d, {"kernel_size": (3, 2), "stride": 2, "groups": 4}, (2, 4, 9, 8), (2, 8, 4, 4)),
    (nn.Conv2d, {"kernel_size": 3, "dilation": 2, "padding": 2}, (2, 4, 9, 8), (2, 8, 9, 8)),
    (nn.Conv2d, {"kernel_size": 3, "padding": ((1, 0), (0, 1))}, (2, 4, 9, 8), (2, 8, 8, 7)),
    (nn.Conv3d, {"kernel_size": 2, "bias": False}, (2, 4, 3, 4, 5), (2, 8, 2, 3, 4)),
    (nn.ConvTranspose1d, {"kernel_size": 4, "stride": 2, "padding": 1}, (2, 4, 9), (2, 8, 18)),
    (nn.ConvTranspose2d, {"kernel_size": 3, "stride": 2, "output_padding": 1, "groups": 2},
     (2, 4, 5, 4), (2, 8, 12, 10)),
    (nn.ConvTranspose3d, {"kernel_size": 2, "bias": False}, (2, 4, 3, 2, 2), (2, 8, 4, 3, 3)),
]  # fmt: skip


def torch_twin(layer: Any, kind: Any, how: dict[str, Any]) -> Any:
    """The same layer in PyTorch, with our weights."""
    torch = pytest.importorskip("torch")
    twin = getattr(torch.nn, kind.__name__)(4, 8, **how)
    twin.load_state_dict(
        {name: torch.from_numpy(p.numpy().copy()) for name, p in layer.state_dict().items()}
    )
    return twin


@pytest.mark.parametrize(("kind", "how", "given", "wanted"), LAYERS)
def test_layers_are_pytorchs(kind: Any, how: Any, given: Any, wanted: Any) -> None:
    layer, x = kind(4, 8, **how, key=ex.key(0)), normal(0, *given)
    if layer.bias is not None:
        layer.bias.storage.array[...] = normal(1, 8)
    y = layer(x)
    assert y.shape == wanted
    if isinstance(how.get("padding"), tuple):
        return
    torch = pytest.importorskip("torch")
    theirs = torch_twin(layer, kind, how)(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(y.numpy(), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("kind", "how", "given", "wanted"), LAYERS)
def test_layers_under_a_recipe(kind: Any, how: Any, given: Any, wanted: Any) -> None:
    """All products packed, answers near, a gradient for every parameter."""
    plain = kind(4, 8, **how, key=ex.key(0))
    layer = kind(4, 8, **how, key=ex.key(0), recipe=ex.recipes.get("mxfp8"))
    x = normal(0, *given)
    with ex.trace() as calls:
        y = layer(x, key=ex.key(1))
    assert {c.kernel for c in calls if c.op == "matmul"} == {"packed x packed"}
    error = y.numpy() - plain(x).numpy()
    assert np.square(error).sum() < 3e-3 * np.square(y.numpy()).sum()
    y.backward(ex.asarray(normal(2, *y.shape)))
    assert all(p.grad is not None and p.grad.numpy().any() for p in layer.parameters().values())


def test_representations_say_what_is_unusual() -> None:
    layer = nn.Conv2d(4, 8, 3, stride=2, groups=2, recipe=ex.recipes.get("nvfp4"))
    assert repr(layer) == (
        "Conv2d(4, 8, (3, 3), padding=(0, 0), stride=(2, 2), groups=2, recipe=nvfp4)"
    )
    assert repr(nn.ConvTranspose1d(4, 2, 3, dilation=2)) == (
        "ConvTranspose1d(4, 2, (3,), padding=(0,), dilation=(2,))"
    )


def test_depthwise_weights_have_the_variance_of_their_sums() -> None:
    w = nn.Conv2d(64, 64, 3, groups=64, key=ex.key(0)).weight.numpy()
    assert w.shape == (64, 1, 3, 3) and w.std() == pytest.approx(1 / 3, rel=0.1)


def test_errors() -> None:
    with pytest.raises(ex.FormatError, match="Conv2d: 3 groups of 4 and 8 channels"):
        nn.Conv2d(4, 8, 3, groups=3)
    with pytest.raises(ex.ShapeError, match="Conv1d: kernel_size="):
        nn.Conv1d(4, 8, (3, 3))
    for recipe in (None, ex.recipes.get("mxfp8")):
        with pytest.raises(ex.ShapeError, match="conv1d: shapes"):
            nn.Conv1d(4, 8, 3, recipe=recipe)(normal(0, 2, 4, 5, 5))
        with pytest.raises(ex.ShapeError, match="conv_transpose2d: shapes"):
            nn.ConvTranspose2d(4, 8, 3, recipe=recipe)(normal(0, 2, 4, 5))
