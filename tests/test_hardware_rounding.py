"""The conversions of Blackwell GPUs, without one.

The stochastic one is refused wherever it is missing. The nearest one must give our bits: here NumPy
does what `extensor.kernels.quantize.cuda_hardware` asks of the instruction.
"""

import ml_dtypes
import numpy as np
import pytest

import extensor as ex
from extensor.formats import MXFP4, MXFP8_E4M3, NVFP4, NVFP4_2D, Block
from extensor.formats.rounding import HARDWARE_ROUNDINGS, ROUNDINGS
from extensor.kernels.choice import Choice
from extensor.kernels.quantize.dispatch import quantize
from extensor.kernels.quantize_patches import quantize_patches

HOW = "stochastic_hardware"


def test_it_is_not_among_the_roundings_whose_bits_are_ours() -> None:
    assert (HOW,) == HARDWARE_ROUNDINGS
    assert HOW not in ROUNDINGS


@pytest.mark.parametrize("fmt", [MXFP4, NVFP4, NVFP4_2D], ids=str)
def test_the_cpu_refuses_it(fmt: Block) -> None:
    x = np.ones((1, 32, 32), np.float32)
    with pytest.raises(ex.DispatchError, match=r"10\.0 and 10\.3.*rounding='stochastic'"):
        quantize(x, fmt, Choice(rounding=HOW), ex.key(0))
    with pytest.raises(ex.DispatchError, match="stochastic_hardware"):
        ex.quantize(x[0], ex.Quantizer(fmt, rounding=HOW), key=ex.key(0))


def test_a_convolution_refuses_it() -> None:
    x = np.ones((1, 2, 8, 8), np.float32)
    with pytest.raises(ex.DispatchError, match="stochastic_hardware"):
        quantize_patches(x, (3, 3), fmt=MXFP4, choice=Choice(rounding=HOW), key=ex.key(0))


def test_it_draws_and_so_needs_a_key() -> None:
    assert Choice(rounding=HOW).draws
    assert ex.Quantizer(MXFP4, rounding=HOW).needs_key
    with pytest.raises(ex.KeyMissingError):
        ex.quantize(np.ones(32, np.float32), ex.Quantizer(MXFP4, rounding=HOW))


def test_what_the_instruction_has_no_room_for() -> None:
    with pytest.raises(ex.FormatError, match="float4_e2m1"):
        ex.Quantizer(MXFP8_E4M3, rounding=HOW)
    with pytest.raises(ex.FormatError, match="sr_bits=8"):
        ex.Quantizer(MXFP4, rounding=HOW, sr_bits=8)


def converted(x: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
    """The packed codes that ``cvt.rn.satfinite.e2m1x2`` of the products gives."""
    length = x.shape[1] // multipliers.shape[1]
    with np.errstate(over="ignore", under="ignore"):
        product = x * multipliers.repeat(length, 1)
    codes: np.ndarray = np.clip(product, -6, 6).astype(ml_dtypes.float4_e2m1fn).view(np.uint8)
    return np.asarray(codes[:, ::2] | codes[:, 1::2] << np.uint8(4))


def spread(rows: int, low: int, high: int) -> np.ndarray:
    """Numbers of all sizes, with ties, zeros of both signs and subnormals among them."""
    random = np.random.default_rng(rows)
    x = random.standard_normal((rows, 128)) * 2.0 ** random.integers(low, high, (rows, 1))
    x[:, :32] = np.rint(x[:, :32] / 2.0**low) * 2.0**low
    x[:, 32:96] = random.integers(-24, 25, (rows, 64)) * 0.25 * 2.0 ** random.integers(low, high)
    x[::3, ::5] = -0.0
    return x.astype(np.float32)


@pytest.mark.parametrize("rule", ["rceil", "floor", "even", "ceil", ("cap", 7.25)])
def test_the_nearest_conversion_of_mxfp4_is_ours(rule: str | tuple[str, float]) -> None:
    for low, high in ((-8, 8), (-149, -120), (100, 125)):
        x = spread(301, low, high)
        q = quantize(x[None], MXFP4, Choice(scale_rule=rule))
        with np.errstate(over="ignore"):
            multipliers = np.ldexp(np.float32(1), 127 - q.scales.astype(np.int32))
        np.testing.assert_array_equal(converted(x, multipliers), q.codes)


@pytest.mark.parametrize("up", ["nearest", "up"])
def test_the_nearest_conversion_of_nvfp4_is_ours(up: str) -> None:
    for low, high in ((-8, 8), (-20, -3)):
        x = spread(301, low, high)
        q = quantize(x[None], NVFP4, Choice(scale_rounding=up))
        assert q.tensor_scale is not None
        scale = q.scales.view(ml_dtypes.float8_e4m3fn).astype(np.float32)
        largest = np.float32(np.finfo(np.float32).max)
        with np.errstate(divide="ignore"):
            multipliers = np.minimum(np.float32(1) / (scale * np.float32(q.tensor_scale)), largest)
        np.testing.assert_array_equal(converted(x, multipliers), q.codes)
