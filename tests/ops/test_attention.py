"""Attention against PyTorch: masks, causal order, leading axes, formats, and what it refuses."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor import ops
from tests.ops.peer import BOUNDS, agree

both = pytest.mark.parametrize("dtype", BOUNDS)
attention = ex.scaled_dot_product_attention


def operands(*lead: int, queries: int = 5, keys: int = 5, masks: tuple[int, ...] = ()) -> list[Any]:
    rng = np.random.default_rng(0)
    shapes: list[tuple[int, ...]] = [(*lead, queries, 4), (*lead, keys, 4), (*lead, keys, 3)]
    shapes += [masks] if masks else []
    return [rng.standard_normal(s) for s in shapes]


@both
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (3, 6), (6, 3)])
@pytest.mark.parametrize("causal", [False, True])
def test_attention(
    lead: tuple[int, ...], queries: int, keys: int, causal: bool, dtype: str
) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.scaled_dot_product_attention
    agree(
        lambda q, k, v: attention(q, k, v, causal=causal),
        lambda q, k, v: theirs(q, k, v, is_causal=causal),
        operands(*lead, queries=queries, keys=keys), dtype,
    )  # fmt: skip


@both
@pytest.mark.parametrize("shape", [(5, 5), (2, 1, 5, 5), (1, 5)])
def test_an_additive_mask_has_a_gradient(shape: tuple[int, ...], dtype: str) -> None:
    torch = pytest.importorskip("torch")

    def theirs(q: Any, k: Any, v: Any, mask: Any) -> Any:
        return torch.softmax(q @ k.mT * 0.3 + mask, -1) @ v

    agree(
        lambda q, k, v, m: attention(q, k, v, m, scale=0.3), theirs,
        operands(2, 3, masks=shape), dtype,
    )  # fmt: skip


@both
def test_a_boolean_mask(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    mask = np.random.default_rng(1).uniform(size=(2, 1, 5, 5)) < 0.6
    mask |= np.eye(5, dtype=bool)
    agree(
        lambda q, k, v: attention(q, k, v, ex.asarray(mask)),
        lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=torch.from_numpy(mask)
        ),
        operands(2, 3), dtype,
    )  # fmt: skip


@both
def test_a_mask_joins_the_causal_order(dtype: str) -> None:
    q, k, v = (a.astype(dtype) for a in operands(2))
    mask = np.random.default_rng(1).uniform(size=(5, 5)) < 0.6
    one = attention(q, k, v, mask, causal=True)
    both_ways = attention(q, k, v, mask & np.tri(5, dtype=bool))
    np.testing.assert_allclose(one.numpy(), both_ways.numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("by", ["bool", "float"])
def test_a_query_that_sees_nothing_gets_zeros(by: str) -> None:
    q, k, v = (ex.asarray(a.astype(np.float32), requires_grad=True) for a in operands(2))
    mask = np.ones((5, 5), bool)
    mask[2] = False
    y = attention(q, k, v, mask if by == "bool" else np.where(mask, 0, -np.inf))
    assert not y.numpy()[:, 2].any() and y.numpy()[:, 1].all()
    y.sum().backward()
    assert all(t.grad is not None and np.isfinite(t.grad.numpy()).all() for t in (q, k, v))


@pytest.mark.parametrize("causal", [False, True])
def test_the_loops_are_their_rows(causal: bool) -> None:
    rng = np.random.default_rng(0)
    scores = (rng.standard_normal((3, 20, 30)) * 20).astype(np.float32)
    scores[0, 4, :7] = -np.inf
    with ex.trace() as calls:
        y = ops.attention_weights(scores, causal=causal, scale=0.5)
        g = rng.standard_normal(scores.shape).astype(np.float32)
        dx = ops.softmax_grad(g, y)
    assert [c.kernel for c in calls] == ["attention_weights loop", "softmax_grad loop"]
    wide = scores.astype(np.float64)
    wanted = ops.attention_weights.meaning(wide, causal=causal, scale=0.5)
    np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-5, atol=1e-30)
    wanted = ops.softmax_grad.meaning(g.astype(np.float64), y.numpy().astype(np.float64))
    np.testing.assert_allclose(dx.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_nan_stays_in_its_row() -> None:
    scores = np.zeros((2, 3, 3), np.float32)
    scores[0, 1, 0] = np.nan
    bad = np.isnan(ops.attention_weights(scores).numpy())
    assert bad[0, 1].all() and bad.sum() == 3


@pytest.mark.parametrize("fmt", ["bfloat16", "mxfp4"])
def test_narrow_formats_take_the_fallback(fmt: str) -> None:
    rng = np.random.default_rng(0)
    q, k, v = (
        ex.asarray(rng.standard_normal((6, 32)).astype(np.float32)).to(fmt) for _ in range(3)
    )
    y = attention(q, k, v)
    wanted = attention(*(np.asarray(t.numpy(), np.float32) for t in (q, k, v)))
    assert y.dtype.name == ("bfloat16" if fmt == "bfloat16" else "float32")
    error = np.abs(np.asarray(y.numpy(), np.float32) - wanted.numpy()).max()
    assert error < (0.03 if fmt == "bfloat16" else 1e-5)


def test_errors() -> None:
    q, k, v = (a.astype(np.float32) for a in operands(2))
    for wrong in [(q[..., :3], k, v), (q, k, v[:, :4]), (q[0, 0], k, v)]:
        with pytest.raises(ex.ShapeError, match=r"allowed: \(..., queries, width\)"):
            attention(*wrong)
    with pytest.raises(ex.DTypeError, match="mask of int64; allowed: bool"):
        attention(q, k, v, np.ones((5, 5), np.int64))
    for shape in [(4, 5), (3, 2, 5, 5)]:
        with pytest.raises(ex.ShapeError, match="mask of shape"):
            attention(q, k, v, np.ones(shape, bool))
    with pytest.raises(ex.ShapeError, match="2 masks; allowed"):
        ops.attention_weights(q, q, q)


def test_dropout_of_weights() -> None:
    """Zeros in the weights where the key says so, the others over 1 - p; none of it at p = 0."""
    q, k = (ex.asarray(np.random.default_rng(i).standard_normal((4, 6))) for i in (0, 1))
    v = ex.asarray(np.eye(4))  # the answer is the weights
    plain = attention(q, k, v).numpy()
    dropped = attention(q, k, v, dropout=0.5, key=ex.key(0)).numpy()
    gone = dropped == 0
    assert 0 < gone.sum() < 16
    np.testing.assert_allclose(dropped[~gone], 2 * plain[~gone], rtol=1e-12)
    with pytest.raises(ex.KeyMissingError, match="key=None"):
        attention(q, k, v, dropout=0.5)
    assert ex.gradgradcheck(
        lambda q, k: attention(q, k, v, dropout=0.3, key=ex.key(2)), [q.numpy(), k.numpy()]
    )
