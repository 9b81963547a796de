"""Norm layers with their buffers, pooling, activations and rotary layers: against PyTorch's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor import nn
from tests.recipes.steps import normal


def torch_nn() -> Any:
    return pytest.importorskip("torch").nn


# norms and buffers ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "shape"),
    [("BatchNorm1d", (6, 3)), ("BatchNorm1d", (6, 3, 5)), ("BatchNorm2d", (6, 3, 4, 5)),
     ("BatchNorm3d", (6, 3, 2, 4, 5))],
)  # fmt: skip
def test_batch_norm_trains_and_evaluates(kind: str, shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    layer, twin = getattr(nn, kind)(3, momentum=0.2), getattr(torch_nn(), kind)(3, momentum=0.2)
    for step in range(3):
        x = normal(step, *shape) * 2 + 1
        y, t = layer(x), twin(torch.from_numpy(x))
        np.testing.assert_allclose(y.numpy(), t.detach().numpy(), rtol=1e-5, atol=1e-5)
    for name in ("running_mean", "running_var"):
        np.testing.assert_allclose(
            getattr(layer, name).numpy(), getattr(twin, name).numpy(), rtol=1e-5, atol=1e-6
        )
    layer.eval(), twin.eval()
    before = layer.running_mean.numpy().copy()
    y, t = layer(x), twin(torch.from_numpy(x))
    np.testing.assert_allclose(y.numpy(), t.detach().numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(layer.running_mean.numpy(), before)


def test_running_statistics_are_state(tmp_path: Path) -> None:
    """They are no parameters; they are saved, loaded, moved, and missing ones are named."""
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
    net(normal(0, 4, 1, 6, 6))
    buffers = ["layers.1.running_mean", "layers.1.running_var"]
    assert [name for name, _ in net.named_buffers()] == buffers
    assert not set(buffers) & set(net.parameters())
    assert list(net.state_dict())[-2:] == buffers
    ex.save(str(tmp_path / "net"), net.state_dict())
    other = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
    other.load_state_dict(ex.load(str(tmp_path / "net")))
    x = normal(1, 2, 1, 6, 6)
    np.testing.assert_array_equal(net.eval()(x).numpy(), other.eval()(x).numpy())
    other.to("cpu")
    assert dict(other.named_buffers())["layers.1.running_var"].numpy().any()
    with pytest.raises(ex.CheckpointError, match="running_mean"):
        other.load_state_dict(net.parameters())


def test_a_graph_knows_that_its_statistics_moved() -> None:
    layer = nn.BatchNorm1d(3)
    x = normal(0, 4, 3)
    y = layer.eval()(ex.asarray(x, requires_grad=True))
    layer.train()(x)
    with pytest.raises(ex.GraphError, match="changed in place"):
        y.sum().backward()


def test_frozen_weights_and_packed_buffers_are_state() -> None:
    layer, other = nn.Linear(32, 4, key=ex.key(0)), nn.Linear(32, 4, key=ex.key(1))
    for one in (layer, other):
        one.weight.requires_grad = False
        one.table = ex.quantize(normal(len(one.parameters()), 2, 32), ex.mxfp4)  # type: ignore[attr-defined]
    assert set(layer.parameters()) == {"bias"} and set(layer.state_dict()) > {"weight", "table"}
    other.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(other.weight.numpy(), layer.weight.numpy())
    assert other.table.dtype == ex.mxfp4  # type: ignore[attr-defined]


def test_batch_norm_options() -> None:
    bare = nn.BatchNorm2d(3, affine=False, track_running_stats=False)
    assert not bare.state_dict()
    x = normal(0, 4, 3, 2, 2)
    np.testing.assert_array_equal(bare(x).numpy(), bare.eval()(x).numpy())
    assert repr(bare) == "BatchNorm2d(3, eps=1e-05, momentum=0.1)"
    with pytest.raises(ex.ShapeError, match=r"BatchNorm2d: shape \(4, 3\); allowed: 4 axes"):
        bare(x[:, :, 0, 0])
    with pytest.raises(ex.ShapeError, match="BatchNorm1d: .* 2 or 3 axes"):
        nn.BatchNorm1d(3)(x)


@pytest.mark.parametrize(
    ("mine", "theirs", "shape"),
    [
        (lambda: nn.GroupNorm(2, 4), lambda: torch_nn().GroupNorm(2, 4), (3, 4, 5, 6)),
        (lambda: nn.GroupNorm(1, 4, affine=False),
         lambda: torch_nn().GroupNorm(1, 4, affine=False), (3, 4)),
        (lambda: nn.InstanceNorm1d(4), lambda: torch_nn().InstanceNorm1d(4), (3, 4, 5)),
        (lambda: nn.InstanceNorm2d(4, affine=True),
         lambda: torch_nn().InstanceNorm2d(4, affine=True), (3, 4, 5, 6)),
        (lambda: nn.InstanceNorm3d(4), lambda: torch_nn().InstanceNorm3d(4), (3, 4, 2, 3, 2)),
        (lambda: nn.MaxPool1d(3, 2, 1), lambda: torch_nn().MaxPool1d(3, 2, 1), (2, 3, 9)),
        (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True),
         lambda: torch_nn().MaxPool2d(3, 2, 1, ceil_mode=True), (2, 3, 9, 8)),
        (lambda: nn.MaxPool3d(2), lambda: torch_nn().MaxPool3d(2), (2, 3, 4, 5, 6)),
        (lambda: nn.AvgPool1d(3, 2, 1, count_include_pad=False),
         lambda: torch_nn().AvgPool1d(3, 2, 1, count_include_pad=False), (2, 3, 9)),
        (lambda: nn.AvgPool2d((3, 2), padding=(1, 0)),
         lambda: torch_nn().AvgPool2d((3, 2), padding=(1, 0)), (2, 3, 9, 8)),
        (lambda: nn.AvgPool3d(2, 1), lambda: torch_nn().AvgPool3d(2, 1), (2, 3, 4, 5, 6)),
        (lambda: nn.AdaptiveAvgPool1d(4), lambda: torch_nn().AdaptiveAvgPool1d(4), (2, 3, 9)),
        (lambda: nn.AdaptiveAvgPool2d((3, None)),
         lambda: torch_nn().AdaptiveAvgPool2d((3, None)), (2, 3, 7, 8)),
        (lambda: nn.AdaptiveAvgPool3d(2), lambda: torch_nn().AdaptiveAvgPool3d(2), (2, 3, 4, 5, 6)),
        (lambda: nn.AdaptiveMaxPool1d(4), lambda: torch_nn().AdaptiveMaxPool1d(4), (2, 3, 9)),
        (lambda: nn.AdaptiveMaxPool2d(3), lambda: torch_nn().AdaptiveMaxPool2d(3), (2, 3, 7, 8)),
        (lambda: nn.AdaptiveMaxPool3d(2), lambda: torch_nn().AdaptiveMaxPool3d(2), (2, 3, 4, 5, 6)),
        (lambda: nn.PReLU(3, 0.1), lambda: torch_nn().PReLU(3, 0.1), (2, 3, 7)),
        (lambda: nn.RMSNorm(8, 1e-5), lambda: torch_nn().RMSNorm(8, 1e-5), (2, 3, 8)),
    ],
)  # fmt: skip
def test_layer_is_pytorchs(mine: Any, theirs: Any, shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    layer, twin, x = mine(), theirs(), normal(0, *shape)
    found, wanted = layer(x).numpy(), twin(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert repr(layer).startswith(type(layer).__name__ + "(")


def test_global_pools() -> None:
    x = normal(0, 2, 3, 4, 5)
    np.testing.assert_allclose(nn.GlobalAvgPool()(x).numpy(), x.mean((2, 3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(nn.GlobalMaxPool()(x).numpy(), x.max((2, 3)))


# activations ------------------------------------------------------------------------------------
NAMES = [
    "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Sigmoid", "LogSigmoid",
    "Softplus", "Softsign", "Hardtanh", "Hardsigmoid", "Hardswish", "Tanhshrink", "Softshrink",
    "Hardshrink", "Identity", "ReLU", "Tanh",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_activation_layer(name: str) -> None:
    torch, x = pytest.importorskip("torch"), normal(0, 3, 4) * 3
    found, wanted = getattr(nn, name)()(x).numpy(), getattr(torch.nn, name)()(torch.from_numpy(x))
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (lambda: nn.Softmax(0), lambda: torch_nn().Softmax(0)),
        (lambda: nn.LogSoftmax(), lambda: torch_nn().LogSoftmax(-1)),
        (lambda: nn.Softmin(), lambda: torch_nn().Softmin(-1)),
        (lambda: nn.GLU(), lambda: torch_nn().GLU()),
        (lambda: nn.GELU("tanh"), lambda: torch_nn().GELU("tanh")),
        (lambda: nn.Threshold(0.2, 3.0), lambda: torch_nn().Threshold(0.2, 3.0)),
        (lambda: nn.LeakyReLU(0.3), lambda: torch_nn().LeakyReLU(0.3)),
    ],
)
def test_activation_layer_with_words(mine: Any, theirs: Any) -> None:
    torch, x = pytest.importorskip("torch"), normal(0, 3, 4)
    found, wanted = mine()(x).numpy(), theirs()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_representations() -> None:
    assert repr(nn.Softmax()) == "Softmax(axis=-1)" and repr(nn.GELU()) == "GELU()"
    assert repr(nn.GELU("tanh")) == "GELU(approximate='tanh')" and repr(nn.PReLU()) == "PReLU(1)"


# rotary -----------------------------------------------------------------------------------------
def turned(x: Any, at: Any, base: float, interleaved: bool) -> Any:
    """Pairs as complex numbers times exp(i t rate)."""
    width = x.shape[-1]
    rate = base ** (-np.arange(0, width, 2) / width)
    turn = np.exp(1j * np.asarray(at)[..., None] * rate)
    if interleaved:
        z = (x[..., ::2] + 1j * x[..., 1::2]) * turn
        return np.stack((z.real, z.imag), -1).reshape(x.shape)
    z = (x[..., : width // 2] + 1j * x[..., width // 2 :]) * turn
    return np.concatenate((z.real, z.imag), -1)


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary(interleaved: bool) -> None:
    x = np.random.default_rng(0).standard_normal((2, 5, 8))
    layer = nn.RotaryEmbedding(8, base=100.0, interleaved=interleaved)
    how = (100.0, interleaved)
    np.testing.assert_allclose(layer(x).numpy(), turned(x, np.arange(5), *how), atol=1e-12)
    np.testing.assert_allclose(layer(x, offset=7).numpy(), turned(x, np.arange(5) + 7, *how),
                               atol=1e-12)  # fmt: skip
    at = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    np.testing.assert_allclose(layer(x, positions=at).numpy(), turned(x, at, *how), atol=1e-12)
    assert not layer.state_dict() and repr(layer) == "RotaryEmbedding(8, base=100.0)"


def test_rotary_products_see_distances_only() -> None:
    q, k = np.random.default_rng(0).standard_normal((2, 6, 8))
    near, far = ((ex.rope(q, offset=o) @ ex.rope(k, offset=o).T).numpy() for o in (0, 1000))
    np.testing.assert_allclose(near, far, atol=1e-10)
    for wrong in [{"width": 3}, {"width": 4, "base": 0.0}]:
        with pytest.raises(ex.FormatError, match="an even width"):
            nn.RotaryEmbedding(**wrong)  # type: ignore[arg-type]
    for x, at in [(q[:, :3], None), (q, np.arange(4)), (q, np.zeros((2, 6), int))]:
        with pytest.raises(ex.ShapeError, match="rope:"):
            ex.rope(x, *(() if at is None else (at,)))
    with pytest.raises(ex.DTypeError, match="positions of float64"):
        ex.rope(q, np.arange(6.0))
