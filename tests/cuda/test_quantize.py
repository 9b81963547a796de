"""The general quantizer, packing and dequantizing on a GPU: the bytes of the CPU."""

from typing import Any

import numpy as np
import pytest

from extensor.backend import to_device
from extensor.errors import FormatError
from extensor.formats import DTYPES, Block
from extensor.formats.rounding import ROUNDINGS
from extensor.kernels.choice import Choice
from extensor.kernels.front import dequantize, pack, quantize, unpack
from extensor.kernels.packed import Packed
from extensor.kernels.quantize.dispatch import quantize as on_cpu
from extensor.noise import key
from tests.cuda.gpu import hard, require_gpu, same

require_gpu()

BLOCKS = [d for d in DTYPES if isinstance(d, Block)]
SHAPES = [(1, 1, 1), (1, 3, 31), (2, 16, 32), (1, 17, 33), (2, 5, 65), (1, 40, 128)]


def agree(x: Any, fmt: Block, choice: Choice, **where: Any) -> None:
    """Codes, scales and tensor scale of the GPU are the CPU's; so are the decoded numbers."""
    cpu = on_cpu(x, fmt, choice, key(5) if choice.draws else None, **where)
    gpu = quantize(to_device(x, "cuda"), fmt, choice, key(5) if choice.draws else None, **where)
    check(gpu, cpu)


def check(gpu: Packed, cpu: Packed) -> None:
    same(gpu.codes, cpu.codes)
    same(gpu.scales, cpu.scales)
    assert (gpu.tensor_scale is None) == (cpu.tensor_scale is None)
    if cpu.tensor_scale is not None:
        scale: Any = gpu.tensor_scale
        same(scale, np.array([cpu.tensor_scale], np.float32))
    assert (gpu.length, gpu.group, gpu.fmt) == (cpu.length, cpu.group, cpu.fmt)
    for dtype in (np.float32, np.float64):
        same(dequantize(gpu, dtype), dequantize(cpu, dtype))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fmt", BLOCKS, ids=str)
def test_formats_and_tails(fmt: Block, shape: tuple[int, ...]) -> None:
    for dtype in (np.float32, np.float64):
        agree(hard(shape, 1, dtype), fmt, Choice())
        agree(hard(shape, 2, dtype), fmt, Choice(rounding="stochastic"))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("fmt", BLOCKS, ids=str)
def test_roundings(fmt: Block, rounding: str) -> None:
    for saturate in (True, False):
        agree(hard((1, 7, 96), 3), fmt, Choice(rounding=rounding, saturate=saturate))
    for bits in (8, 16, 24):
        agree(hard((1, 7, 96), 4), fmt, Choice(rounding="stochastic", sr_bits=bits))


@pytest.mark.parametrize("fmt", BLOCKS, ids=str)
def test_rules_and_scales(fmt: Block) -> None:
    x = hard((2, 32, 80), 6)
    if fmt.scale.is_power_of_two:
        for rule in ("rceil", "floor", "even", "ceil", ("cap", 7.25)):
            agree(x, fmt, Choice(scale_rule=rule))
            agree(x, fmt, Choice(scale_rule=rule, prescale=0.75, rounding="stochastic"))
    else:
        for rounding in ("nearest", "up", "stochastic"):
            agree(x, fmt, Choice(scale_rounding=rounding))
    if fmt.tensor_scale:
        agree(x, fmt, Choice(tensor_scale=None))
        agree(x, fmt, Choice(tensor_scale=0.37))


@pytest.mark.parametrize("fmt", BLOCKS, ids=str)
def test_strides_and_offset_choose_the_words(fmt: Block) -> None:
    x = np.ascontiguousarray(hard((1, 48, 33), 7).transpose(0, 2, 1))
    agree(x, fmt, Choice(rounding="stochastic"), strides=(0, 1, 33), offset=1000)


@pytest.mark.parametrize("fmt", BLOCKS, ids=str)
def test_not_finite(fmt: Block) -> None:
    x = hard((1, 8, 96), 8)
    x[0, 1, 3], x[0, 2, 40], x[0, 5, 95] = np.nan, np.inf, -np.inf
    if fmt.scale.has_nan:
        agree(x, fmt, Choice())
    agree(x, fmt, Choice(nonfinite="saturate"))
    with pytest.raises(FormatError, match="nonfinite='raise'"):
        quantize(to_device(x, "cuda"), fmt, Choice(nonfinite="raise"))
    agree(np.zeros((1, 2, 64), np.float32), fmt, Choice())


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_pack(bits: int) -> None:
    for n in (1, 3, 4, 33):
        codes = np.random.default_rng(n).integers(0, 2**bits, (5, n), np.uint8)
        packed = pack(to_device(codes, "cuda"), bits)
        same(packed, pack(codes, bits))
        same(unpack(packed, bits, n), codes)


def test_codes_that_are_too_wide() -> None:
    with pytest.raises(FormatError, match="does not fit"):
        pack(to_device(np.full((1, 4), 255, np.uint8), "cuda"), 4)
