"""Multi-head attention and embeddings against PyTorch: values and every gradient."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.nn import Embedding, MultiHeadAttention
from tests.recipes.steps import normal


def gradients(layer: Any, x: ex.ExTensor, g: Any) -> tuple[Any, dict[str, Any]]:
    """The answer, and the gradients of the parameters (and of x) for the cotangent g."""
    y = layer(x)
    y.backward(ex.asarray(g))
    found = {n: p.grad.numpy() for n, p in layer.parameters().items() if p.grad is not None}
    if x.grad is not None:
        found["x"] = x.grad.numpy()
    return y.numpy(), found


@pytest.mark.parametrize("causal", [True, False])
def test_multi_head_attention_is_that_of_pytorch(causal: bool) -> None:
    torch = pytest.importorskip("torch")
    layer = MultiHeadAttention(12, 3, causal=causal, key=ex.key(0))
    twin = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    mine = layer.parameters()
    pairs = {
        "qkv.weight": twin.in_proj_weight, "qkv.bias": twin.in_proj_bias,
        "out.weight": twin.out_proj.weight, "out.bias": twin.out_proj.bias,
    }  # fmt: skip
    assert set(mine) == set(pairs)
    mine["qkv.bias"].storage.array[...] = normal(5, 36)  # type: ignore[union-attr]
    for name, theirs in pairs.items():
        theirs.data = torch.from_numpy(mine[name].numpy().copy())
    x, g = normal(0, 2, 5, 12), normal(1, 2, 5, 12)
    y, found = gradients(layer, ex.asarray(x, requires_grad=True), g)
    tx = torch.from_numpy(x).requires_grad_()
    mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1) if causal else None
    ty, _ = twin(tx, tx, tx, attn_mask=mask, need_weights=False)
    ty.backward(torch.from_numpy(g))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-5, atol=1e-5)
    for name, theirs in (*pairs.items(), ("x", tx)):
        np.testing.assert_allclose(found[name], theirs.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_a_causal_token_does_not_see_the_future() -> None:
    layer = MultiHeadAttention(8, 2, key=ex.key(0))
    x = normal(0, 1, 6, 8)
    changed = x.copy()
    changed[:, 4:] += 1
    y, other = layer(x).numpy(), layer(changed).numpy()
    np.testing.assert_array_equal(y[:, :4], other[:, :4])
    assert (y[:, 4:] != other[:, 4:]).all()


def test_leading_axes_are_any() -> None:
    layer = MultiHeadAttention(8, 2, key=ex.key(0))
    x = normal(0, 2, 3, 5, 8)
    y = layer(x).numpy()
    assert y.shape == x.shape
    np.testing.assert_allclose(layer(x[1, 2]).numpy(), y[1, 2], rtol=1e-5, atol=1e-6)


def test_attention_under_a_recipe_draws_for_each_layer() -> None:
    recipe = ex.recipes.get("mxfp4-sr")
    layer = MultiHeadAttention(64, 2, recipe=recipe, key=ex.key(0))
    x = normal(0, 2, 5, 64)
    y = layer(x, key=ex.key(1))
    y.backward(ex.asarray(normal(1, 2, 5, 64)), key=ex.key(2))
    plain = MultiHeadAttention(64, 2, key=ex.key(0))
    error = np.square(y.numpy() - plain(x).numpy()).sum() / np.square(plain(x).numpy()).sum()
    assert 0 < error < 0.2
    with pytest.raises(ex.KeyMissingError):
        layer(x)


def test_what_attention_does_not_take() -> None:
    with pytest.raises(ex.FormatError, match="width 8 and 3 heads"):
        MultiHeadAttention(8, 3)
    with pytest.raises(ex.ShapeError, match=r"shape \(2, 7\); allowed: \(..., tokens, 8\)"):
        MultiHeadAttention(8, 2)(normal(0, 2, 7))
    assert MultiHeadAttention(8, 2, bias=False).qkv.bias is None
    assert repr(MultiHeadAttention(8, 2)) == "MultiHeadAttention(8, 2, causal=True)"


def test_embedding() -> None:
    layer = Embedding(10, 4, key=ex.key(0))
    index = np.array([[1, 9], [1, 0], [1, 1]])
    g = normal(0, 3, 2, 4)
    y, found = gradients(layer, ex.asarray(index), g)
    np.testing.assert_array_equal(y, layer.weight.numpy()[index])
    wanted = np.zeros((10, 4))
    np.add.at(wanted, index, g)
    np.testing.assert_allclose(found["weight"], wanted, rtol=1e-5, atol=1e-6)
    assert repr(layer) == "Embedding(10, 4)"


def test_initial_embeddings_are_normal() -> None:
    w = Embedding(400, 100, std=0.02, key=ex.key(0)).weight.numpy()
    assert w.std() == pytest.approx(0.02, rel=0.02) and abs(w.mean()) < 5e-4
    assert (np.abs(w) < 0.02).mean() == pytest.approx(0.6827, abs=0.01)
    odd = Embedding(3, 3, key=ex.key(0)).weight.numpy()
    assert odd.shape == (3, 3) and not (odd == Embedding(3, 3, key=ex.key(1)).weight.numpy()).any()


def test_masks_of_multi_head_attention() -> None:
    """Bool and additive, for three axes and for more; equal to PyTorch's layer."""
    torch = pytest.importorskip("torch")
    layer = ex.nn.MultiHeadAttention(8, 2, causal=False, key=ex.key(0))
    twin = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.from_numpy(layer.qkv.weight.numpy()))
        twin.out_proj.weight.copy_(torch.from_numpy(layer.out.weight.numpy()))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 5, 8)).astype(np.float32)
    seen = (rng.uniform(size=(3, 5)) < 0.6) | (np.arange(5) == 0)
    t = torch.from_numpy(x)
    wanted = twin(t, t, t, key_padding_mask=torch.from_numpy(~seen))[0].detach().numpy()
    found = layer(x, mask=seen[:, None, None, :])
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5)
    added = np.where(seen, 0, -np.inf).astype(np.float32)[:, None, None, :]
    np.testing.assert_array_equal(layer(x, mask=added).numpy(), found.numpy())
    deep = layer(x.reshape(1, 3, 5, 8), mask=seen[None, :, None, None, :])
    np.testing.assert_array_equal(deep.numpy()[0], found.numpy())
    alone = layer(x[0], mask=np.broadcast_to(seen[0], (5, 5)))
    np.testing.assert_allclose(alone.numpy(), found.numpy()[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(ex.ShapeError, match="mask of shape"):
        layer(x.reshape(1, 3, 5, 8), mask=np.ones((1, 1, 1, 1, 1, 5), bool))


def test_dropout_and_rotary_in_attention() -> None:
    x = np.random.default_rng(0).standard_normal((2, 6, 8)).astype(np.float32)
    plain = ex.nn.MultiHeadAttention(8, 2, key=ex.key(0))
    layer = ex.nn.MultiHeadAttention(8, 2, key=ex.key(0), dropout=0.5)
    one, same, other = (layer(x, key=ex.key(i)).numpy() for i in (0, 0, 1))
    assert (one == same).all() and (one != other).any()
    np.testing.assert_array_equal(layer.eval()(x).numpy(), plain(x).numpy())
    with pytest.raises(ex.KeyMissingError):
        layer.train()(x)
    with pytest.raises(ex.FormatError, match="p=1"):
        ex.nn.MultiHeadAttention(8, 2, dropout=1.0)
    turned = ex.nn.MultiHeadAttention(8, 2, key=ex.key(0), rotary=ex.nn.RotaryEmbedding(4))
    assert (turned(x).numpy()[:, 1:] != plain(x).numpy()[:, 1:]).any()
    np.testing.assert_allclose(turned(x).numpy()[:, 0], plain(x).numpy()[:, 0], atol=1e-6)
