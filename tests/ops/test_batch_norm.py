"""Batch, group and instance norm against PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor import ops
from tests.ops.peer import BOUNDS, agree

both = pytest.mark.parametrize("dtype", BOUNDS)
shapes = pytest.mark.parametrize("shape", [(5, 4), (3, 4, 7), (2, 4, 3, 5), (2, 4, 3, 2, 2)])


def functional() -> Any:
    return pytest.importorskip("torch").nn.functional


def operands(shape: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) * 2 + 1, rng.uniform(0.5, 2, 4), rng.standard_normal(4)]


@both
@shapes
def test_batch_norm_in_training(shape: tuple[int, ...], dtype: str) -> None:
    """Answers, gradients, and where the running statistics have moved."""
    torch = pytest.importorskip("torch")
    start = [np.linspace(-1, 1, 4).astype(dtype), np.linspace(1, 2, 4).astype(dtype)]
    mine = [ex.asarray(s.copy()) for s in start]
    theirs = [torch.from_numpy(s.copy()) for s in start]
    agree(
        lambda x, w, b: ex.batch_norm(
            x, mine[0], mine[1], w, b, training=True, momentum=0.3, eps=1e-3),
        lambda x, w, b: functional().batch_norm(
            x, *theirs, w, b, training=True, momentum=0.3, eps=1e-3),
        operands(shape), dtype,
    )  # fmt: skip
    for m, t in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(m.numpy(), t.numpy(), rtol=BOUNDS[dtype], atol=BOUNDS[dtype])


@both
@shapes
def test_batch_norm_in_evaluation(shape: tuple[int, ...], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    m, v = np.linspace(-1, 1, 4).astype(dtype), np.linspace(1, 2, 4).astype(dtype)
    their = [torch.from_numpy(m), torch.from_numpy(v)]
    agree(
        lambda x, w, b: ex.batch_norm(x, m, v, w, b),
        lambda x, w, b: functional().batch_norm(x, *their, w, b),
        operands(shape), dtype,
    )  # fmt: skip
    agree(
        lambda x: ex.batch_norm(x, m, v), lambda x: functional().batch_norm(x, *their),
        operands(shape)[:1], dtype,
    )  # fmt: skip


@both
@pytest.mark.parametrize("groups", [1, 2, 4])
@shapes
def test_group_norm(shape: tuple[int, ...], groups: int, dtype: str) -> None:
    if len(shape) == 2 and groups == 4:
        pytest.skip("one number a group: its variance is 0 and PyTorch's gradient noise")
    agree(
        lambda x, w, b: ex.group_norm(x, groups, w, b),
        lambda x, w, b: functional().group_norm(x, groups, w, b),
        operands(shape), dtype,
    )  # fmt: skip


@both
@pytest.mark.parametrize("shape", [(3, 4, 7), (2, 4, 3, 5), (2, 4, 3, 2, 2)])
def test_instance_norm(shape: tuple[int, ...], dtype: str) -> None:
    agree(
        lambda x, w, b: ex.instance_norm(x, w, b),
        lambda x, w, b: functional().instance_norm(x, weight=w, bias=b),
        operands(shape), dtype,
    )  # fmt: skip


@pytest.mark.parametrize("axis", [(0, 2, 3), (1,), (-1, 0), (3, 1, 2)])
@pytest.mark.parametrize("memory", [(0, 1, 2, 3), (1, 2, 3, 0), (3, 0, 2, 1)])
def test_the_loop_by_axes_is_its_row(axis: tuple[int, ...], memory: tuple[int, ...]) -> None:
    """In every order of memory."""
    rng = np.random.default_rng(0)
    shape = (5, 4, 3, 6)
    x, u = (
        rng.standard_normal([shape[a] for a in memory]).transpose(np.argsort(memory))
        for _ in range(2)
    )
    x, u = x.astype(np.float32), np.ascontiguousarray(u, np.float32)
    for row, arrays in ((ops.standardize, (x,)), (ops.standardize_grad, (u, x))):
        with ex.trace() as calls:
            found = row(*arrays, axis=axis).numpy()
        assert [c.kernel for c in calls] == [f"{row.name} loop by axes"]
        wanted = row.meaning(*(a.astype(np.float64) for a in arrays), axis=axis)
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)


def test_second_derivatives() -> None:
    x, w, b = operands((3, 4, 2))
    assert ex.gradgradcheck(lambda *t: ex.batch_norm(t[0], None, None, *t[1:], training=True),
                            [x, w, b])  # fmt: skip
    assert ex.gradgradcheck(lambda *t: ex.group_norm(t[0], 2, *t[1:]), [x, w, b])


def test_errors() -> None:
    x, w, _ = operands((3, 4, 2))
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: ex.batch_norm(x, None, None, w[:3]), r"batch_norm: shapes .* \(C,\) for the rest"),
        (lambda: ex.batch_norm(x, w), "a running mean or variance alone"),
        (lambda: ex.batch_norm(x[:1, :, :1], training=True), "allowed in training: 2 or more"),
        (lambda: ex.instance_norm(x[:, :, :1]), "2 pixels or more"),
        (lambda: ops.standardize(x, axis=(0, 0)), "axes of the tensor, each once"),
        (lambda: ops.standardize(x, axis=3), "axes of the tensor"),
        (lambda: ops.standardize(x[:0], axis=(0, 1)), "width >= 1"),
    ]
    for wrong, said in cases:
        with pytest.raises(ex.ShapeError, match=said):
            wrong()
    with pytest.raises(ex.FormatError, match="3 groups of 4 channels"):
        ex.group_norm(x, 3)
