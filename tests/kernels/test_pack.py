"""Packing: the fast kernels against the definition bit by bit."""

import numpy as np
import pytest

from extensor.errors import FormatError, ShapeError
from extensor.kernels.pack import pack, pack_reference, packed_bytes, unpack, unpack_reference


@pytest.mark.parametrize("bits", [4, 6, 8])
@pytest.mark.parametrize("shape", [(3,), (2, 1), (4, 31), (2, 3, 64), (5, 33), (7, 130), (0, 4)])
def test_there_and_back(bits: int, shape: tuple[int, ...]) -> None:
    codes = np.random.default_rng(0).integers(0, 1 << bits, shape, np.uint8)
    packed = pack(codes, bits)
    assert packed.shape == (*shape[:-1], packed_bytes(shape[-1], bits))
    assert np.array_equal(packed, pack_reference(codes, bits))
    assert np.array_equal(unpack(packed, bits, shape[-1]), codes)
    assert np.array_equal(unpack_reference(packed, bits, shape[-1]), codes)


@pytest.mark.parametrize("bits", [4, 6])
def test_every_pair_of_codes(bits: int) -> None:
    """One wrong shift or mask shows in some pair of neighbours."""
    one = np.arange(1 << bits, dtype=np.uint8)
    codes = np.stack(np.meshgrid(one, one), -1).reshape(1, -1)
    for shift in range(3):
        row = codes[:, shift:]
        assert np.array_equal(pack(row, bits), pack_reference(row, bits))
        assert np.array_equal(unpack(pack(row, bits), bits, row.shape[1]), row)


def test_bit_order() -> None:
    assert pack([0x1, 0x2, 0xF], 4).tolist() == [0x21, 0x0F]
    assert pack([1, 2, 3, 63], 6).tolist() == [0b10000001, 0b00110000, 0b11111100]


def test_errors() -> None:
    with pytest.raises(FormatError, match="16 does not fit 4 bits"):
        pack([16], 4)
    with pytest.raises(FormatError, match="allowed: 4, 6, 8"):
        pack([1], 5)
    with pytest.raises(ShapeError):
        unpack(np.zeros(2, np.uint8), 4, 5)
    with pytest.raises(ShapeError):
        pack(np.uint8(3), 4)
