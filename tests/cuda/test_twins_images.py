"""Patches, convolution and pooling on a GPU against the CPU: bits, or the bound of the sums."""

from typing import Any

import numpy as np
import pytest

from extensor.errors import DTypeError, ShapeError
from extensor.formats import (
    MXFP4,
    MXFP8_E4M3,
    NVFP4,
    Block,
)
from extensor.kernels import im2col, images, pool
from extensor.kernels import quantize_patches as patched
from extensor.kernels.choice import Choice
from extensor.kernels.conv import reference
from extensor.noise import key
from tests.cuda.gpu import gpu, hard, host, require_gpu, same
from tests.kernels.sums import assert_sums, normal, orders
from tests.kernels.test_im2col import CASES as WINDOWS
from tests.kernels.test_pool import CASES as POOLS

require_gpu()

from extensor.kernels import (  # noqa: E402
    conv_cuda,
    im2col_cuda,
    images_cuda,
    index_cuda,
    pool_cuda,
    quantize_patches_cuda,
)


def one_by_one(op: str, n: int, entries: int, limit: int = 0) -> Any:
    """Runs of one image, as if images were large."""
    return ((i, 1) for i in range(n))


@pytest.mark.parametrize("runs", ["whole", "one by one"])
@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), WINDOWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_im2col(
    shape: Any, kernel: Any, stride: Any, padding: Any, dtype: Any, runs: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if runs != "whole":
        monkeypatch.setattr(im2col_cuda, "spans", one_by_one)
    x = hard(shape, 5, dtype)
    for y in orders(x).values():
        cols = im2col.patches(y, kernel, stride, padding)
        same(im2col_cuda.patches(gpu(y), kernel, stride, padding), cols)
        same(
            im2col_cuda.patches_transposed(gpu(y), kernel, stride, padding),
            im2col.patches_transposed(y, kernel, stride, padding),
        )
    cols = hard(cols.shape, 6, dtype)
    same(
        im2col_cuda.fold(gpu(cols), shape, kernel, stride, padding),
        im2col.fold(cols, shape, kernel, stride, padding),
    )


def test_im2col_errors() -> None:
    with pytest.raises(DTypeError, match="allowed: float32, float64"):
        im2col_cuda.patches(gpu(np.zeros((1, 1, 2, 2), np.float16)), (1, 1))
    with pytest.raises(ShapeError, match="fold: cols"):
        im2col_cuda.fold(gpu(np.zeros((1, 1))), (1, 1, 2, 2), (1, 1))
    with pytest.raises(ShapeError, match="one image has"):
        list(index_cuda.spans("fold", 1, 2**31))


def test_quotients() -> None:
    rng = np.random.default_rng(0)
    divisors = [1, 2, 3, 5, 7, 25, 576, 641, 2**16 + 1, 2**30 - 1, 2**30 + 1, 2**31 - 1]
    divisors += rng.integers(1, 2**31, 200).tolist()
    n = np.concatenate([rng.integers(0, 2**31, 1000), [0, 1, 2**31 - 1]])
    for d in divisors:
        _, m, shift = index_cuda.divisor(d)
        assert m < 2**32
        near = np.concatenate([n, n // d * d, np.maximum(n // d * d - 1, 0)])
        assert [(2 * int(i) * m >> 32) >> shift for i in near] == (near // d).tolist()


def test_images() -> None:
    rows = normal(1, 2 * 3 * 5, 7)
    same(images_cuda.images_of(gpu(rows), 2, 3, 5), images.images_of(rows, 2, 3, 5))
    x = normal(2, 2, 7, 3, 5)
    for y in orders(x).values():
        same(images_cuda.rows_of(gpu(y)), images.rows_of(y))


@pytest.mark.parametrize("along", ["K", "T"])
@pytest.mark.parametrize("fmt", [MXFP4, NVFP4, MXFP8_E4M3], ids=str)
def test_quantize_patches(fmt: Block, along: Any) -> None:
    x = hard((3, 4, 9, 8), 7)
    for rounding in ("nearest_even", "stochastic"):
        choice = Choice(rounding=rounding)
        kwargs: Any = {"fmt": fmt, "choice": choice, "along": along, "offset": 11}
        kwargs["key"] = key(2) if choice.draws else None
        a = quantize_patches_cuda.quantize_patches(gpu(x), (3, 3), (2, 1), (1, 1), **kwargs)
        b = patched.quantize_patches(x, (3, 3), (2, 1), (1, 1), **kwargs)
        same(a.codes, b.codes)
        same(a.scales, b.scales)
        assert (a.fmt, a.length, a.group) == (b.fmt, b.length, b.group)


@pytest.mark.parametrize("entries", [1 << 28, 1])
@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), WINDOWS)
def test_conv(
    shape: Any, kernel: Any, stride: Any, padding: Any, entries: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(conv_cuda, "ENTRIES", entries)
    x, w = normal(1, *shape), normal(2, 5, shape[1], *kernel)
    bias = normal(3, 5)
    wide = [a.astype(np.float64) for a in (x, w)]
    y = conv_cuda.conv2d(gpu(x), gpu(w), stride, padding, gpu(bias))
    g = normal(4, *y.shape)
    wide.append(g.astype(np.float64))
    terms = w[0].size + 1

    def forward(x: Any, w: Any, g: Any) -> Any:
        return reference.conv2d(x, w, stride, padding)

    def back(x: Any, w: Any, g: Any) -> Any:
        return reference.conv2d_input_grad(g, w, shape, stride, padding)

    def weights(x: Any, w: Any, g: Any) -> Any:
        return reference.conv2d_weight_grad(g, x, w.shape, stride, padding)

    size = [abs(a) for a in wide]
    b = bias.astype(np.float64)[:, None, None]
    if not x.size:
        assert host(y).size == 0
        dw = host(conv_cuda.conv2d_weight_grad(gpu(g), gpu(x), w.shape, stride, padding))
        assert dw.shape == w.shape and not dw.any()
        return
    assert_sums(host(y), forward(*wide) + b, forward(*size) + abs(b), terms)
    dx = conv_cuda.conv2d_input_grad(gpu(g), gpu(w), shape, stride, padding)
    assert_sums(host(dx), back(*wide), back(*size), 5 * kernel[0] * kernel[1])
    dw = conv_cuda.conv2d_weight_grad(gpu(g), gpu(x), w.shape, stride, padding)
    assert_sums(host(dw), weights(*wide), weights(*size), g[:, 0].size + shape[0])
    exact = conv_cuda.conv2d(gpu(wide[0]), gpu(wide[1]), stride, padding)
    assert exact.dtype == np.float64
    np.testing.assert_allclose(host(exact), forward(*wide), atol=1e-11)
    half = conv_cuda.conv2d(gpu(x.astype(np.float16)), gpu(w.astype(np.float16)), stride, padding)
    assert half.dtype == np.float16


def test_conv_errors() -> None:
    x = gpu(np.zeros((1, 2, 4, 4), np.float32))
    with pytest.raises(ShapeError, match="axis 1 of both must agree"):
        conv_cuda.conv2d(x, x[:, :1])
    with pytest.raises(DTypeError, match="it takes floats"):
        conv_cuda.conv2d(x, x.astype(np.int32))
    with pytest.raises(ShapeError, match="g has shape"):
        conv_cuda.conv2d_input_grad(x, x, (1, 2, 9, 9))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize(("n", "c", "h", "w", "kernel", "stride", "padding"), POOLS)
def test_pool(
    n: int, c: int, h: int, w: int, kernel: Any, stride: Any, padding: Any, dtype: Any
) -> None:
    x = np.round(normal(1, n, c, h, w) * 2) / 2  # halves: many ties
    x[normal(2, *x.shape) > 2] = np.nan
    x = x.astype(dtype)
    where = (kernel, stride, padding)
    y = pool.max_pool2d(x, *where)
    g = normal(3, *y.shape).astype(dtype)
    z = normal(4, *x.shape).astype(dtype)
    pairs = [
        (pool_cuda.max_pool2d(gpu(x), *where), y),
        (
            pool_cuda.max_pool2d_grad(gpu(g), gpu(x), gpu(y), *where),
            pool.max_pool2d_grad(g, x, y, *where),
        ),
        (pool_cuda.avg_pool2d(gpu(z), *where), pool.avg_pool2d(z, *where)),
        (
            pool_cuda.avg_pool2d_grad(gpu(g), x.shape, *where),
            pool.avg_pool2d_grad(g, x.shape, *where),
        ),
    ]
    for got, wanted in pairs:
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(host(got), wanted)
