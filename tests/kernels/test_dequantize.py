"""Dequantizing kernels: fast = general = reference, in every bit."""

from typing import Any

import numpy as np
import pytest

from extensor.errors import DTypeError, ShapeError
from extensor.formats import MXFP4, NVFP4, Block
from extensor.kernels.address import address_of
from extensor.kernels.dequantize import dequantize
from extensor.kernels.dequantize.dispatch import dequantize_general
from extensor.kernels.dequantize.fast import decode_rows, job, supports
from extensor.kernels.dequantize.reference import dequantize_reference
from extensor.kernels.packed import Packed, scale_shape
from tests.kernels.blocks import FAST, GENERAL, SIZES, equal
from tests.kernels.threads import same_on_any_threads


def _random(seed: int, fmt: Block, matrices: int, group: int, length: int) -> Packed:
    """Any codes, any scales."""
    rng = np.random.default_rng(seed)
    rows = matrices * group
    codes = rng.integers(0, 256, (rows, fmt.row_bytes(length)), np.uint8)
    if fmt.packed_bits == 8:
        codes &= np.uint8((1 << fmt.element.bits) - 1)
    shape, storage = scale_shape(rows, length, group, fmt), fmt.scale_storage
    scales: Any = rng.standard_normal(shape).astype(storage)
    if storage.kind == "u":
        scales = rng.integers(0, 1 << fmt.scale.bits, shape).astype(storage)
    factor = float(np.float32(0.3)) if fmt.tensor_scale else None
    return Packed(codes, scales, factor, fmt, length, group if fmt.shape[0] > 1 else rows)


@pytest.mark.parametrize("fmt", [*FAST, *GENERAL], ids=str)
def test_three_agree(fmt: Block) -> None:
    seed = 0
    assert supports(fmt) or fmt in GENERAL
    for group in SIZES:
        for length in SIZES:
            seed += 1
            p = _random(seed, fmt, 1 + seed % 2, group, length)
            found, general = dequantize(p), np.empty((p.rows, length), np.float32)
            dequantize_general(p, general)
            equal(found, general, (fmt, group, length, "general"))
            equal(found, dequantize_reference(p), (fmt, group, length, "reference"))
            wide = dequantize(p, np.float64)
            equal(wide, dequantize_reference(p, np.float64), (fmt, group, length, "float64"))


@pytest.mark.parametrize("fmt", [f for f in FAST if f.shape[0] == 1], ids=str)
def test_every_code_with_every_scale(fmt: Block) -> None:
    codes = np.arange(1 << fmt.element.bits, dtype=np.uint8)
    padded = -(-codes.size // fmt.length) * fmt.length
    codes = np.resize(codes, padded)
    scales = np.arange(256, dtype=np.uint8)
    every = np.broadcast_to(codes, (256, padded))
    from extensor.kernels.pack import pack

    blocks = padded // fmt.length
    stored = np.repeat(scales[:, None], blocks, axis=1)
    factor = float(np.float32(1 / 3)) if fmt.tensor_scale else None
    p = Packed(pack(every, fmt.packed_bits), stored, factor, fmt, padded, 256)
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = (fmt.element.values[codes] * fmt.scale.values[:, None]).astype(np.float32)
        wanted = wanted if factor is None else wanted * np.float32(factor)
    equal(dequantize(p), wanted, fmt)


def test_smallest_and_largest_scale() -> None:
    codes = np.full((3, 16), 0x71, np.uint8)
    p = Packed(codes, np.array([[0], [254], [255]], np.uint8), None, MXFP4, 2, 3)
    found = dequantize(p)
    assert found[0].tolist() == [2.0**-128, 6 * 2.0**-127]
    assert found[1].tolist() == [2.0**126, np.inf]
    assert np.isnan(found[2]).all()


def test_out_and_errors() -> None:
    p = _random(1, NVFP4, 1, 3, 40)
    out = np.empty((3, 40), np.float32)
    assert dequantize(p, out=out) is out
    equal(out, dequantize_reference(p), "out")
    with pytest.raises(ShapeError):
        dequantize(p, out=np.empty((3, 41), np.float32))
    with pytest.raises(ShapeError):
        dequantize(p, out=np.empty((40, 3), np.float32).T)
    with pytest.raises(DTypeError):
        dequantize(p, np.int32)


def test_arrays_of_any_strides() -> None:
    p = _random(2, MXFP4, 1, 5, 64)
    apart = p._replace(codes=np.repeat(p.codes, 2, 1)[:, ::2], scales=np.asfortranarray(p.scales))
    equal(dequantize(apart), dequantize(p), "strides")


def test_panel() -> None:
    """`decode_rows` from another kernel: some rows, some of K, a buffer of its own pitch."""
    p = _random(3, NVFP4, 1, 9, 100)
    numbers, alive = job(p)
    panel = np.zeros((4, 64), np.float32)
    at = int(panel.ctypes.data)
    decode_rows(numbers, 3, 6, 32, 75, at, 4 * 64)
    equal(panel[:3, :43], dequantize(p)[3:6, 32:75].copy(), "panel")
    assert not panel[3].any() and not panel[:, 43:].any() and len(alive) == 3
    assert callable(address_of)


def test_threads() -> None:
    same_on_any_threads(
        """
from extensor.formats import MXFP4, NVFP4
from extensor.kernels.choice import Choice
from extensor.kernels.quantize import quantize
from extensor.kernels.dequantize import dequantize
for fmt in (MXFP4, NVFP4):
    show(dequantize(quantize(normal(1, 1, 200, 333), fmt, Choice())))
"""
    )
