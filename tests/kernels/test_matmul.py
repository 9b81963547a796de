"""Products of packed operands: exact = the reference bit for bit, fast within its tolerance."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extensor.errors import DTypeError, ShapeError
from extensor.formats import MXFP4, MXFP8_E5M2, MXINT8, NVFP4, NVFP4_2D, Block
from extensor.kernels.matmul import fast, matmul, matmul_native, reference
from extensor.kernels.matmul.exact import native_product
from extensor.kernels.packed import Packed
from tests.kernels.packs import FORMATS, OWN, WIDE, packed
from tests.kernels.sums import normal
from tests.kernels.threads import same_on_any_threads

LENGTHS = (1, 31, 32, 33, 63, 65)
ALL = [*FORMATS, OWN, WIDE]


def assert_bits(got: NDArray[Any], wanted: NDArray[Any]) -> None:
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype == np.float32
    np.testing.assert_array_equal(got.view(np.uint32), wanted.view(np.uint32))


def magnitude(a: Packed, b: Packed) -> NDArray[np.float64]:
    return np.asarray(np.abs(reference.dequantized(a)) @ np.abs(reference.dequantized(b)).T)


def assert_close(got: NDArray[Any], a: Packed, b: Packed) -> None:
    bound = fast.bound(a, b, magnitude(a, b))
    worst = np.abs(got - reference.meaning(a, b)) - bound
    assert (worst <= 0).all(), f"{worst.max()} above the bound"


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("fmt", ALL, ids=str)
def test_every_format(fmt: Block, length: int) -> None:
    a, b = packed(1, 6, length, fmt, group=3), packed(2, 9, length, fmt)
    assert_bits(matmul(a, b, exact=True), reference.exact_product(a, b))
    assert_close(matmul(a, b), a, b)


@pytest.mark.parametrize(
    ("first", "second"),
    [(MXFP4, OWN), (OWN, MXFP4), (MXFP4, NVFP4), (NVFP4, NVFP4_2D), (MXFP4, MXINT8),
     (MXFP8_E5M2, OWN), (WIDE, MXFP4), (NVFP4_2D, WIDE)],
    ids=str,
)  # fmt: skip
def test_unequal_blocks(first: Block, second: Block) -> None:
    for length in (1, 31, 33, 65):
        a, b = packed(3, 5, length, first), packed(4, 18, length, second, group=9)
        assert_bits(matmul(a, b, exact=True), reference.exact_product(a, b))
        assert_close(matmul(a, b), a, b)


@pytest.mark.parametrize("m", [1, 5, 6, 7, 13, 33])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 17])
def test_shapes(m: int, n: int) -> None:
    """Every remainder of rows and lanes, and both roles of the operands."""
    a, b = packed(m, m, 40, MXFP4), packed(n, n, 40, MXFP4)
    assert_bits(matmul(a, b, exact=True), reference.exact_product(a, b))


@pytest.mark.parametrize("fmt", [MXFP4, NVFP4, MXFP8_E5M2], ids=str)
def test_many_panels(fmt: Block) -> None:
    """K longer than a panel, and lanes in several groups."""
    a, b = packed(5, 2, 1100, fmt), packed(6, 3, 1100, fmt)
    assert_bits(matmul(a, b, exact=True), reference.exact_product(a, b))
    wide = packed(7, 200, 5000, fmt)
    thin = packed(8, 40, 5000, fmt)
    y = matmul(thin, wide, exact=True)
    assert_close(y, thin, wide)
    assert_bits(y, np.ascontiguousarray(matmul(wide, thin, exact=True).T))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("fmt", ALL, ids=str)
def test_native(fmt: Block, length: int) -> None:
    x, b = normal(length, 7, length), packed(9, 9, length, fmt, group=3)
    wanted = reference.exact_native(x, b)
    assert_bits(matmul_native(x, b, exact=True), wanted)
    assert_bits(matmul_native(np.asfortranarray(x), b, exact=True), wanted)
    size = np.abs(x).astype(np.float64) @ np.abs(reference.dequantized(b)).T
    exact = x.astype(np.float64) @ reference.dequantized(b).T
    assert (np.abs(matmul_native(x, b) - exact) <= fast.bound(7, b, size)).all()


def test_native_wide() -> None:
    x, b = normal(1, 20, 700), packed(2, 37, 700, MXFP4)
    assert_bits(matmul_native(x, b, exact=True), reference.exact_native(x, b))
    size = np.abs(x).astype(np.float64) @ np.abs(reference.dequantized(b)).T
    exact = x.astype(np.float64) @ reference.dequantized(b).T
    fused = native_product(x, b, fused=True)
    assert (np.abs(fused - exact) <= fast.bound(20, b, size)).all()


@pytest.mark.parametrize("fmt", [MXFP4, NVFP4_2D, MXFP8_E5M2, WIDE], ids=str)
def test_blas_panels(fmt: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of large products, at a size that a test can afford."""
    monkeypatch.setattr(fast, "BLAS_ROWS", 1)
    monkeypatch.setattr(fast, "BLAS_WORK", 1)
    monkeypatch.setattr(fast, "PANEL_FLOATS", 1)
    a, b = packed(1, 130, 97, fmt, group=65), packed(2, 70, 97, fmt)
    assert fast.for_blas(130, 70, 97)
    y = matmul(a, b)
    assert_close(y, a, b)
    x = normal(3, 70, 97)
    got = matmul_native(x, b)
    size = np.abs(x).astype(np.float64) @ np.abs(reference.dequantized(b)).T
    exact = x.astype(np.float64) @ reference.dequantized(b).T
    assert (np.abs(got - exact) <= fast.bound(70, b, size)).all()


def test_nan_scale_poisons_its_row() -> None:
    a, b = packed(1, 5, 64, MXFP4), packed(2, 4, 64, MXFP4)
    a.scales[3, 1] = 0xFF
    for exact in (True, False):
        y = matmul(a, b, exact=exact)
        assert np.isnan(y[3]).all()
        assert np.isfinite(y[[0, 1, 2, 4]]).all()
        z = matmul_native(np.ones((2, 64), np.float32), a, exact=exact)
        assert np.isnan(z[:, 3]).all()
        assert np.isfinite(z[:, [0, 1, 2, 4]]).all()


def test_smallest_scale() -> None:
    """Scale code 0 is 2^-127, a float32 subnormal, not zero."""
    a, b = packed(1, 6, 32, MXFP4), packed(2, 8, 32, MXFP4)
    a.scales[:] = 0
    b.scales[:] = 250
    assert_bits(matmul(a, b, exact=True), reference.exact_product(a, b))
    assert np.abs(matmul(a, b)).max() > 0


def test_no_rows_and_no_columns() -> None:
    a, b = packed(1, 0, 32, MXFP4), packed(2, 3, 32, MXFP4)
    assert matmul(a, b).shape == (0, 3)
    assert matmul(b, a).shape == (3, 0)
    empty = packed(3, 4, 0, MXFP4)
    assert_bits(matmul(empty, empty), np.zeros((4, 4), np.float32))
    assert matmul_native(np.ones((0, 32), np.float32), b).shape == (0, 3)


def test_read_only_arrays() -> None:
    a, b = packed(1, 3, 32, MXFP4), packed(2, 3, 32, MXFP4)
    wanted = matmul(a, b)
    for array in (a.codes, a.scales):
        array.flags.writeable = False
    assert_bits(matmul(a, b), wanted)


def test_errors() -> None:
    a, b = packed(1, 3, 32, MXFP4), packed(2, 3, 33, MXFP4)
    with pytest.raises(ShapeError, match="rows of 32 and of 33 elements"):
        matmul(a, b)
    with pytest.raises(ShapeError, match=r"shape \(2, 31\) and rows of 32"):
        matmul_native(np.ones((2, 31), np.float32), a)
    with pytest.raises(DTypeError, match="float64"):
        matmul_native(np.ones((2, 32)), a)  # type: ignore[arg-type]


def test_threads() -> None:
    same_on_any_threads(
        """
from extensor.formats import MXFP4, NVFP4
from extensor.kernels.matmul import matmul, matmul_native
from tests.kernels.packs import packed
for fmt in (MXFP4, NVFP4):
    a, b = packed(1, 300, 130, fmt), packed(2, 25, 130, fmt)
    show(matmul(a, b), matmul(b, a), matmul_native(normal(3, 64, 130), b))
    g, x = packed(3, 6, 3000, fmt), packed(4, 25, 3000, fmt)
    show(matmul(g, x), matmul(g, x, exact=True))
"""
    )
