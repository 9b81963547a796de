"""Quantizing kernels: fast = general = reference, in every byte."""

from typing import Any

import numpy as np
import pytest
from numba import get_num_threads, njit, set_num_threads

from extensor.errors import FormatError, KeyMissingError, ShapeError
from extensor.formats import E2M1, E4M3, INT8, MXFP4, NVFP4, NVFP4_2D, Block, Float
from extensor.formats.rounding import ROUNDINGS
from extensor.kernels.address import address_of
from extensor.kernels.choice import Choice
from extensor.kernels.dequantize import dequantize
from extensor.kernels.quantize import quantize
from extensor.kernels.quantize.dispatch import quantize_general
from extensor.kernels.quantize.launch import quantize_fast, supports
from extensor.kernels.quantize.reference import quantize_reference
from extensor.kernels.quantize.vector import encode_exact, encode_stochastic, steps
from extensor.noise import Key, key
from tests.kernels.blocks import FAST, GENERAL, KINDS, NAMED, SIZES, edges, numbers, same
from tests.kernels.threads import same_on_any_threads

RULES = ("floor", "even", "ceil", ("cap", 7.25))


def _fast_choices(fmt: Block) -> list[Choice]:
    both = [Choice(), Choice(rounding="stochastic")]
    if fmt.scale.is_power_of_two:
        return both + [
            Choice(scale_rule=rule, rounding=rounding, prescale=0.75)
            for rule in RULES
            for rounding in ("nearest_even", "stochastic")
        ]
    both.append(Choice(scale_rounding="up", rounding="stochastic"))
    both.append(Choice(scale_rounding="stochastic", prescale=0.7))
    both.append(Choice(headroom=16 / 17, scale_max=fmt.scale.max / 2))
    if fmt.tensor_scale:
        both += [Choice(tensor_scale=None), Choice(tensor_scale=0.01)]
    return both


def _turned(x: Any) -> Any:
    """The same numbers with R contiguous in memory."""
    return np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1)


def _gaps(x: Any) -> Any:
    """The same numbers with neither R nor K contiguous in memory."""
    wide = np.zeros((x.shape[0], 2 * x.shape[1], 3 * x.shape[2]), x.dtype)[:, ::2, ::3]
    wide[...] = x
    return wide


@pytest.mark.parametrize("fmt", FAST, ids=str)
def test_fast_is_general(fmt: Block) -> None:
    """Every size of both axes, memory order, logical order, rule and kind of number."""
    seed = 0
    for choice in _fast_choices(fmt):
        assert supports(fmt, choice)
        for rows in SIZES:
            for length in SIZES:
                seed += 1
                shape = (1 + seed % 2, rows, length)
                kind = KINDS[seed % len(KINDS)]
                x = numbers(seed, shape, kind)
                orders = [None, (rows * length, 1, rows), (3, 5, 7)]
                strides = orders[seed // 4 % 3] if choice.draws else None
                wanted = quantize_general(x, fmt, choice, key(5), strides, 7)
                for y in (x, _turned(x), _gaps(x)):
                    found = quantize_fast(y, fmt, choice, key(5), strides, 7)
                    same(found, wanted, (fmt, choice, shape, kind, strides, y.strides))


@pytest.mark.parametrize("fmt", [*FAST, *GENERAL], ids=str)
def test_reference(fmt: Block) -> None:
    """Every rounding, with each of the other choices, against exact fractions."""
    more: list[dict[str, Any]] = [{}, {"nonfinite": "saturate", "sr_bits": 9}, {"prescale": 0.7}]
    if fmt.scale.is_power_of_two:
        more += [{"scale_rule": rule, "saturate": rule != "floor"} for rule in RULES]
    else:
        more += [{"scale_rounding": "up"}, {"scale_rounding": "stochastic", "saturate": False}]
        more += [{"tensor_scale": None}, {"tensor_scale": 0.37}] if fmt.tensor_scale else []
        more += [{"headroom": 16 / 17}, {"arithmetic": "divide", "scale_min": 2.0**-6}]
    seed = 0
    for extra in more:
        for rounding in ROUNDINGS:
            choice = Choice(rounding=rounding, **extra)
            seed += 1
            shape = ((1, 3, 33), (2, 5, 20), (1, 2, 65), (1, 1, 1))[seed % 4]
            x: Any = numbers(seed, shape, KINDS[seed % len(KINDS)])
            if seed % 5 == 0:
                x = x.astype(np.float64) * (1 + 2.0**-40)
            wanted = quantize_reference(x, fmt, choice, key(3), None, 2)
            same(quantize(x, fmt, choice, key(3), None, 2), wanted, (choice, shape, x.dtype))


@pytest.mark.parametrize("fmt", NAMED, ids=str)
def test_amax_at_every_binade(fmt: Block) -> None:
    """The cap times every power of two that float32 has, and its neighbours."""
    choices = [Choice()]
    if fmt.scale.is_power_of_two:
        choices += [Choice(scale_rule=rule) for rule in RULES]
    for choice in choices:
        x = edges(choice.cap(fmt.element)[0])[None]
        wanted = quantize_general(x, fmt, choice, None, None, 0)
        same(quantize(x, fmt, choice), wanted, choice)
        same(quantize(x.astype(np.float64), fmt, choice), wanted, choice)
    few = x[:, ::23]
    same(quantize(few, fmt, choice), quantize_reference(few, fmt, choice), choice)


def test_amax_of_float64_is_rounded_up() -> None:
    x = np.zeros((1, 1, 32))
    x[0, 0, 3] = 6.0 * (1 + 2.0**-50)
    assert quantize(x, MXFP4, Choice()).scales[0, 0] == 128
    assert quantize(np.full((1, 1, 32), 1e300), MXFP4, Choice()).scales[0, 0] == 253


@pytest.mark.parametrize("fmt", [MXFP4, NVFP4, NVFP4_2D], ids=str)
def test_offset_of_a_slice(fmt: Block) -> None:
    """Slices of rows and of columns draw what the whole draws, in both orientations."""
    x = numbers(1, (1, 80, 96), "normal")
    choice = Choice(rounding="stochastic", tensor_scale=1.0 if fmt.tensor_scale else "auto")
    whole = quantize(x, fmt, choice, key(1))
    lines = fmt.shape[0]
    part = quantize(x[:, 16:64], fmt, choice, key(1), None, 16 * 96)
    assert np.array_equal(part.codes, whole.codes[16:64])
    assert np.array_equal(part.scales, whole.scales[16 // lines : 64 // lines])
    part = quantize(x[:, :, 32:], fmt, choice, key(1), (0, 96, 1), 32)
    assert np.array_equal(part.codes, whole.codes[:, 16:])
    strides = (0, 1, 80)
    turned = quantize(_turned(x), fmt, choice, key(1), strides)
    part = quantize(_turned(x)[:, 16:48, 32:64], fmt, choice, key(1), strides, 16 + 32 * 80)
    assert np.array_equal(part.codes, turned.codes[16:48, 16:32])


def test_another_key_draws_other_bits() -> None:
    x = numbers(2, (1, 40, 64), "normal")
    choice = Choice(rounding="stochastic")
    first = quantize(x, MXFP4, choice, key(1)).codes
    assert (first != quantize(x, MXFP4, choice, key(2)).codes).any()
    assert (first != quantize(x, MXFP4, choice, Key(1, 1)).codes).any()
    assert (first != quantize(x, MXFP4, choice, key(1), None, 1).codes).any()


def test_threads() -> None:
    same_on_any_threads(
        """
from extensor.formats import MXFP4, NVFP4
from extensor.kernels.choice import Choice
from extensor.kernels.quantize import quantize
from extensor.noise import key
x = normal(1, 1, 300, 333)
for fmt in (MXFP4, NVFP4):
    for choice in (Choice(), Choice(rounding="stochastic"), Choice(rounding="up")):
        p = quantize(x, fmt, choice, key(1))
        q = quantize(x.transpose(0, 2, 1), fmt, choice, key(1), (0, 1, 333))
        show(p.codes, p.scales, q.codes, q.scales)
"""
    )


def test_serial_and_parallel() -> None:
    x = numbers(3, (1, 200, 400), "normal")
    choice = Choice(rounding="stochastic")
    wanted = quantize_general(x, MXFP4, choice, key(4), None, 0)
    before = get_num_threads()
    try:
        for threads in {1, before}:
            set_num_threads(threads)
            same(quantize(x, MXFP4, choice, key(4)), wanted, threads)
    finally:
        set_num_threads(before)


@njit()
def _encode(x: Any, words: Any, out: Any, exact: Any, c: Any) -> Any:
    a, w, one = address_of(x), address_of(words), np.int64(0x3F800000)
    encode_exact(a, one, one, w, address_of(exact), c[0], c[1], c[2], c[3], c[4], c[5])
    return encode_stochastic(a, one, one, w, address_of(out), c[0], c[1], c[2], c[3], c[4], c[5])


@pytest.mark.parametrize("element", [E2M1, E4M3, INT8], ids=str)
def test_close_calls_are_reported(element: Any) -> None:
    """Words that carry only with their last bits: decided by `encode_exact`, never silently."""
    rng = np.random.default_rng(0)
    constants = np.array(steps(element.facts, element.max), np.int64)
    step, reported, wrong = element.min_subnormal, 0, 0
    for power in range(36):
        x = (rng.uniform(1, 2, 32) * 2.0**-power * step).astype(np.float32)
        x = np.minimum(x, np.float32(element.max))
        fraction = x.astype(np.float64) / step % 1
        need = 2**32 - np.floor(fraction * 2**32).astype(np.int64)
        for by in (-1, 0, 1, -8, 7):
            words = np.clip(need + by, 0, 2**32 - 1).astype(np.uint32).view(np.int32)
            out, exact = np.zeros(32, np.uint8), np.zeros(32, np.uint8)
            close = _encode(x, words, out, exact, constants)
            up = np.floor(fraction * 2**32).astype(np.int64) + words.view(np.uint32) >= 2**32
            assert np.array_equal(exact, np.floor(x / step).astype(np.uint8) + up), (power, by)
            reported += bool(close)
            differs = not np.array_equal(out, exact)
            wrong += differs
            assert close or not differs, (power, by)
    assert wrong and reported < 36 * 5


def test_nonfinite() -> None:
    x = np.ones((1, 2, 64), np.float32)
    x[0, 1, 40], x[0, 1, 41] = np.nan, -np.inf
    q = quantize(x, MXFP4, Choice())
    assert q.scales.tolist() == [[125, 125], [125, 255]]
    assert not q.codes[1, 16:].any()
    assert np.isnan(dequantize(q)[1, 32:]).all() and (dequantize(q)[0] == 1).all()
    s = quantize(x, MXFP4, Choice(nonfinite="saturate"))
    assert dequantize(s)[1, 40:42].tolist() == [1.5, -1.5]
    with pytest.raises(FormatError, match=r"nan at \(matrix, row, column\) \(0, 1, 40\)"):
        quantize(x, MXFP4, Choice(nonfinite="raise"))


def test_one_inf_does_not_poison_the_tensor() -> None:
    x = np.ones((1, 2, 32), np.float32)
    x[0, 0, 0] = np.inf
    q = quantize(x, NVFP4, Choice())
    assert q.scales.tolist() == [[0x7F, 0x7E], [0x7E, 0x7E]]
    assert q.tensor_scale == float(np.float32(1) / np.float32(2688))


@pytest.mark.parametrize("fmt", [NVFP4, NVFP4_2D, MXFP4], ids=str)
@pytest.mark.parametrize("shape", [(1, 0, 32), (1, 3, 0), (0, 2, 2), (1, 3, 40)])
def test_zeros_and_nothing(fmt: Block, shape: tuple[int, int, int]) -> None:
    x = np.zeros(shape, np.float32)
    for array in (x, x.astype(np.float64)):
        q = quantize(array, fmt, Choice())
        assert not q.codes.any() and not q.scales.any()
        assert q.tensor_scale == (0.0 if fmt.tensor_scale else None)
        assert dequantize(q).shape == (shape[0] * shape[1], shape[2])


def test_a_given_tensor_scale_of_a_power_of_two_format() -> None:
    fmt = Block(E2M1, (1, 32), MXFP4.scale, True)
    x = numbers(5, (1, 4, 64), "normal")
    q = quantize(x, fmt, Choice(tensor_scale=0.25))
    plain = quantize(x * 4, MXFP4, Choice())
    assert q.tensor_scale == 0.25 and np.array_equal(q.codes, plain.codes)


def test_errors() -> None:
    x = np.ones((1, 1, 32), np.float32)
    with pytest.raises(KeyMissingError):
        quantize(x, MXFP4, Choice(rounding="stochastic"))
    with pytest.raises(KeyMissingError):
        quantize(x, NVFP4, Choice(scale_rounding="stochastic"))
    with pytest.raises(ShapeError):
        quantize(x[0], MXFP4, Choice())
    with pytest.raises(ShapeError):
        quantize(x.astype(np.int64), MXFP4, Choice())
    with pytest.raises(FormatError, match="power-of-two"):
        quantize(x, NVFP4, Choice(scale_rule="floor"))
    with pytest.raises(FormatError, match="mantissa"):
        quantize(x, MXFP4, Choice(scale_rounding="up"))
    with pytest.raises(FormatError, match="tensor_scale"):
        quantize(x, MXFP4, Choice(tensor_scale=2.0))
    plain = Block(E2M1, (1, 16), Float("e4m4", exponent=4, mantissa=4, bias=7, signed=False))
    with pytest.raises(FormatError, match="no NaN"):
        quantize(x * np.nan, plain, Choice())


@pytest.mark.parametrize(
    "wrong",
    [
        {"rounding": "nearest"},
        {"scale_rule": "flor"},
        {"scale_rule": ("cap", -1.0)},
        {"scale_rule": ("max", 1.0)},
        {"sr_bits": 33},
        {"prescale": 0.0},
        {"nonfinite": "ignore"},
        {"scale_rounding": "down"},
        {"tensor_scale": -1.0},
        {"tensor_scale": "off"},
    ],
)
def test_choices_that_do_not_exist(wrong: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match=next(iter(wrong))):
        Choice(**wrong)
