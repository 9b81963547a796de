"""Pooling over one, two and three axes against PyTorch, with every word it takes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor import ops
from tests.ops.peer import BOUNDS, agree

both = pytest.mark.parametrize("dtype", BOUNDS)
ranks = pytest.mark.parametrize("rank", [1, 2, 3])
SIZES = {1: (11,), 2: (8, 11), 3: (5, 6, 7)}
WORDS: list[dict[str, Any]] = [
    {"kernel": 2},
    {"kernel": 3, "stride": 2, "padding": 1},
    {"kernel": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel": 2, "stride": 3, "ceil_mode": True},
    {"kernel": 4, "stride": 1, "padding": 2},
]


def image(rank: int, n: int = 2) -> Any:
    return np.random.default_rng(0).standard_normal((n, 3, *SIZES[rank]))


def theirs(name: str, how: dict[str, Any]) -> Any:
    torch = pytest.importorskip("torch")
    words = {"kernel_size" if k == "kernel" else k: v for k, v in how.items()}
    return lambda x: getattr(torch.nn.functional, name)(x, **words)


@both
@ranks
@pytest.mark.parametrize("how", WORDS, ids=str)
def test_max_pool(rank: int, how: dict[str, Any], dtype: str) -> None:
    name = f"max_pool{rank}d"
    agree(lambda x: getattr(ex, name)(x, **how), theirs(name, how), [image(rank)], dtype)


@both
@ranks
@pytest.mark.parametrize("how", WORDS, ids=str)
@pytest.mark.parametrize("include", [True, False])
def test_avg_pool(rank: int, how: dict[str, Any], include: bool, dtype: str) -> None:
    name, how = f"avg_pool{rank}d", {**how, "count_include_pad": include}
    agree(lambda x: getattr(ex, name)(x, **how), theirs(name, how), [image(rank)], dtype)


@both
@ranks
@pytest.mark.parametrize("size", [1, 2, 4, "mixed"])
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive(kind: str, rank: int, size: Any, dtype: str) -> None:
    name = f"adaptive_{kind}_pool{rank}d"
    size = (3, None, 5)[:rank] if size == "mixed" else size
    agree(
        lambda x: getattr(ex, name)(x, size), theirs(name, {"output_size": size}),
        [image(rank)], dtype,
    )  # fmt: skip


@both
@ranks
def test_global(rank: int, dtype: str) -> None:
    axes = tuple(range(2, 2 + rank))
    agree(ex.global_avg_pool, lambda x: x.mean(axes), [image(rank)], dtype)
    agree(ex.global_max_pool, lambda x: x.amax(axes), [image(rank)], dtype)
    assert ex.global_avg_pool(image(rank), keepdims=True).shape == (2, 3, *(1,) * rank)


@ranks
def test_ties_and_nan_go_to_the_first(rank: int) -> None:
    """In every family: the first largest of a window takes the gradient, and NaN is the largest."""
    for how in ({"kernel": 2}, {"kernel": 2, "stride": 2, "ceil_mode": True, "padding": 1}):
        x = ex.asarray(np.zeros((1, 1, *(3,) * rank)), requires_grad=True)
        getattr(ex, f"max_pool{rank}d")(x, **how).sum().backward()
        assert x.grad is not None
        assert x.grad.numpy()[(0, 0, *(0,) * rank)] == 1
    bad = np.zeros((1, 1, *(4,) * rank))
    bad[(0, 0, *(1,) * rank)] = np.nan
    for how in ({"kernel": 2}, {"kernel": 2, "stride": 1, "padding": 1, "ceil_mode": True}):
        assert np.isnan(getattr(ex, f"max_pool{rank}d")(bad, **how).numpy()).any()
    assert np.isnan(getattr(ex, f"adaptive_max_pool{rank}d")(bad, 2).numpy()).sum() == 1


@ranks
def test_an_infinite_image_keeps_its_places(rank: int) -> None:
    """Where nothing is larger than -inf the padding never wins."""
    x = ex.asarray(np.full((1, 1, *(3,) * rank), -np.inf), requires_grad=True)
    y = getattr(ex, f"max_pool{rank}d")(x, kernel=2, stride=2, padding=1, ceil_mode=True)
    assert (y.numpy() == -np.inf).all()
    y.sum().backward()
    assert x.grad is not None and x.grad.numpy().sum() == y.size


@pytest.mark.parametrize("shape", [(2, 2), (3, 2)])
def test_a_pick_is_the_transpose_of_its_gradient(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, how = rng.standard_normal((2, 3, 7, 6)), {"kernel": shape, "stride": (2, 2)}
    y = ex.max_pool2d(x, **how).numpy()
    g, gg = rng.standard_normal(y.shape), rng.standard_normal(x.shape)
    back = ops.max_pool2d_grad(g, x, y, **how).numpy()
    picked = ops.max_pool2d_pick(gg, x, y, **how).numpy()
    assert (back * gg).sum() == pytest.approx((picked * g).sum(), rel=1e-12)


def test_no_images_and_narrow_formats() -> None:
    for rank in (1, 2, 3):
        for kind in ("max", "avg"):
            row = getattr(ex, f"{kind}_pool{rank}d")
            assert row(image(rank, 0), kernel=2, padding=1).shape[0] == 0
            assert getattr(ex, f"adaptive_{kind}_pool{rank}d")(image(rank, 0), 2).shape[0] == 0
    x = ex.asarray(image(2).astype(np.float32)).to(ex.bfloat16)
    assert ex.avg_pool2d(x, kernel=3, ceil_mode=True).dtype == ex.bfloat16
    assert ex.adaptive_avg_pool2d(x, 3).dtype == ex.bfloat16


def test_errors() -> None:
    x = image(2)
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: ex.max_pool2d(x[0], 2), "max_pool2d: shape .* allowed: 4 axes"),
        (lambda: ex.avg_pool3d(x, 2), "avg_pool3d: shape .* allowed: 5 axes"),
        (lambda: ex.max_pool2d(x, 2, padding=2), "the padding must be smaller"),
        (lambda: ex.avg_pool2d(x, 20), "is larger than the image"),
        (lambda: ex.max_pool1d(x[0], 2, 0), "stride=0; allowed"),
        (lambda: ex.adaptive_avg_pool2d(x, (1, 2, 3)), "output_size=.* or 2 of them"),
        (lambda: ex.adaptive_max_pool2d(x, 0), "output_size=0; allowed"),
        (lambda: ops.avg_pool2d_grad(x, x_shape=(2, 3, 4, 4), kernel=2), "g has shape"),
        (lambda: ops.adaptive_avg_pool1d_grad(x[0], x_shape=(8, 3, 4), output_size=2), "g has"),
    ]
    for wrong, said in cases:
        with pytest.raises(ex.ShapeError, match=said):
            wrong()
