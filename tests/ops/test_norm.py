"""Layer norm and RMS norm against PyTorch, formats, and what they refuse."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor import ops
from tests.ops.peer import BOUNDS, agree

both = pytest.mark.parametrize("dtype", BOUNDS)
SHAPES = [(7, 33), (2, 3, 16), (5,), (4, 1), (3, 300)]


def operands(*shapes: tuple[int, ...], mean: float = 0.0) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s) + mean * (i == 0) for i, s in enumerate(shapes)]


@both
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm(shape: tuple[int, ...], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    width = shape[-1:]
    agree(
        lambda x, w, b: ex.layer_norm(x, w, b, eps=1e-3),
        lambda x, w, b: torch.nn.functional.layer_norm(x, width, w, b, eps=1e-3),
        operands(shape, width, width), dtype,
    )  # fmt: skip


@both
@pytest.mark.parametrize("shape", SHAPES)
def test_rms_norm(shape: tuple[int, ...], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    agree(
        lambda x, w: ex.rms_norm(x, w, eps=1e-3),
        lambda x, w: torch.nn.functional.rms_norm(x, shape[-1:], w, eps=1e-3),
        operands(shape, shape[-1:]), dtype,
    )  # fmt: skip


def test_the_loops_are_their_rows() -> None:
    """float32 loops against the meaning in float64, any memory order, a large mean."""
    x, u, w, b = operands((40, 50), (40, 50), (50,), (50,), mean=100.0)
    for row, arrays in [
        (ops.standardize, (x,)), (ops.standardize_grad, (u, x)), (ops.layer_norm, (x, w, b)),
    ]:  # fmt: skip
        narrow = [a.astype(np.float32) for a in arrays]
        wanted = row.meaning(*(a.astype(np.float64) for a in narrow))
        with ex.trace() as calls:
            plain = row(*narrow).numpy()
            turned = row(*(np.asfortranarray(a) for a in narrow)).numpy()
        assert {c.kernel for c in calls} == {f"{row.name} loop"}
        np.testing.assert_allclose(plain, wanted, rtol=2e-4, atol=2e-5)
        np.testing.assert_array_equal(plain, turned)


def test_nan_stays_in_its_row() -> None:
    x = np.ones((3, 4), np.float32)
    x[1, 2] = np.nan
    bad = np.isnan(ops.standardize(x).numpy())
    assert bad[1].all() and not bad[[0, 2]].any()


@pytest.mark.parametrize("fmt", ["bfloat16", "float8_e4m3fn", "mxfp4", "nvfp4"])
def test_narrow_formats_take_the_fallback(fmt: str) -> None:
    x = ex.asarray(np.random.default_rng(0).standard_normal((4, 32)).astype(np.float32)).to(fmt)
    w, b = (ex.asarray(np.full(32, v, np.float32)) for v in (2, 1))
    with ex.trace() as calls:
        y = ex.layer_norm(x, w, b)
    assert calls[-1].fallback and y.dtype == ex.float32
    decoded = np.asarray(x.numpy(), np.float32)
    np.testing.assert_allclose(y.numpy(), ex.layer_norm(decoded, w, b).numpy(), rtol=1e-5)


def test_errors() -> None:
    x = np.ones((2, 3), np.float32)
    with pytest.raises(ex.ShapeError, match=r"layer_norm: shapes \(2, 3\) and \(2,\) and \(3,\);"):
        ex.layer_norm(x, x[:, 0], x[0])
    with pytest.raises(ex.ShapeError, match=r"rms_norm: .*\(width,\) for weight"):
        ex.rms_norm(x, x)
    with pytest.raises(ex.ShapeError, match="width >= 1"):
        ops.standardize(np.ones((2, 0), np.float32))
    with pytest.raises(ex.ShapeError, match="allowed: equal shapes"):
        ops.standardize_grad(x[0], x)
