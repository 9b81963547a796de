"""Codes and scales out of a tensor and in again: the same bytes for every format and axis."""

import numpy as np
import pytest

import extensor as ex
from extensor.formats import DTYPES, E2M1, E8M0, FP32, UE5M3, Block, Element

FORMATS = [fmt for fmt in DTYPES if isinstance(fmt, Block)] + [
    Block(E2M1, (1, 16), E8M0),
    Block(E2M1, (1, 33), FP32),
    Block(E2M1, (1, 8), UE5M3, tensor_scale=True),
    Block(E2M1, (4, 8), E8M0),
]
CODED = [fmt for fmt in DTYPES if isinstance(fmt, Element) and fmt.kind == "coded"]
SHAPES = [(70,), (3, 33), (33, 5), (2, 17, 40), (1, 1), (0, 32), (2, 3, 4, 5)]


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_blocked_round_trip(fmt: Block, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    axes = range(len(shape)) if fmt.shape[0] == 1 else range(max(0, len(shape) - 2), len(shape))
    for axis in axes:
        for named in (axis, axis - len(shape)):
            q = ex.quantize(x, fmt, axis=named)
            back = ex.from_codes(q.codes, q.scales, fmt, axis=named, tensor_scale=q.tensor_scale)
            assert (back.dtype, back.shape, back.axis) == (fmt, shape, axis)
            np.testing.assert_array_equal(back.packed, q.packed)
            np.testing.assert_array_equal(back.scales, q.scales)
            np.testing.assert_array_equal(back.numpy(), q.numpy())
            assert back.nbytes == q.nbytes and back.storage.rows.group == q.storage.rows.group  # type: ignore[union-attr]


@pytest.mark.parametrize("fmt", CODED, ids=str)
def test_coded_round_trip(fmt: Element) -> None:
    codes = np.arange(min(2**fmt.bits, 4096)).reshape(2, -1)
    x = ex.from_codes(codes, None, fmt)
    assert x.dtype == fmt
    np.testing.assert_array_equal(x.codes, codes)
    np.testing.assert_array_equal(np.asarray(x, np.float64), fmt.values[codes])


def test_every_code_with_every_scale() -> None:
    """(element · scale) · tensor scale, for all 16 x 256 pairs, on every axis."""
    codes = np.broadcast_to(np.arange(16), (256, 16))
    scales = np.arange(256)[:, None]
    for fmt, second in ((ex.mxfp4, None), (ex.nvfp4, 0.37)):
        scale, element = (np.float32(v) for v in (fmt.scale.values[scales], E2M1.values[codes]))
        with np.errstate(over="ignore"):
            wanted = element * scale * np.float32(1 if second is None else second)
        found = ex.from_codes(codes, scales, fmt, tensor_scale=second)
        np.testing.assert_array_equal(found.numpy(), wanted)
        turned = ex.from_codes(codes.T, scales.T, fmt, axis=0, tensor_scale=second)
        np.testing.assert_array_equal(turned.numpy(), wanted.T)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_pack_and_unpack(bits: int) -> None:
    codes = np.random.default_rng(0).integers(0, 2**bits, (3, 48)).astype(np.uint8)
    data = ex.pack(codes, bits)
    assert data.shape == (3, 48 * bits // 8)
    np.testing.assert_array_equal(ex.unpack(data, bits, 48), codes)
    np.testing.assert_array_equal(ex.unpack(data, bits, 31), codes[:, :31])


def test_the_low_nibble_is_the_even_element() -> None:
    assert ex.pack([0x1, 0x2, 0xF, 0x0], 4).tolist() == [0x21, 0x0F]
    assert ex.pack([1, 2, 3, 4], 6).tolist() == [0x81, 0x30, 0x10]
    q = ex.quantize([1.0, 2.0, 0.0, -6.0] + [0.0] * 28, ex.mxfp4)
    assert q.packed[0, :2].tolist() == [0x42, 0xF0]
