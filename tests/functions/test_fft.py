"""Transforms against NumPy in float64, and against their own definition."""

from typing import Any

import numpy as np
import pytest

import extensor as ex

RNG = np.random.default_rng(3)
REAL = RNG.standard_normal((3, 4, 5))
COMPLEX = REAL + 1j * RNG.standard_normal(REAL.shape)
ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
MANY = ["fftn", "ifftn", "rfftn", "irfftn"]


def operand(name: str) -> Any:
    return REAL if name in ("rfft", "ihfft", "rfftn") else COMPLEX


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 3, 8])
@pytest.mark.parametrize("axis", [-1, 0])
def test_along_an_axis(name: str, norm: Any, n: int | None, axis: int) -> None:
    x = operand(name)
    y = getattr(ex.fft, name)(x, n=n, axis=axis, norm=norm).numpy()
    wanted = getattr(np.fft, name)(x, n=n, axis=axis, norm=norm)
    assert y.dtype == wanted.dtype
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize(("s", "axes"), [(None, None), (None, (0, 2)), ((2, 6), (1, 2))])
def test_over_axes(name: str, norm: Any, s: Any, axes: Any) -> None:
    x = operand(name)
    y = getattr(ex.fft, name)(x, s=s, axes=axes, norm=norm).numpy()
    wanted = getattr(np.fft, name)(x, s=s, axes=axes, norm=norm)
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)


def test_lengths_without_axes_are_those_of_the_last() -> None:
    assert ex.fft.fftn(COMPLEX, s=(2, 3)).shape == (3, 2, 3)


def test_the_definition() -> None:
    x, n = COMPLEX[0, 0], 5
    k = np.arange(n)
    wanted = np.exp(-2j * np.pi * np.outer(k, k) / n) @ x
    np.testing.assert_allclose(ex.fft.fft(x).numpy(), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16", "float8_e4m3fn", "mxfp4"])
def test_narrow_formats_compute_in_float32(fmt: str) -> None:
    x = ex.asarray(REAL[0, :, :4].astype(np.float32)).to(fmt)
    y = ex.fft.rfft(x)
    assert y.dtype == ex.complex64
    back = ex.fft.irfft(y, n=4)
    assert back.dtype == ex.float32
    wanted = np.asarray(x.numpy(), np.float32)
    np.testing.assert_allclose(back.numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_frequencies_and_shifts(n: int) -> None:
    wide = ex.fft.fftfreq(n, d=0.1, dtype=ex.float64)
    np.testing.assert_allclose(wide.numpy(), np.fft.fftfreq(n, 0.1), rtol=1e-15)
    assert ex.fft.rfftfreq(n).dtype == ex.float32
    np.testing.assert_allclose(ex.fft.rfftfreq(n, d=2.0).numpy(), np.fft.rfftfreq(n, 2.0))
    x = RNG.standard_normal((n, 3))
    np.testing.assert_array_equal(ex.fft.fftshift(x).numpy(), np.fft.fftshift(x))
    np.testing.assert_array_equal(ex.fft.ifftshift(ex.fft.fftshift(x)).numpy(), x)
    np.testing.assert_array_equal(ex.fft.ifftshift(x, axes=0).numpy(), np.fft.ifftshift(x, 0))
