"""Casts and the rotation on a GPU against their CPU kernels: the same bits."""

from typing import Any

import numpy as np
import pytest

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
    UE5M3,
    Element,
)
from extensor.formats.rounding import ROUNDINGS
from extensor.kernels import cast, hadamard
from extensor.noise import key
from tests.cuda.gpu import gpu, hard, host, require_gpu, same
from tests.kernels.blocks import OWN_5_BITS, OWN_FIXED, OWN_NO_MANTISSA, equal
from tests.kernels.test_hadamard import SHAPES

require_gpu()

from extensor.kernels import (  # noqa: E402
    cast_cuda,
    hadamard_cuda,
)

ELEMENTS = [BF16, E4M3, E5M2, E2M1, E2M3, E3M2, INT8, E8M0, UE5M3]
ELEMENTS += [OWN_5_BITS, OWN_NO_MANTISSA, OWN_FIXED]
SIZES = (1, 7, 8, 255, 2049)


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
