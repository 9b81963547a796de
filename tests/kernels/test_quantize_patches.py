"""Fused im2col and quantization against ``quantize`` of the patch matrix, bit for bit."""

from typing import Any, Literal

import numpy as np
import pytest

from extensor.errors import FormatError, KeyMissingError, ShapeError
from extensor.formats import MXFP4, NVFP4, NVFP4_2D, Block
from extensor.kernels.choice import Choice
from extensor.kernels.im2col import patches
from extensor.kernels.packed import Packed
from extensor.kernels.quantize import quantize
from extensor.kernels.quantize_patches import quantize_patches
from extensor.noise import Key
from tests.kernels.packs import FORMATS, OWN, WIDE
from tests.kernels.sums import normal, orders
from tests.kernels.threads import same_on_any_threads

Pair = tuple[int, int]
Along = Literal["K", "T"]
KEY = Key(7, 3)
CASES = [
    # shape, kernel, stride, padding
    ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0)),
    ((3, 1, 28, 28), (5, 5), (1, 1), (2, 2)),
    ((4, 6, 14, 14), (5, 5), (1, 1), (0, 0)),
    ((3, 2, 7, 6), (2, 3), (2, 3), (1, 0)),
    ((2, 2, 2, 3), (1, 1), (1, 2), (3, 4)),
    ((2, 3, 12, 13), (1, 9), (1, 1), (0, 1)),
    ((40, 8, 3, 3), (3, 3), (1, 1), (1, 1)),
]
CHOICES = [
    Choice(),
    Choice(rounding="stochastic"),
    Choice(rounding="stochastic", prescale=0.75),
    Choice(rounding="up"),
]


def assert_same(got: Packed, wanted: Packed) -> None:
    assert (got.fmt, got.length, got.group) == (wanted.fmt, wanted.length, wanted.group)
    assert got.tensor_scale == wanted.tensor_scale
    assert got.scales.dtype == wanted.scales.dtype
    np.testing.assert_array_equal(got.scales, wanted.scales)
    np.testing.assert_array_equal(got.codes, wanted.codes)


def through_the_matrix(
    x: Any, geometry: tuple[Pair, Pair, Pair], fmt: Block, choice: Choice, along: Along
) -> Packed:
    matrix = patches(x, *geometry)
    if along == "K":
        return quantize(matrix[None], fmt, choice, KEY)
    return quantize(matrix.T[None], fmt, choice, KEY, (0, 1, matrix.shape[1]))


@pytest.mark.parametrize("along", ["K", "T"])
@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), CASES)
def test_equals_the_matrix(
    shape: tuple[int, int, int, int], kernel: Pair, stride: Pair, padding: Pair, along: Along
) -> None:
    x = normal(1, *shape)
    for fmt in (MXFP4, NVFP4):
        for choice in CHOICES:
            wanted = through_the_matrix(x, (kernel, stride, padding), fmt, choice, along)
            got = quantize_patches(
                x, kernel, stride, padding, fmt=fmt, choice=choice, key=KEY, along=along
            )
            assert_same(got, wanted)


@pytest.mark.parametrize("along", ["K", "T"])
@pytest.mark.parametrize("fmt", [*FORMATS, OWN, WIDE], ids=str)
def test_every_format(fmt: Block, along: Along) -> None:
    x = normal(2, 5, 3, 9, 8)
    for choice in CHOICES:
        wanted = through_the_matrix(x, ((3, 3), (1, 1), (1, 1)), fmt, choice, along)
        got = quantize_patches(
            x, (3, 3), padding=(1, 1), fmt=fmt, choice=choice, key=KEY, along=along
        )
        assert_same(got, wanted)


@pytest.mark.parametrize("along", ["K", "T"])
def test_scale_draws(along: Along) -> None:
    x, choice = normal(2, 5, 3, 9, 8), Choice(rounding="stochastic", scale_rounding="stochastic")
    for fmt in (NVFP4, NVFP4_2D):
        wanted = through_the_matrix(x, ((3, 3), (1, 1), (0, 0)), fmt, choice, along)
        assert_same(
            quantize_patches(x, (3, 3), fmt=fmt, choice=choice, key=KEY, along=along), wanted
        )


@pytest.mark.parametrize("along", ["K", "T"])
def test_every_memory_order(along: Along) -> None:
    x, choice = normal(3, 6, 2, 8, 8), Choice(rounding="stochastic")
    wanted = quantize_patches(x, (3, 3), fmt=MXFP4, choice=choice, key=KEY, along=along)
    for name, other in orders(x).items():
        got = quantize_patches(other, (3, 3), fmt=MXFP4, choice=choice, key=KEY, along=along)
        np.testing.assert_array_equal(got.codes, wanted.codes, name)
    got = quantize_patches(
        x.astype(np.float64), (3, 3), fmt=MXFP4, choice=choice, key=KEY, along=along
    )
    np.testing.assert_array_equal(got.scales, wanted.scales)


@pytest.mark.parametrize("along", ["K", "T"])
def test_offset_is_that_of_the_whole(along: Along) -> None:
    """The second half of a batch draws what the whole batch would."""
    x, choice = normal(4, 4, 2, 8, 8), Choice(rounding="stochastic")
    whole = quantize_patches(
        x, (3, 3), padding=(1, 1), fmt=MXFP4, choice=choice, key=KEY, along=along
    )
    half = quantize_patches(
        x[2:], (3, 3), padding=(1, 1), fmt=MXFP4, choice=choice, key=KEY, along=along,
        offset=2 * 64 * 18,
    )  # fmt: skip
    if along == "K":
        np.testing.assert_array_equal(half.codes, whole.codes[128:])
    else:
        np.testing.assert_array_equal(half.codes, whole.codes[:, 64:])


def test_nonfinite_and_zero() -> None:
    x = np.zeros((2, 1, 6, 6), np.float32)
    x[1, 0, 3, 3] = np.nan
    for fmt in (MXFP4, NVFP4):
        for along in ("K", "T"):
            got = quantize_patches(x, (3, 3), fmt=fmt, choice=Choice(), key=KEY, along=along)
            assert_same(got, through_the_matrix(x, ((3, 3), (1, 1), (0, 0)), fmt, Choice(), along))
    with pytest.raises(FormatError, match="nan"):
        quantize_patches(x, (3, 3), fmt=MXFP4, choice=Choice(nonfinite="raise"))


def test_given_tensor_scale() -> None:
    x, choice = normal(5, 2, 2, 6, 6), Choice(tensor_scale=0.01)
    got = quantize_patches(x, (3, 3), fmt=NVFP4, choice=choice)
    assert_same(got, through_the_matrix(x, ((3, 3), (1, 1), (0, 0)), NVFP4, choice, "K"))


def test_no_patches_and_errors() -> None:
    x = np.zeros((0, 2, 6, 6), np.float32)
    assert quantize_patches(x, (3, 3), fmt=MXFP4, choice=Choice()).rows == 0
    assert quantize_patches(x, (3, 3), fmt=MXFP4, choice=Choice(), along="T").rows == 18
    with pytest.raises(ShapeError, match="larger than the image"):
        quantize_patches(x, (7, 3), fmt=MXFP4, choice=Choice())
    with pytest.raises(ShapeError, match="along='N'"):
        quantize_patches(x, (3, 3), fmt=MXFP4, choice=Choice(), along="N")  # type: ignore[arg-type]
    with pytest.raises(KeyMissingError):
        quantize_patches(x, (3, 3), fmt=MXFP4, choice=Choice(rounding="stochastic"))
    with pytest.raises(FormatError, match="floor"):
        quantize_patches(x, (3, 3), fmt=NVFP4, choice=Choice(scale_rule="floor"))


def test_threads() -> None:
    same_on_any_threads(
        """
from extensor.formats import MXFP4, NVFP4
from extensor.kernels.choice import Choice
from extensor.kernels.quantize_patches import quantize_patches
from extensor.noise import Key
for fmt in (MXFP4, NVFP4):
    for along in ("K", "T"):
        p = quantize_patches(normal(1, 8, 3, 14, 14), (5, 5), fmt=fmt, key=Key(1, 2), along=along,
                             choice=Choice(rounding="stochastic"))
        show(p.codes, p.scales)
"""
    )
