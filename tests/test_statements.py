"""Common wrong statements about these formats, each disproved.

What is said of hardware (Ampere has no FP8 tensor cores, H100 and MI300 no FP4 units) and of GGML
type ids can only be tested where that hardware, or the GGUF reader, is.
"""

import numpy as np
import pytest

import extensor as ex
from extensor.formats import NVFP4_2D, Block


def test_e2m1_is_not_0_to_3_5_in_steps_of_a_half() -> None:
    """It has eight magnitudes, unequally spaced, up to 6, and every code is finite."""
    magnitudes = ex.float4_e2m1fn.values[:8].tolist()
    assert magnitudes == [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    assert magnitudes != [i / 2 for i in range(8)]
    assert np.isfinite(ex.float4_e2m1fn.values).all()


def test_e8m0_has_no_zero_and_no_infinity() -> None:
    assert ex.float8_e8m0fnu.values[0x00] == 2.0**-127
    assert np.isnan(ex.float8_e8m0fnu.values[0xFF])
    assert not np.isinf(ex.float8_e8m0fnu.values).any()


def test_the_ocp_block_is_32_and_16_is_nvfp4() -> None:
    mx = [d for d in ex.DTYPES if isinstance(d, Block) and d.name.startswith("mx")]
    assert len(mx) == 6 and all(d.shape == (1, 32) and d.scale == ex.float8_e8m0fnu for d in mx)
    assert ex.nvfp4.shape == (1, 16)


def test_nvfp4_is_not_per_tensor() -> None:
    """An E4M3 scale for each 16 elements, and one float32 for the tensor."""
    x = np.concatenate([np.full(16, 6.0), np.full(16, 0.01)]).astype(np.float32)
    q = ex.quantize(x, ex.nvfp4)
    assert q.scales.shape == (2,) and q.scales[0] != q.scales[1]
    assert ex.nvfp4.scale == ex.float8_e4m3fn and isinstance(q.tensor_scale, float)
    assert ex.dequantize(q).numpy()[16:] == pytest.approx(0.01, rel=0.07)


def test_fp4_does_not_save_eight_times() -> None:
    """MXFP4 costs 4.25 bits an element, NVFP4 4.5: 7.53 and 7.11 times less than float32."""
    assert (ex.mxfp4.bits_per_value, ex.nvfp4.bits_per_value) == (4.25, 4.5)
    assert round(NVFP4_2D.bits_per_value, 2) == 4.03
    x = np.ones((1024, 1024), np.float32)
    for fmt, factor in ((ex.mxfp4, 7.53), (ex.nvfp4, 7.11)):
        assert round(x.nbytes / ex.quantize(x, fmt).nbytes, 2) == factor


def test_float16_accumulation_overflows() -> None:
    """A dot product of a few E4M3 values: ours is float32, float16 would be Inf."""
    x = np.full((1, 64), 448.0, np.float32)
    q = ex.quantize(x, ex.mxfp8_e4m3)
    with np.errstate(over="ignore"):
        assert np.isinf(np.cumsum((x * x).astype(np.float32), dtype=np.float16)[-1])
    assert ex.matmul(q, q.T).item() == 64 * 448.0**2


def test_mxfp4_is_fit_for_gradients_only_when_rounded_stochastically() -> None:
    """Nearest is biased; the mean of stochastic draws tends to x as 1 / sqrt(draws)."""
    x = np.full((1, 32), 0.6, np.float32)
    x[0, 0] = 6.0
    nearest = ex.dequantize(ex.quantize(x, ex.mxfp4)).numpy()[0, 1:]
    draws = np.repeat(x, 4096, axis=0)
    q = ex.quantize(draws, ex.mxfp4, rounding="stochastic", key=ex.key(0))
    mean = ex.dequantize(q).numpy()[:, 1:].mean(dtype=np.float64)
    sigma = 0.5 * np.sqrt(0.2 * 0.8 / (4096 * 31))
    assert (nearest == 0.5).all() and abs(mean - 0.6) < 5 * sigma


def test_four_bits_cannot_have_one_percent_of_error() -> None:
    """Gaussian data: a relative RMS error of about 11.6 % in MXFP4 and 9.5 % in NVFP4."""
    x = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32)
    for fmt, percent in ((ex.mxfp4, 11.6), (ex.nvfp4, 9.5)):
        error = ex.dequantize(ex.quantize(x, fmt)).numpy() - x
        assert abs(100 * np.sqrt(np.mean(error**2) / np.mean(x**2)) - percent) < 0.2, fmt
