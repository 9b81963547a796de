"""Saved tensors in a narrower format: what the gradients are then, and how many bytes are kept."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.train.measure import saved_nbytes

FORMATS = [ex.mxfp8_e4m3, ex.nvfp4, ex.mxfp4, ex.nvfp4_2d, ex.bfloat16, ex.float8_e5m2, ex.float16]


def normal(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_a_product_takes_the_rounded_operand(fmt: Any) -> None:
    """dW = round(x)ᵀ g and dx = g Wᵀ exactly: the weight is a leaf and keeps its bits."""
    x, w, g = normal(0, 8, 64), normal(1, 64, 16), normal(2, 8, 16)
    tensors = [ex.asarray(t, requires_grad=True) for t in (x, w)]
    with ex.saved_tensors(fmt):
        y = ex.matmul(tensors[0] * 1.0, tensors[1])
    np.testing.assert_array_equal(y.numpy(), ex.matmul(ex.asarray(x), ex.asarray(w)).numpy())
    y.backward(g)
    rounded = ex.dequantize(ex.asarray(x).to(fmt)) if fmt is not ex.float16 else ex.asarray(
        x).to(fmt).to(ex.float32)  # fmt: skip
    dx, dw = (t.grad for t in tensors)
    assert dx is not None and dw is not None
    np.testing.assert_array_equal(dw.numpy(), ex.matmul(rounded.T, ex.asarray(g)).numpy())
    np.testing.assert_array_equal(dx.numpy(), ex.matmul(ex.asarray(g), ex.asarray(w).T).numpy())


@pytest.mark.parametrize(("fmt", "fewer"), [(ex.mxfp8_e4m3, 3.5), (ex.nvfp4, 6.0)], ids=str)
def test_bytes_of_lenet(fmt: Any, fewer: float) -> None:
    """All of it packed, or all but what the maxima compare."""
    model = ex.models.LeNet5(key=ex.key(0))
    x, labels = normal(0, 8, 1, 28, 28), np.arange(8)

    def run() -> tuple[int, dict[str, Any]]:
        loss = ex.cross_entropy(model(x), labels)
        kept = saved_nbytes(loss, model.parameters().values())
        loss.backward()
        grads = {n: p.grad.numpy() for n, p in model.parameters().items() if p.grad is not None}
        for p in model.parameters().values():
            p.grad = None
        return kept, grads

    plain, exact = run()
    with ex.saved_tensors(fmt, keep=()):
        packed, _ = run()
    assert packed * fewer < plain, f"{packed} of {plain} bytes"
    with ex.saved_tensors(fmt):
        some, rounded = run()
    assert packed < some < plain
    bound = 0.06 if fmt is ex.mxfp8_e4m3 else 0.4
    for name, g in exact.items():
        assert np.linalg.norm(rounded[name] - g) < bound * np.linalg.norm(g), name


def test_each_storage_is_packed_once() -> None:
    x = ex.asarray(normal(0, 4, 64), requires_grad=True)
    with ex.saved_tensors(ex.mxfp8_e4m3):
        h = ex.exp(x)  # keeps its answer, which sin and cos keep as their operand
        y = ex.sin(h) + ex.cos(h)
    assert saved_nbytes(y, [x]) == 4 * 64 * 33 // 32


@pytest.mark.parametrize("fmt", [ex.mxfp4, ex.nvfp4], ids=str)
def test_a_maximum_picks_one_place(fmt: Any) -> None:
    """The answer is computed again from the rounded operand, so the gradient goes somewhere."""
    x = ex.asarray(normal(0, 2, 3, 8, 8), requires_grad=True)
    with ex.saved_tensors(fmt, keep=()):
        y = ex.max_pool2d(x * 1.0, kernel=(2, 2), stride=(2, 2))
    y.backward(np.ones(y.shape, np.float32))
    assert x.grad is not None
    g = x.grad.numpy().reshape(2, 3, 4, 2, 4, 2)
    np.testing.assert_array_equal(g.sum((3, 5)), 1)
    assert set(np.unique(g)) == {0, 1}


def test_stochastic_copies_are_right_on_average() -> None:
    x = ex.asarray(normal(0, 32, 4), requires_grad=True)
    w = ex.asarray(normal(1, 4, 4), requires_grad=True)
    h = x.numpy()
    total = np.zeros((4, 4))
    for i in range(200):
        with ex.saved_tensors(ex.mxfp4, rounding="stochastic", key=ex.key(i), saturate=True):
            y = ex.matmul(x * 1.0, w)
        total += ex.grad(y.sum(), [w])[0].numpy() / 200
    np.testing.assert_allclose(total, np.tile(h.sum(0)[:, None], 4), atol=0.5)


def test_small_things_integers_and_odd_shapes() -> None:
    for shape in [(), (1,), (0, 3), (3, 0), (7, 5), (1, 31), (2, 33)]:
        x = ex.asarray(np.full(shape, 0.5, np.float32), requires_grad=True)
        with ex.saved_tensors(ex.mxfp8_e4m3):
            y = ex.exp(x * 1.0) * ex.sin(x)
        y.backward(np.ones(shape, np.float32))
        want = np.exp(0.5) * (np.sin(0.5) + np.cos(0.5))
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), np.full(shape, want), rtol=0.07)
    x = ex.asarray(normal(0, 4, 64).astype(np.float64), requires_grad=True)
    with ex.saved_tensors(ex.mxfp8_e4m3):
        y = ex.exp(x)
    y.sum().backward()
    assert x.grad is not None and x.grad.dtype == ex.float64


def test_in_place_changes_and_second_derivatives() -> None:
    x = ex.asarray(normal(0, 4, 64), requires_grad=True)
    with ex.saved_tensors(ex.mxfp8_e4m3):
        h = x * 1.0
        y = ex.sin(h)
    before = ex.grad(y.sum(), [x])[0].numpy()
    h.storage.array[...] = 0  # type: ignore[union-attr]
    h.bump()
    np.testing.assert_array_equal(ex.grad(y.sum(), [x])[0].numpy(), before)
    with pytest.raises(ex.GraphError, match="saved_tensors: sin saved rounded values"):
        ex.grad(y.sum(), [x], create_graph=True)


@pytest.mark.parametrize(
    ("run", "kind", "message"),
    [
        (lambda: ex.saved_tensors(ex.int8), ex.FormatError, "int8; allowed: float"),
        (lambda: ex.saved_tensors(ex.float16, axis=0), ex.FormatError, "no blocks"),
        (lambda: ex.saved_tensors(ex.Quantizer(ex.mxfp4), axis=0), ex.FormatError, "give one of"),
        (lambda: ex.saved_tensors(ex.mxfp4, rounding="stochastic"), ex.KeyMissingError, "key=None"),
    ],
)
def test_errors(run: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        run()
