"""Every CUDA twin against its CPU kernel: the same bits, and convolution within its error bound."""

from typing import Any

import numpy as np
import pytest

from extensor.backend import cupy, to_device
from extensor.errors import DTypeError, FormatError, ShapeError
from extensor.formats import (
    BF16,
    E2M1,
    E2M3,
    E3M2,
    E4M3,
    E5M2,
    E8M0,
    FP16,
    INT8,
    MXFP4,
    MXFP8_E4M3,
    NVFP4,
    UE5M3,
    Block,
    Element,
)
from extensor.formats.rounding import ROUNDINGS
from extensor.kernels import cast, elementwise, hadamard, im2col, images, pool, update
from extensor.kernels import quantize_patches as patched
from extensor.kernels.choice import Choice
from extensor.kernels.conv import reference
from extensor.noise import key
from tests.cuda.gpu import hard, require_gpu, same
from tests.kernels.blocks import OWN_5_BITS, OWN_FIXED, OWN_NO_MANTISSA, equal
from tests.kernels.sums import assert_sums, normal, orders
from tests.kernels.test_hadamard import SHAPES
from tests.kernels.test_im2col import CASES as WINDOWS
from tests.kernels.test_pool import CASES as POOLS

require_gpu()

from extensor.kernels import (  # noqa: E402
    cast_cuda,
    conv_cuda,
    elementwise_cuda,
    hadamard_cuda,
    im2col_cuda,
    images_cuda,
    index_cuda,
    pool_cuda,
    quantize_patches_cuda,
    update_cuda,
)

ELEMENTS = [BF16, E4M3, E5M2, E2M1, E2M3, E3M2, INT8, E8M0, UE5M3]
ELEMENTS += [OWN_5_BITS, OWN_NO_MANTISSA, OWN_FIXED]
SIZES = (1, 7, 8, 255, 2049)


def gpu(x: Any) -> Any:
    """A copy on the GPU."""
    return to_device(x, "cuda")


def host(x: Any) -> Any:
    """A copy on the host."""
    return to_device(x, "cpu")


def numbers(fmt: Element, n: int, dtype: Any = np.float32) -> Any:
    """Numbers that the format has codes for."""
    x = hard((n,), n, dtype)
    x[::5] *= 1000
    return np.abs(x) + x.dtype.type(1e-30) if fmt.facts.origin else x


@pytest.mark.parametrize("fmt", ELEMENTS, ids=str)
def test_encode(fmt: Element) -> None:
    for rounding in ROUNDINGS:
        draws = key(3).fold(1) if rounding == "stochastic" else None
        for dtype in (np.float32, np.float64):
            for saturate in (None, True, False):
                x = numbers(fmt, 2049, dtype)
                kwargs: Any = {"rounding": rounding, "key": draws, "offset": 2**33}
                kwargs["saturate"] = saturate
                same(
                    cast_cuda.encode_elements(gpu(x), fmt, **kwargs),
                    cast.encode_elements(x, fmt, **kwargs),
                )
    for bits in (8, 16, 24):
        x = numbers(fmt, 999)
        kwargs = {"rounding": "stochastic", "key": key(9), "offset": 77, "sr_bits": bits}
        same(
            cast_cuda.encode_elements(gpu(x), fmt, **kwargs),
            cast.encode_elements(x, fmt, **kwargs),
        )


@pytest.mark.parametrize("n", SIZES)
def test_encode_shapes_and_types(n: int) -> None:
    for fmt in (BF16, E4M3):
        for start in (0, 1, 3):
            x = hard((n + start,), n)
            cut = gpu(x)[start:]
            same(cast_cuda.encode_elements(cut, fmt), cast.encode_elements(x[start:], fmt))
    x = np.arange(-6, 6).reshape(3, 4)
    for y in (x, x.astype(np.float16), x.T):
        same(cast_cuda.encode_elements(gpu(y), E4M3), cast.encode_elements(y, E4M3))
    x = hard((n,), n)
    same(cast_cuda.encode_elements(gpu(x), FP16), x.astype(np.float16))


def test_encode_bfloat16_of_every_upper_half() -> None:
    upper = np.arange(2**16, dtype=np.uint32) << 16
    for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF):
        x = (upper | np.uint32(low)).view(np.float32)
        same(cast_cuda.encode_elements(gpu(x), BF16), cast.encode_elements(x, BF16))


def test_encode_nonfinite() -> None:
    x = hard((300,), 4)
    x[7], x[8], x[100] = np.nan, np.inf, -np.inf
    for fmt in (BF16, E4M3, E5M2, INT8, E2M1):
        for dtype in (np.float32, np.float64):
            y = x.astype(dtype)
            same(
                cast_cuda.encode_elements(gpu(y), fmt, nonfinite="saturate"),
                cast.encode_elements(y, fmt, nonfinite="saturate"),
            )
        if fmt.has_nan:
            same(cast_cuda.encode_elements(gpu(x), fmt), cast.encode_elements(x, fmt))
        with pytest.raises(FormatError, match="element 7 is nan; nonfinite='raise'"):
            cast_cuda.encode_elements(gpu(x), fmt, nonfinite="raise")
    with pytest.raises(FormatError, match="element 7 is nan, which the format cannot hold"):
        cast_cuda.encode_elements(gpu(x), E2M1)
    with pytest.raises(FormatError, match="element 2 is -1.0, which the format cannot hold"):
        cast_cuda.encode_elements(gpu(np.array([1, 2, -1, 0], np.float32)), E8M0)


@pytest.mark.parametrize("fmt", ELEMENTS, ids=str)
def test_decode(fmt: Element) -> None:
    codes = np.arange(2**fmt.bits).astype(fmt.storage)
    for dtype in (np.float32, np.float64):
        same(
            cast_cuda.decode_elements(gpu(codes), fmt, dtype),
            cast.decode_elements(codes, fmt, dtype),
        )
        same(
            cast_cuda.decode_elements(gpu(codes)[1:], fmt, dtype),
            cast.decode_elements(codes[1:], fmt, dtype),
        )
    wide = gpu(codes.astype(np.uint16))
    same(cast_cuda.decode_elements(wide, fmt), cast.decode_elements(codes, fmt))
    with pytest.raises(DTypeError, match="allowed: uint8 or uint16"):
        cast_cuda.decode_elements(gpu(codes.astype(np.int64)), fmt)


def test_decode_of_what_is_no_code() -> None:
    assert np.isnan(host(cast_cuda.decode_elements(gpu(np.full(3, 200, np.uint8)), E2M1))).all()


@pytest.mark.parametrize("n", hadamard.SIZES)
def test_hadamard(n: int) -> None:
    for shape in [*SHAPES, (1, 300, 4), (2, 7, 4096), (1, 3, 127), (1, 3, 8), (1, 5, 0)]:
        x = hard(shape, 1)
        for signs in (None, np.random.default_rng(1).choice([-1, 1], n)):
            equal(host(hadamard_cuda.hadamard(gpu(x), n, signs)), hadamard.hadamard(x, n, signs), n)
    x = hard((3, 40, 65), 2)
    equal(
        host(hadamard_cuda.hadamard(gpu(x).transpose(0, 2, 1), n)),
        hadamard.hadamard(x.transpose(0, 2, 1), n),
        "turned",
    )
    x = hard((4, 64), 3)
    equal(host(hadamard_cuda.hadamard(gpu(x)[1:, 1:], n)), hadamard.hadamard(x[1:, 1:], n), "cut")
    x[1, 3], x[2, 5] = np.nan, np.inf
    equal(host(hadamard_cuda.hadamard(gpu(x), n)), hadamard.hadamard(x, n), "not finite")
    with pytest.raises(ShapeError):
        hadamard_cuda.hadamard(gpu(x), n, [1, -1])
    with pytest.raises(FormatError):
        hadamard_cuda.hadamard(gpu(x), 8)


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_relu(dtype: Any) -> None:
    for n in SIZES:
        x, g = hard((n,), n, dtype), hard((n,), n + 1, dtype)
        x[::3], x[1::7] = np.nan, -np.inf
        y = host(elementwise_cuda.relu(gpu(x)))
        np.testing.assert_array_equal(y, elementwise.relu(x))
        if dtype == np.float32:
            equal(y, elementwise.relu(x), n)
        same(elementwise_cuda.relu_grad(gpu(g), gpu(x)), elementwise.relu_grad(g, x))
        cut = elementwise_cuda.relu_grad(gpu(g)[1:], gpu(x)[1:])
        same(cut, elementwise.relu_grad(g[1:], x[1:]))
    assert host(elementwise_cuda.relu(gpu(np.array(-2, dtype)))).item() == 0
    with pytest.raises(ShapeError):
        elementwise_cuda.relu_grad(gpu(g), gpu(g[:3]))


def on_both(name: str, count: int, n: int, *coefficients: float) -> None:
    """Run an update on both devices, with coefficients as numbers and as device arrays."""
    arrays = [hard((n,), i) for i in range(count)]
    if name == "adam":
        arrays[1] = abs(arrays[1])
    first, second = ([gpu(a) for a in arrays] for _ in range(2))
    getattr(update_cuda, name)(*first, *coefficients)
    here = [gpu(np.full(1, c, np.float32)) for c in coefficients]
    getattr(update_cuda, name)(*second, *here)
    rounded = [float(np.float32(c)) for c in coefficients]
    copies = [a.copy() for a in arrays]
    getattr(update, name)(*arrays, *coefficients)
    getattr(update, name)(*copies, *rounded)
    for a, b, c, d in zip(first, arrays, second, copies, strict=True):
        same(a, b)
        same(c, d)


@pytest.mark.parametrize("n", SIZES)
def test_update(n: int) -> None:
    on_both("add_scaled", 2, n, -0.1)
    on_both("scale", 1, n, 1 / 3)
    on_both("clamp", 1, n, 0.7)
    on_both("momentum", 2, n, 0.9)
    on_both("nesterov", 2, n, 0.9)
    on_both("adam", 3, n, 0.9, 0.999, 1.7, 2.3, 1e-8)
    x = np.array([np.nan, 3, -3], np.float32)
    y = gpu(x)
    update.clamp(x, 1.0)
    update_cuda.clamp(y, 1.0)
    equal(host(y), x, "NaN")
    with pytest.raises(DTypeError, match="allowed: a Python float"):
        update_cuda.scale(y, gpu(np.zeros(1)))


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 4095, 4096, 4097, 12345, 100_003])
def test_square_sum(n: int) -> None:
    x = hard((n,), n)
    same(update_cuda.square_sum(gpu(x)), np.array([update.square_sum(x)]))


def test_nothing_waits() -> None:
    """Twins can be captured in a CUDA graph, and a rate on the device changes between replays."""
    library = cupy()
    x, y = gpu(hard((4, 3, 8, 8), 1)), gpu(np.ones(768, np.float32))
    flat, rate = x.reshape(-1), gpu(np.full(1, 0.5, np.float32))

    def step() -> list[Any]:
        update_cuda.add_scaled(y, flat, rate)
        cols = im2col_cuda.patches(x, (3, 3), (1, 1), (1, 1))
        maxima = pool_cuda.max_pool2d(x, (2, 2))
        return [
            y,
            cast_cuda.encode_elements(x, BF16),
            cast_cuda.encode_elements(x, E4M3),
            hadamard_cuda.hadamard(x.reshape(1, 12, 64), 32),
            im2col_cuda.fold(cols, x.shape, (3, 3), (1, 1), (1, 1)),
            pool_cuda.max_pool2d_grad(maxima, x, maxima, (2, 2)),
            elementwise_cuda.relu(x),
            update_cuda.square_sum(flat),
        ]

    stream = library.cuda.Stream(non_blocking=True)
    library.cuda.runtime.deviceSynchronize()
    with stream:
        wanted = [host(a) for a in step()]
        stream.begin_capture()
        kept = step()
        graph = stream.end_capture()
        rate.fill(-0.5)
        graph.launch()
        stream.synchronize()
        for a, b in zip(kept[1:], wanted[1:], strict=True):
            same(a, b)
        after = host(y)
    cpu = np.ones(768, np.float32)
    update.add_scaled(cpu, host(flat), 0.5)
    update.add_scaled(cpu, host(flat), -0.5)
    np.testing.assert_array_equal(after, cpu)
