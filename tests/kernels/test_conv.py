"""Direct convolutions against float64 NumPy, over odd shapes, memory orders and threads."""

import numpy as np
import pytest

from extensor.errors import DTypeError, ShapeError
from extensor.kernels.conv import conv2d, conv2d_input_grad, conv2d_weight_grad, cpu, reference
from tests.kernels.sums import assert_sums, normal, orders
from tests.kernels.threads import same_on_any_threads

CASES = [
    # n, c, o, height, width, kernel, stride, padding
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0)),
    (15, 1, 6, 12, 11, (5, 5), (1, 1), (2, 2)),
    (16, 6, 16, 8, 7, (5, 5), (1, 1), (0, 0)),
    (17, 3, 7, 6, 5, (3, 3), (1, 1), (1, 1)),
    (33, 7, 3, 5, 6, (2, 3), (1, 1), (1, 0)),
    (33, 16, 16, 3, 3, (1, 1), (1, 1), (0, 0)),
    (5, 3, 13, 9, 10, (3, 2), (2, 3), (1, 1)),
    (18, 2, 4, 7, 7, (3, 3), (3, 2), (2, 0)),
    (4, 2, 5, 4, 4, (2, 2), (2, 2), (3, 3)),
    (2, 1, 2, 3, 3, (1, 1), (1, 1), (2, 1)),
    (0, 2, 3, 5, 5, (3, 3), (1, 1), (0, 0)),
]


@pytest.mark.parametrize(("n", "c", "o", "h", "w", "kernel", "stride", "padding"), CASES)
def test_against_float64(
    n: int,
    c: int,
    o: int,
    h: int,
    w: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    x, weight = normal(1, n, c, h, w), normal(2, o, c, *kernel)
    wide_x, wide_w = x.astype(np.float64), weight.astype(np.float64)
    exact = reference.conv2d(wide_x, wide_w, stride, padding)
    size = reference.conv2d(abs(wide_x), abs(wide_w), stride, padding)
    y = conv2d(x, weight, stride, padding)
    assert_sums(y, exact, size, c * kernel[0] * kernel[1])

    bias = normal(4, o)
    wide_b = bias.astype(np.float64)[:, None, None]
    with_bias = conv2d(x, weight, stride, padding, bias)
    assert_sums(with_bias, exact + wide_b, size + abs(wide_b), c * kernel[0] * kernel[1] + 1)

    g = normal(3, *y.shape)
    wide_g = g.astype(np.float64)
    shape = (n, c, h, w)
    exact = reference.conv2d_input_grad(wide_g, wide_w, shape, stride, padding)
    size = reference.conv2d_input_grad(abs(wide_g), abs(wide_w), shape, stride, padding)
    dx = conv2d_input_grad(g, weight, x.shape, stride, padding)
    assert_sums(dx, exact, size, o * kernel[0] * kernel[1])

    shape = (o, c, *kernel)
    exact = reference.conv2d_weight_grad(wide_g, wide_x, shape, stride, padding)
    size = reference.conv2d_weight_grad(abs(wide_g), abs(wide_x), shape, stride, padding)
    dw = conv2d_weight_grad(g, x, weight.shape, stride, padding)
    assert_sums(dw, exact, size, g[:, 0].size + 1)


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_reference_is_the_definition(stride: tuple[int, int]) -> None:
    x, w = normal(1, 2, 3, 5, 6).astype(np.float64), normal(2, 4, 3, 3, 2).astype(np.float64)
    padding = (1, 2)
    y = reference.conv2d(x, w, stride, padding)
    wanted, dx, dw = np.zeros_like(y), np.zeros_like(x), np.zeros_like(w)
    g = normal(3, *y.shape).astype(np.float64)
    for n, o, i, j in np.ndindex(*y.shape):
        for c, u, v in np.ndindex(*w.shape[1:]):
            p, q = i * stride[0] + u - padding[0], j * stride[1] + v - padding[1]
            if 0 <= p < x.shape[2] and 0 <= q < x.shape[3]:
                wanted[n, o, i, j] += x[n, c, p, q] * w[o, c, u, v]
                dx[n, c, p, q] += g[n, o, i, j] * w[o, c, u, v]
                dw[o, c, u, v] += g[n, o, i, j] * x[n, c, p, q]
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-12)
    got = reference.conv2d_input_grad(g, w, (2, 3, 5, 6), stride, padding)
    np.testing.assert_allclose(got, dx, rtol=0, atol=1e-12)
    got = reference.conv2d_weight_grad(g, x, (4, 3, 3, 2), stride, padding)
    np.testing.assert_allclose(got, dw, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [5, 16, 37])
def test_memory_order_changes_no_bit(n: int) -> None:
    x, w = normal(1, n, 3, 6, 7), normal(2, 7, 3, 3, 3)
    y = conv2d(x, w, padding=(1, 1))
    g = normal(3, *y.shape)
    dx = conv2d_input_grad(g, w, x.shape, padding=(1, 1))
    dw = conv2d_weight_grad(g, x, w.shape, padding=(1, 1))
    assert y.transpose(1, 2, 3, 0).flags.c_contiguous
    assert dx.transpose(1, 2, 3, 0).flags.c_contiguous
    for name, other in orders(x).items():
        np.testing.assert_array_equal(conv2d(other, w, padding=(1, 1)), y, name)
        got = conv2d_weight_grad(orders(g)[name], other, w.shape, padding=(1, 1))
        np.testing.assert_array_equal(got, dw, name)
        got = conv2d_input_grad(orders(g)[name], w, x.shape, padding=(1, 1))
        np.testing.assert_array_equal(got, dx, name)


def test_an_image_has_the_same_bits_in_any_batch() -> None:
    x, w = normal(1, 40, 2, 6, 6), normal(2, 5, 2, 3, 3)
    whole = conv2d(x, w)
    for start, stop in [(0, 1), (15, 17), (3, 36)]:
        np.testing.assert_array_equal(conv2d(x[start:stop], w), whole[start:stop])


def test_threads_change_no_bit() -> None:
    same_on_any_threads(
        "from extensor.kernels.conv import *\n"
        "x, w = normal(1, 83, 3, 9, 9), normal(2, 7, 3, 3, 3)\n"
        "y = conv2d(x, w)\n"
        "g = normal(3, *y.shape)\n"
        "show(y, conv2d_input_grad(g, w, x.shape), conv2d_weight_grad(g, x, w.shape))\n"
        "x = normal(4, 530, 1, 4, 4)\n"
        "show(conv2d_weight_grad(x, x, (1, 1, 1, 1)))\n"
    )


def test_missing_images_of_the_last_block_add_nothing() -> None:
    """NaN times the zero of a lane without an image would poison the sum."""
    x = np.full((17, 1, 2, 2), 2, np.float32)
    x[0] = np.nan
    g = np.ones_like(x)
    g[0] = 0
    assert np.isnan(conv2d_weight_grad(g, x, (1, 1, 1, 1))).all()
    x[0] = 2
    assert conv2d_weight_grad(g, x, (1, 1, 1, 1)).item() == 16 * 4 * 2


@pytest.mark.parametrize("channels", range(1, 20))
def test_groups_cover_each_channel_once(channels: int) -> None:
    cut = cpu.groups(channels)
    assert [o for first, size in cut for o in range(first, first + size)] == list(range(channels))


def test_half_is_summed_in_float32() -> None:
    x = np.full((1, 1, 64, 64), 1.0, np.float16)
    assert conv2d(x, x).item() == 4096.0
    assert conv2d(x, x).dtype == np.float16


def test_errors() -> None:
    x, w = np.ones((2, 3, 5, 5), np.float32), np.ones((4, 3, 3, 3), np.float32)
    with pytest.raises(ShapeError, match="3 channels"):
        conv2d(x, w[:, :2])
    with pytest.raises(ShapeError, match="4 axes"):
        conv2d(x[0], w)
    with pytest.raises(ShapeError, match="larger than the image"):
        conv2d(x[:, :, :2], w)
    with pytest.raises(ShapeError, match="stride"):
        conv2d(x, w, (0, 1))
    with pytest.raises(ShapeError, match="bias"):
        conv2d(x, w, bias=np.ones(3, np.float32))
    with pytest.raises(DTypeError, match="int64"):
        conv2d(x.astype(np.int64), w)
    with pytest.raises(ShapeError, match=r"g has shape \(2, 4, 4, 3\)"):
        conv2d_input_grad(np.ones((2, 4, 4, 3), np.float32), w, x.shape)
    with pytest.raises(ShapeError, match="must agree"):
        conv2d_weight_grad(np.ones((2, 4, 3, 3), np.float32), x, (4, 2, 3, 3))
