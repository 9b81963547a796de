"""Convolutions of one, two and three axes against PyTorch, with every word they take."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor import ops
from tests.ops.peer import BOUNDS, agree

both = pytest.mark.parametrize("dtype", BOUNDS)
SIZES = {1: (9,), 2: (8, 7), 3: (5, 6, 4)}
WORDS: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1},
    {"padding": "same", "dilation": 2},
    {"padding": "valid", "groups": 2},
    {"groups": 4, "stride": 2, "dilation": 2, "padding": 2},
]


def operands(rank: int, how: dict[str, Any], out: int = 8) -> list[Any]:
    """Images of 4 channels and weights of 3, 2, 3 taps, small enough for sums to stay exact."""
    rng = np.random.default_rng(0)
    kernel = (3, 2, 3)[:rank]
    shapes = [(2, 4, *SIZES[rank]), (out, 4 // how.get("groups", 1), *kernel)]
    return [rng.standard_normal(s) * 0.5 for s in shapes]


def library(name: str) -> Any:
    return getattr(pytest.importorskip("torch").nn.functional, name)


@both
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("how", WORDS, ids=str)
def test_conv(rank: int, how: dict[str, Any], dtype: str) -> None:
    name = f"conv{rank}d"
    agree(
        lambda x, w: getattr(ex, name)(x, w, **how),
        lambda x, w: library(name)(x, w, **how),
        operands(rank, how), dtype,
    )  # fmt: skip


@both
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"groups": 2, "dilation": 2, "stride": 2},
        {"groups": 4, "stride": 3, "output_padding": 2},
    ],
    ids=str,
)
def test_conv_transpose(rank: int, how: dict[str, Any], dtype: str) -> None:
    name, rng = f"conv_transpose{rank}d", np.random.default_rng(0)
    arrays = [rng.standard_normal((2, 4, *(4, 3, 2)[:rank])) * 0.5]
    arrays.append(rng.standard_normal((4, 3, *(3, 2, 3)[:rank])) * 0.5)
    agree(
        lambda x, w: getattr(ex, name)(x, w, **how),
        lambda x, w: library(name)(x, w, **how),
        arrays, dtype,
    )  # fmt: skip


@both
def test_paddings_of_two_ends(dtype: str) -> None:
    """((low, high), ...) is what PyTorch does in two calls."""
    torch = pytest.importorskip("torch")
    agree(
        lambda x, w: ex.conv2d(x, w, padding=((2, 0), (0, 1))),
        lambda x, w: library("conv2d")(torch.nn.functional.pad(x, (0, 1, 2, 0)), w),
        operands(2, {}), dtype,
    )  # fmt: skip


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("how", WORDS[1:], ids=str)
def test_second_derivatives(rank: int, how: dict[str, Any]) -> None:
    x, w = operands(rank, how, out=4)
    x = x[:1, :, *(slice(0, 5),) * rank]
    row = getattr(ex, f"conv{rank}d")
    assert ex.gradgradcheck(lambda *xs: row(*xs, **how), [x, w])


def test_words_that_the_kernels_take_reach_them() -> None:
    """An integer, a pair, and a depth of one axis: the same bits as the kernel of two axes."""
    x, w = (a.astype(np.float32) for a in operands(2, {}))
    wanted = ex.conv2d(x, w, stride=(2, 2), padding=(1, 1)).numpy()
    np.testing.assert_array_equal(ex.conv2d(x, w, 2, 1).numpy(), wanted)
    np.testing.assert_array_equal(ex.conv2d(x, w, 2, ((1, 1), (1, 1))).numpy(), wanted)
    line = ex.conv1d(x[:, :, 0], w[:, :, 0]).numpy()
    np.testing.assert_array_equal(line, ex.conv2d(x[:, :, :1], w[:, :, :1]).numpy()[:, :, 0])


def test_empty_and_narrow() -> None:
    x, w = np.zeros((0, 4, 6)), np.ones((2, 2, 3))
    assert ex.conv1d(x, w, groups=2).shape == (0, 2, 4)
    half = ex.conv3d(
        ex.ExTensor[ex.float16].ones((1, 64, 4, 4, 4)),
        ex.ExTensor[ex.float16].ones((1, 64, 3, 3, 3)),
    )
    assert half.dtype == ex.float16 and half.tolist()[0][0][0][0][0] == 1728.0
    packed = ex.quantize(np.ones((4, 2, 32), np.float32), ex.mxfp4)
    assert ex.conv1d(packed, np.ones((4, 1, 3), np.float32), groups=2).dtype == ex.float32


@pytest.mark.parametrize("row", [ops.patches, ops.fold])
def test_patches_and_fold_are_transposes(row: Any) -> None:
    rng = np.random.default_rng(0)
    for sample in ops.patches.samples:
        x = rng.standard_normal(sample.shapes[0])
        cols = ops.patches(x, **sample.attributes)
        c = rng.standard_normal(cols.shape)
        back = ops.fold(c, x_shape=x.shape, **sample.attributes).numpy()
        assert (cols.numpy() * c).sum() == pytest.approx((back * x).sum(), rel=1e-12)


def test_errors() -> None:
    x, w = operands(2, {})
    for wrong in [(x, w[:, :3]), (x[0], w), (x, w[0])]:
        with pytest.raises(ex.ShapeError, match="conv2d"):
            ex.conv2d(*wrong)
    words: list[tuple[dict[str, Any], str]] = [
        ({"groups": 3}, "groups a divisor of C and O"),
        ({"padding": "full"}, "allowed: integers, 'valid'"),
        ({"padding": "same", "stride": 2}, "'same' with stride 1"),
        ({"stride": 0}, "stride=0; allowed: an integer from 1"),
        ({"dilation": (1, 2, 3)}, "or 2 of them"),
        ({"padding": -1}, "from 0 on"),
        ({"dilation": 9}, "is larger than the image"),
    ]
    for how, said in words:
        with pytest.raises(ex.ShapeError, match=said):
            ex.conv2d(x, w, **how)
    with pytest.raises(ex.DTypeError, match="an operand is int64"):
        ex.conv3d(np.ones((1, 1, 2, 2, 2), np.int64), np.ones((1, 1, 1, 1, 1), np.int64))
    with pytest.raises(ex.ShapeError, match="output_padding .* allowed: 0 .. stride - 1"):
        ex.conv_transpose2d(x, np.ones((4, 2, 2, 2)), output_padding=1)
    with pytest.raises(ex.ShapeError, match="conv_transpose1d: shapes"):
        ex.conv_transpose1d(x, w)
    with pytest.raises(ex.ShapeError, match="allowed: integers from 0"):
        ex.conv_transpose2d(x, np.ones((4, 2, 2, 2)), padding="same")
    with pytest.raises(ex.ShapeError, match="patches: images of shape"):
        ops.patches(x, kernel=(2,))
    with pytest.raises(ex.ShapeError, match="fold: a matrix of shape"):
        ops.fold(x[0, 0], x_shape=(1, 1, 4), kernel=(2,))
