"""The fast CUDA kernels give the bytes of the CPU kernels, for every kind of number."""

from typing import Any

import numpy as np
import pytest

from extensor.errors import DispatchError
from extensor.formats import E2M1, E8M0, MXFP4, MXFP8_E4M3, MXFP8_E5M2, NVFP4, Block
from extensor.kernels.choice import Choice
from extensor.kernels.dequantize.dispatch import dequantize
from extensor.kernels.hadamard import hadamard
from extensor.kernels.packed import Packed
from extensor.kernels.quantize.dispatch import quantize
from extensor.noise import key as make_key
from extensor.noise import words
from tests.cuda.gpu import require_gpu

require_gpu()

import cupy  # noqa: E402

from extensor.kernels.dequantize.cuda_fast import dequantize_fast_cuda  # noqa: E402
from extensor.kernels.quantize.cuda import quantize as quantize_cuda  # noqa: E402
from extensor.kernels.quantize.cuda_both import (  # noqa: E402
    quantize_both_cuda,
    quantize_columns_cuda,
)
from extensor.kernels.quantize.cuda_fast import (  # noqa: E402
    capability,
    e2m1_rows,
    quantize_fast_cuda,
)

MXFP4_16 = Block(E2M1, (1, 16), E8M0)
KEY = make_key(11).fold(3)
RULES = (None, "floor", "even", "ceil", ("cap", 7.25), ("cap", 12.3), ("cap", 2.0))


def numbers(rows: int, length: int, seed: int, low: int = -149, high: int = 127) -> Any:
    """Float32 of all kinds: wide and narrow blocks, ties, zeros of both signs, NaN and Inf."""
    rng = np.random.default_rng(seed)
    blocks = rows * length // 16
    x = rng.standard_normal((blocks, 16))
    kind = rng.integers(0, 10, (blocks, 1))
    ties = rng.integers(-32, 33, (blocks, 16)) / 4
    x = np.where(kind < 3, ties, x)
    x = np.where(kind == 3, x * 2.0 ** -rng.integers(0, 60, (blocks, 16)), x)
    x = np.where(kind == 4, x * 2.0 ** -rng.integers(0, 4, (blocks, 16)), x)
    x = x * 2.0 ** rng.integers(low, high, (blocks, 1))
    x = np.where((kind == 5) & (rng.random((blocks, 1)) < 0.3), np.copysign(0.0, x), x)
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    x = np.where(kind == 6, np.nextafter(x, np.float32(0)), x)
    for value in (np.nan, -np.nan, np.inf, -np.inf):
        x = np.where(rng.random(x.shape) < 5e-4, np.float32(value), x)
    return np.ascontiguousarray(x.reshape(rows, length).astype(np.float32))


def differences(got: Any, want: Any) -> int:
    """How many bytes differ; tensor scales count too."""
    wrong = 0
    for a, b in ((got.codes, want.codes), (got.scales, want.scales)):
        assert a.shape == b.shape and a.dtype == b.dtype
        wrong += int((cupy.asnumpy(a) != np.asarray(b)).sum())
    if want.tensor_scale is None:
        assert got.tensor_scale is None
        return wrong
    scale = cupy.asnumpy(got.tensor_scale)
    return wrong + int(scale.view(np.uint32)[0] != np.float32(want.tensor_scale).view(np.uint32))


def as_source(x: Any, source: str) -> tuple[Any, Any]:
    """x as the kernel takes it, and the float32 that it then means."""
    if source == "bfloat16":
        codes = (x.view(np.uint32) >> 16).astype(np.uint16)
        return codes, (codes.astype(np.uint32) << 16).view(np.float32)
    if source == "float16":
        with np.errstate(over="ignore"):
            half = x.astype(np.float16)
        return half, half.astype(np.float32)
    return x, x


def compare(
    x: Any, fmt: Block, choice: Choice, source: str = "float32", offset: int = 0, n: int = 0
) -> int:
    """Bytes that differ between CUDA and the CPU."""
    given, meant = as_source(x, source)
    signs = tuple(int(s) for s in np.random.default_rng(n).integers(0, 2, n) * 2 - 1)
    got = quantize_fast_cuda(cupy.asarray(given), fmt, choice, KEY, offset, n, signs)
    assert got is not None
    with np.errstate(all="ignore"):
        rows = hadamard(meant, n, signs) if n else meant
        want = quantize(rows[None], fmt, choice, KEY, None, offset)
    return differences(got, want)


@pytest.mark.parametrize("source", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("rounding", ["nearest_even", "stochastic"])
@pytest.mark.parametrize("fmt", [MXFP4, MXFP4_16], ids=["32", "16"])
def test_power_of_two_scales(fmt: Block, rounding: str, source: str) -> None:
    """Every rule, on numbers from the smallest to the largest."""
    low, high = (-24, 16) if source == "float16" else (-149, 127)
    x = numbers(37, 32 * 21, 1, low, high)
    for rule in RULES:
        assert compare(x, fmt, Choice(scale_rule=rule, rounding=rounding), source, 128) == 0


@pytest.mark.parametrize("source", ["float32", "bfloat16"])
@pytest.mark.parametrize("rounding", ["nearest_even", "stochastic"])
def test_prescale(rounding: str, source: str) -> None:
    """The scale is that of the numbers before they are multiplied."""
    x = numbers(13, 32 * 9, 8)
    for rule in (None, "floor", "even"):
        for prescale in (0.75, 0.7, 7 / 6, 3.0):
            choice = Choice(scale_rule=rule, rounding=rounding, prescale=prescale)
            assert compare(x, MXFP4, choice, source) == 0
    choice = Choice(rounding=rounding, prescale=0.7)
    assert compare(numbers(13, 32 * 9, 8, -12, 6), NVFP4, choice, source) == 0


@pytest.mark.parametrize("source", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("rounding", ["nearest_even", "stochastic"])
@pytest.mark.parametrize("up", ["nearest", "up"])
def test_e4m3_scales(up: str, rounding: str, source: str) -> None:
    """With a tensor scale of its own, a given one, and none."""
    for low, high in ((-12, 6), (-149, 127), (-149, -130), (90, 127)):
        if source == "float16":
            low, high = max(low, -24), min(high, 16)
        x = numbers(33, 16 * 35, 2, low, max(high, low + 1))
        for scale in ("auto", None, 0.0123):
            choice = Choice(rounding=rounding, scale_rounding=up, tensor_scale=scale)
            assert compare(x, NVFP4, choice, source, 64) == 0


def test_words_far_along() -> None:
    """Counters above 2**32, and one that would carry into its high word."""
    x, choice = numbers(4, 64, 9), Choice(rounding="stochastic")
    assert compare(x, MXFP4, choice, offset=2**40 + 64) == 0
    assert compare(x, MXFP4, choice, offset=2**34 - 256) == 0
    assert quantize_fast_cuda(cupy.asarray(x), MXFP4, choice, KEY, 2**34 - 128) is None


def test_words_that_just_carry() -> None:
    """Fractions within one unit in the last place of where their word carries."""
    drawn = words(KEY, 0, 1 << 20)
    border = ((2.0**32 - drawn.astype(np.float64)) / 2.0**33).astype(np.float32)
    near = np.random.default_rng(12).integers(-1, 2, border.size).astype(np.int32)
    x = (border.view(np.int32) + near).view(np.float32).reshape(-1, 256)
    for low, first in ((0.0, 6.0), (0.5, 4.0), (1.0, 6.0), (2.0, 5.0)):
        step = 0.5 if low < 2 else 1.0
        y = (low + 2 * step * x.astype(np.float64)).astype(np.float32)
        y[:, ::32] = first
        for sign in (1, -1):
            assert compare(y * np.float32(sign), MXFP4, Choice(rounding="stochastic")) == 0


def test_a_zero_tensor() -> None:
    """Tensor scale 0, zero scales, zeros with their signs."""
    x = np.copysign(np.zeros((4, 64), np.float32), numbers(4, 64, 3))
    assert compare(x, NVFP4, Choice()) == 0
    assert compare(x, MXFP4, Choice()) == 0


@pytest.mark.parametrize("n", [16, 32, 64, 128])
@pytest.mark.parametrize("source", ["float32", "bfloat16"])
def test_rotated(n: int, source: str) -> None:
    """The Hadamard transform in registers, then either format."""
    for low, high in ((-4, 4), (-149, 127)):
        x = numbers(19, 128 * 9, 4, low, high)
        for rounding in ("nearest_even", "stochastic"):
            assert compare(x, MXFP4, Choice(rounding=rounding), source, 4, n) == 0
            assert compare(x, NVFP4, Choice(rounding=rounding), source, 4, n) == 0


@pytest.mark.parametrize("shape", [(32, 32), (64, 128), (96, 160), (544, 1056)])
def test_both_orientations(shape: tuple[int, int]) -> None:
    """Rows and columns of one matrix, each as if alone."""
    x = numbers(*shape, 5, -20, 20)
    other = KEY.fold(9)
    for a, b in (
        (Choice(), Choice()),
        (Choice(scale_rule="floor"), Choice(rounding="stochastic")),
        (Choice(rounding="stochastic"), Choice(scale_rule="even")),
        (Choice(rounding="stochastic"), Choice(rounding="stochastic")),
    ):
        found = quantize_both_cuda(cupy.asarray(x), MXFP4, a, KEY, b, other)
        assert found is not None
        rows, columns = found
        assert differences(rows, quantize(x[None], MXFP4, a, KEY)) == 0
        want = quantize(x.T[None], MXFP4, b, other, (0, 1, shape[1]))
        assert differences(columns, want) == 0
        assert differences(quantize_columns_cuda(cupy.asarray(x), MXFP4, b, other), want) == 0
    given, meant = as_source(x, "bfloat16")
    found = quantize_both_cuda(cupy.asarray(given), MXFP4, a, KEY, b, other)
    assert found is not None
    assert differences(found[0], quantize(meant[None], MXFP4, a, KEY)) == 0
    assert differences(found[1], quantize(meant.T[None], MXFP4, b, other, (0, 1, shape[1]))) == 0


@pytest.mark.parametrize("source", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("fmt", [MXFP8_E4M3, MXFP8_E5M2], ids=str)
def test_eight_bits(fmt: Block, source: str) -> None:
    """MXFP8 to nearest, under every rule; ties of its own among the numbers."""
    low, high = (-24, 16) if source == "float16" else (-149, 127)
    x = numbers(37, 32 * 21, 10, low, high)
    x[:8] = np.random.default_rng(0).integers(-4096, 4097, x[:8].shape) / 512
    for rule in (None, "floor", "even", "ceil"):
        for prescale in (1.0, 0.7):
            assert compare(x, fmt, Choice(scale_rule=rule, prescale=prescale), source) == 0
    assert compare(x, fmt, Choice(), source, n=32) == 0


@pytest.mark.parametrize(
    "fmt",
    [MXFP4, MXFP4_16, NVFP4, Block(E2M1, (1, 16), NVFP4.scale), MXFP8_E4M3, MXFP8_E5M2],
    ids=str,
)
def test_decoding(fmt: Block) -> None:
    """Every scale code with every element code, to float32 and to bfloat16."""
    length, blocks = fmt.length, 256
    rng = np.random.default_rng(6)
    codes = rng.integers(0, 256, (7, fmt.row_bytes(blocks * length)), np.uint8)
    scales = np.stack([rng.permutation(256) for _ in range(7)]).astype(np.uint8)
    for scale in (1.0, 0.37, 3e-39, 1e30) if fmt.tensor_scale else (None,):
        held = None if scale is None else cupy.asarray([scale], np.float32)
        p = Packed(codes, scales, scale, fmt, blocks * length, 7)
        with np.errstate(over="ignore", invalid="ignore"):
            want = dequantize(p)
        p = Packed(cupy.asarray(codes), cupy.asarray(scales), held, fmt, blocks * length, 7)
        out = cupy.empty(want.shape, np.float32)
        assert dequantize_fast_cuda(p, out)
        assert same(cupy.asnumpy(out), want, fmt.element == E2M1)
        half = cupy.empty(want.shape, np.uint16)
        assert dequantize_fast_cuda(p, half)
        bits = want.view(np.uint32).astype(np.uint64)
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
        rounded = np.where(np.isnan(want), 0x7FC0, rounded)
        assert (cupy.asnumpy(half) == rounded).all()


def same(got: Any, want: Any, nans: bool) -> bool:
    """Equal bits; those of NaN count only where ``nans`` (a NaN element has bits of its own)."""
    equal = got.view(np.uint32) == want.view(np.uint32)
    return bool((equal if nans else equal | (np.isnan(got) & np.isnan(want))).all())


def test_what_they_leave_to_others() -> None:
    """None, and nothing written, for all that is not theirs."""
    x = cupy.asarray(numbers(4, 64, 7))
    for choice in (
        Choice(rounding="up"),
        Choice(rounding="stochastic", sr_bits=16),
        Choice(nonfinite="saturate"),
        Choice(scale_rule=("cap", 1.0)),
    ):
        assert quantize_fast_cuda(x, MXFP4, choice, KEY) is None
    assert quantize_fast_cuda(x[:, :40], MXFP4, Choice()) is None
    assert quantize_fast_cuda(x, MXFP4, Choice(rounding="stochastic"), KEY, 2) is None


@pytest.mark.parametrize("fmt", [MXFP4, NVFP4], ids=str)
def test_the_rounding_that_is_an_instruction(fmt: Block) -> None:
    """Where the GPU has it: the scales are ours and the codes neighbours. Elsewhere it raises."""
    x = np.random.default_rng(5).standard_normal((64, 128)).astype(np.float32)
    choice = Choice(rounding="stochastic_hardware")
    if e2m1_rows(capability(), choice.rounding) is None:
        with pytest.raises(DispatchError, match="stochastic_hardware"):
            quantize_cuda(cupy.asarray(x[None]), fmt, choice, KEY)
        return
    got = quantize_cuda(cupy.asarray(x[None]), fmt, choice, KEY)
    down, up = (quantize(x[None], fmt, Choice(rounding=way)) for way in ("down", "up"))
    assert np.array_equal(cupy.asnumpy(got.scales), down.scales)
    stored: Any = got.tensor_scale
    tensor_scale = None if stored is None else float(stored[0])
    on_host = Packed(cupy.asnumpy(got.codes), down.scales, tensor_scale, fmt, 128, 64)
    values = dequantize(on_host)
    assert np.all((dequantize(down) <= values) & (values <= dequantize(up)))
