"""Products of packed operands on a GPU: the CPU's bits with ``exact``, else within the bound.

Skipped where CuPy is missing or no GPU answers.
"""

from typing import Any

import numpy as np
import pytest

from extensor.backend import cupy
from extensor.errors import DTypeError, ShapeError
from extensor.formats import MXFP4, NVFP4, Block
from extensor.formats.block import (
    MXFP6_E3M2,
    MXFP8_E4M3,
    MXFP8_E5M2,
    MXINT8,
    NVFP4_2D,
)
from extensor.formats.element import BF16, E2M1, E2M3, E8M0, FP32, UE5M3
from extensor.kernels.matmul import reference
from extensor.kernels.matmul.cuda import matmul, matmul_native
from extensor.kernels.packed import Packed, scale_shape
from tests.cuda.gpu import require_gpu

require_gpu()
xp = cupy()

FORMATS = [
    MXFP4,
    NVFP4,
    NVFP4_2D,
    MXFP6_E3M2,
    MXFP8_E4M3,
    MXFP8_E5M2,
    MXINT8,
    Block(E2M1, (1, 20), BF16),
    Block(E2M3, (3, 7), FP32),
    Block(E2M1, (1, 16), UE5M3, tensor_scale=True),
]


def packed(seed: int, rows: int, k: int, fmt: Block, codes: tuple[int, int] = (110, 124)) -> Packed:
    """Random rows of a format; E8M0 scale codes from a range, zeros beyond the last element."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (rows, 8 * fmt.row_bytes(k)), dtype=np.uint8)
    bits[:, k * fmt.packed_bits :] = 0
    shape = scale_shape(rows, k, rows, fmt)
    if fmt.scale == E8M0:
        scales: Any = rng.integers(*codes, shape, dtype=np.uint8)
    elif fmt.scale_storage.kind == "f":
        scales = rng.standard_normal(shape).astype(fmt.scale_storage)
    elif fmt.scale == BF16:
        scales = (rng.standard_normal(shape).astype(np.float32).view(np.uint32) >> 16).astype("u2")
    else:
        scales = rng.integers(30, 70, shape).astype(fmt.scale_storage)
    tensor_scale = float(np.float32(rng.random() + 0.5)) if fmt.tensor_scale else None
    return Packed(np.packbits(bits, axis=1, bitorder="little"), scales, tensor_scale, fmt, k, rows)


def on_device(p: Packed) -> Packed:
    """The operand on the GPU, where a tensor scale is an array."""
    scale = None if p.tensor_scale is None else xp.asarray([p.tensor_scale], np.float32)
    return p._replace(codes=xp.asarray(p.codes), scales=xp.asarray(p.scales), tensor_scale=scale)


def same_bits(found: Any, expected: Any) -> bool:
    """Equal bits, or NaN in both."""
    found, expected = xp.asnumpy(found), np.asarray(expected, np.float32)
    nan = np.isnan(found) & np.isnan(expected)
    return bool(np.all((found.view(np.uint32) == expected.view(np.uint32)) | nan))


@pytest.mark.parametrize("i", range(len(FORMATS)))
def test_exact_has_the_bits_of_the_cpu(i: int) -> None:
    for seed, fb in enumerate((FORMATS[i], FORMATS[(i + 1) % len(FORMATS)], MXFP4)):
        m, n, k = np.random.default_rng(10 * i + seed).integers(1, 70, 3).tolist()
        a, b = packed(seed, m, k, FORMATS[i], (90, 160)), packed(7 + seed, n, k, fb)
        y = matmul(on_device(a), on_device(b), exact=True)
        assert same_bits(y, reference.exact_product(a, b)), (FORMATS[i], fb, m, n, k)
    x = np.random.default_rng(i).standard_normal((m, k)).astype(np.float32)
    y = matmul_native(xp.asarray(x), on_device(b), exact=True)
    assert same_bits(y, reference.exact_native(x, b))


@pytest.mark.parametrize("fmt", [MXFP4, NVFP4, MXFP8_E4M3, Block(E2M3, (3, 7), FP32)])
@pytest.mark.parametrize(
    "shape", [(1, 512, 512), (8, 1000, 2048), (21, 777, 1056), (64, 300, 3000), (200, 260, 1000)]
)
def test_default_is_within_the_bound(fmt: Block, shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    a, b = packed(1, m, k, MXFP4), packed(2, n, k, fmt)
    x = np.random.default_rng(3).standard_normal((m, k)).astype(np.float32)
    w = reference.dequantized(b)
    w[np.isnan(w)] = 0.0
    for left, y in (
        (reference.dequantized(a), matmul(on_device(a), on_device(b))),
        (reference.dequantized(a), matmul(on_device(b), on_device(a)).T),
        (x.astype(np.float64), matmul_native(xp.asarray(x), on_device(b))),
    ):
        y = xp.asnumpy(y)
        fine = ~np.isnan(reference.dequantized(b)).any(axis=1)
        bound = ((3 * k + 2) * 2.0**-23 + 2.0**-22) * (abs(left) @ abs(w).T) + k * 2.0**-100
        assert np.all((abs(y - left @ w.T) <= bound)[:, fine])
        assert np.all(np.isnan(y[:, ~fine]))


@pytest.mark.parametrize("m", [5, 21, 64, 512])
def test_an_identity_gives_the_weight(m: int) -> None:
    b = packed(4, 520, 512, MXFP4, (1, 250))
    y = matmul_native(xp.asarray(np.eye(512, dtype=np.float32)[:m]), on_device(b))
    assert np.array_equal(xp.asnumpy(y), reference.dequantized(b).T[:m].astype(np.float32))


@pytest.mark.parametrize("codes", [(116, 128), (100, 128), (60, 180)])
def test_fp8_falls_back_where_scales_span_too_many_codes(codes: tuple[int, int]) -> None:
    """Either operand may be the wide one; a captured product has the same bits."""
    a, b = packed(5, 272, 1024, MXFP4, codes), packed(6, 512, 1024, MXFP4, (116, 128))
    x, w = reference.dequantized(a), reference.dequantized(b)
    bound = ((1024 / 32 + 2) * 2.0**-13 + 2.0**-22) * (abs(x) @ abs(w).T)
    left, right = on_device(a), on_device(b)
    y = xp.asnumpy(matmul(left, right))
    assert np.all(abs(y - x @ w.T) <= bound)
    z = xp.asnumpy(matmul(right, left))
    assert np.all(abs(z - w @ x.T) <= bound.T)
    stream = xp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        again = matmul(left, right)
        graph = stream.end_capture()
        graph.launch()
        stream.synchronize()
    assert np.array_equal(xp.asnumpy(again), y)


@pytest.mark.parametrize("fmt", [MXFP4, NVFP4])
@pytest.mark.parametrize(
    "shape",
    [
        (70000, 6, 25),
        (3000, 6, 25),
        (6, 25, 40000),
        (257, 150, 16),
        (16, 150, 9999),
        (100, 200, 777),
    ],
)
def test_thin_products(shape: tuple[int, int, int], fmt: Block) -> None:
    """Within the bound, whichever side is long, in slices of K or not; results repeat."""
    m, n, k = shape
    a, b = packed(20, m, k, fmt), packed(21, n, k, fmt)
    x, w = reference.dequantized(a), reference.dequantized(b)
    y = xp.asnumpy(matmul(on_device(a), on_device(b)))
    bound = ((3 * k + 2) * 2.0**-23 + 2.0**-22) * (abs(x) @ abs(w).T)
    assert np.all(abs(y - x @ w.T) <= bound)
    assert np.array_equal(xp.asnumpy(matmul(on_device(a), on_device(b))), y)


@pytest.mark.parametrize("m", [3, 64, 256])
def test_a_nan_scale_gives_nan(m: int) -> None:
    b = packed(8, 256, 1024, MXFP4)
    b.scales[3, 5] = 255
    y = matmul_native(xp.ones((m, 1024), "float32"), on_device(b))
    z = matmul(on_device(packed(9, m, 1024, MXFP4)), on_device(b))
    for found in (xp.asnumpy(y), xp.asnumpy(z)):
        assert np.isnan(found[:, 3]).all() and np.isnan(found).sum() == m


def test_a_product_can_be_captured() -> None:
    b, x = on_device(packed(10, 1024, 2048, MXFP4)), xp.ones((16, 2048), "float32")
    stream = xp.cuda.Stream(non_blocking=True)
    with stream:
        expected = matmul_native(x, b).copy()
        stream.begin_capture()
        y = matmul_native(x, b)
        graph = stream.end_capture()
        y[...] = 0
        graph.launch()
        stream.synchronize()
    assert bool((y == expected).all())


def test_errors() -> None:
    b = on_device(packed(11, 8, 64, MXFP4))
    with pytest.raises(DTypeError, match="allowed: float32"):
        matmul_native(xp.ones((2, 64), "float64"), b)
    with pytest.raises(ShapeError, match="allowed: "):
        matmul_native(xp.ones((2, 32), "float32"), b)
    with pytest.raises(ShapeError, match="equal lengths"):
        matmul(on_device(packed(12, 8, 32, MXFP4)), b)
