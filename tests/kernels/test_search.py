"""Scale rules that look at all numbers of a block, against their definitions in plain NumPy."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import extensor as ex
from extensor.errors import DispatchError, FormatError, KeyMissingError
from extensor.formats import E2M1, E4M3, FP32, UE5M3, Block
from extensor.kernels.choice import Choice
from extensor.kernels.quantize.search import FOUR_DRAWS
from extensor.storage import Blocked
from tests.kernels.blocks import numbers, same

GRID = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
WIDE = Block(E2M1, (1, 128), FP32)


def _nearest(v: NDArray[Any]) -> NDArray[Any]:
    """E2M1, ties to the even code, saturating; float64."""
    size = np.abs(v)[..., None]
    gap = np.abs(size - GRID)
    low = gap.argmin(-1)
    tied = np.take_along_axis(gap, np.minimum(low + 1, 7)[..., None], -1)[..., 0] == gap.min(-1)
    low += tied & (low % 2 == 1) & (low < 7)
    return np.asarray(np.copysign(GRID[low], v))


def _blocks(x: NDArray[Any], n: int) -> NDArray[Any]:
    """(rows, blocks, n), zeros behind the tail."""
    return np.pad(x, ((0, 0), (0, -x.shape[1] % n))).reshape(len(x), -1, n).astype(np.float64)


def _data(seed: int = 0, shape: tuple[int, int] = (40, 96)) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * 2.0 ** rng.uniform(-3, 3, (shape[0], 1))).astype("f4")


def _spread(scales: NDArray[Any], like: NDArray[Any], n: int) -> NDArray[Any]:
    return np.repeat(scales, n, axis=-1)[:, : like.shape[1]]


@pytest.mark.parametrize(("rule", "most"), [("quest", 2.0), (("quest", 1.5), 1.5)])
@pytest.mark.parametrize("length", [64, 40])
def test_quest(rule: Any, most: float, length: int) -> None:
    """The deviation of the block, of a tail its own; the scale is the power of two that fits."""
    x = _data(1, (40, length))
    q = ex.quantize(x, ex.mxfp4, scale_rule=rule)
    for j, start in enumerate(range(0, length, 32)):
        s = x[:, start : start + 32].astype(np.float64).std(axis=1) * (2.92247856 / 6) + 1e-8
        if most == 2.0:
            wanted = np.floor(np.log2(s))
        else:
            wanted = np.ceil(np.log2(s / most))
        assert np.array_equal(q.scales[:, j] - 127.0, wanted)
    scales = 2.0 ** (q.scales - 127.0)
    wide = _spread(scales, x, 32)
    assert np.array_equal(q.numpy(), _nearest(x / wide) * wide)


def test_quest_on_a_scale_with_a_mantissa() -> None:
    x = _data(2)
    q = ex.quantize(x, Block(E2M1, (1, 32), FP32), scale_rule="quest")
    s = _blocks(x, 32).std(axis=2) * (2.92247856 / 6) + 1e-8
    assert np.allclose(q.scales, s, rtol=1e-6)


@pytest.mark.parametrize("fmt", [ex.mxfp4, ex.mxfp8_e4m3, Block(E2M1, (4, 16), ex.mxfp4.scale)])
def test_mse_is_the_best_of_three(fmt: Block) -> None:
    """It loses no more than any rule by amax, and is one of the three scales."""
    x = _data(3)
    q = ex.quantize(x, fmt, scale_rule="mse")
    error = (q.numpy().astype(float) - x) ** 2
    height, length = fmt.shape
    cut = (np.arange(0, len(x), height), np.arange(0, x.shape[1], length))
    own = np.add.reduceat(np.add.reduceat(error, cut[0], 0), cut[1], 1)
    for rule in ("rceil", "floor", "even", ("cap", 7.25)):
        other = (ex.quantize(x, fmt, scale_rule=rule).numpy().astype(float) - x) ** 2
        sums = np.add.reduceat(np.add.reduceat(other, cut[0], 0), cut[1], 1)
        assert (own <= sums * (1 + 1e-12)).all(), rule
    up = ex.quantize(x, fmt, scale_rule="rceil").scales.astype(int)
    assert set(np.unique(q.scales.astype(int) - up)) <= {-1, 0, 1}


@pytest.mark.parametrize("error", ["mse", "mae", "absmax"])
@pytest.mark.parametrize("length", [96, 40])
def test_four_over_six(error: str, length: int) -> None:
    """Both candidates by hand; the smaller error wins, a tie keeps 6."""
    x = _data(4, (40, length))
    q = ex.quantize(x, ex.nvfp4, scale_rule=("four_over_six", error))
    top, f4 = np.abs(x).max(), np.float32
    encode = f4(256 * 6) / top
    decode = f4(1) / encode
    assert q.tensor_scale == decode
    each = _blocks(x, 16)
    amax = np.abs(each).max(axis=2).astype(f4)
    best, scales = None, None
    for factor in (f4(1), f4(1.5)):
        raw = amax / f4(6) * encode * factor
        codes = ex.asarray(raw).to(ex.float8_e4m3fn)
        value = codes.numpy().astype(f4)
        unit = each.astype(f4) * np.minimum(f4(1) / (value * decode), np.finfo(f4).max)[..., None]
        stored = (_nearest(unit).astype(f4) * value[..., None]) * decode
        off = np.abs(stored.astype(float) - each)
        loss = {"mse": (off**2).sum(2), "mae": off.sum(2), "absmax": off.max(2)}[error]
        take = loss < best if best is not None else np.ones(loss.shape, bool)
        scales = value if scales is None else np.where(take, value, scales)
        best = loss if best is None else np.where(take, loss, best)
    assert scales is not None
    own = E4M3.values[q.scales]
    assert np.array_equal(own, scales)
    six = ex.asarray(amax / f4(6) * encode).to(ex.float8_e4m3fn).numpy().astype(float)
    assert 0.3 < (own == six).mean() < 0.9


def test_four_over_six_draws_apart() -> None:
    """A block that keeps 6 has the words of the key, one that takes 4 those of its own stream."""
    x, k = _data(5), ex.key(3)
    q = ex.quantize(x, ex.nvfp4, scale_rule="four_over_six", rounding="stochastic", key=k)
    plain: dict[str, Any] = {"scale_max": 256.0, "rounding": "stochastic"}
    six = ex.quantize(x, ex.nvfp4, key=k, **plain)
    four = ex.quantize(x, ex.nvfp4, key=k.fold(FOUR_DRAWS), headroom=2 / 3,
                       tensor_scale=q.tensor_scale, rounding="stochastic")  # fmt: skip
    where_six = _spread(q.scales == six.scales, x, 16)
    where_four = _spread((q.scales == four.scales) & (q.scales != six.scales), x, 16)
    assert where_six.mean() > 0.2 and where_four.mean() > 0.2
    assert np.array_equal(q.codes[where_six], six.codes[where_six])
    assert np.array_equal(q.codes[where_four], four.codes[where_four])


def test_eden_keeps_the_projection() -> None:
    """One block a rotation, a scale that need not round: <y, Q(y)> = <y, y>."""
    x = _data(6, (20, 256))
    q = ex.quantize(x, WIDE, scale_rule="eden", hadamard=128, key=ex.key(1))
    y = _blocks(ex.hadamard(x, 128).numpy(), 128)
    stored = _blocks(ex.dequantize(q).numpy(), 128)
    assert np.allclose((y * stored).sum(2), (y * y).sum(2), rtol=1e-6)


def test_eden_rounds_scales_without_bias() -> None:
    """Elements stay; over many keys each scale means S times what ``amax`` gave."""
    x = _data(7, (4, 128))
    how: dict[str, Any] = {"scale_rule": "eden", "hadamard": 64}
    tries = [ex.quantize(x, ex.nvfp4, key=ex.key(i), **how) for i in range(400)]
    first = tries[0]
    assert all(np.array_equal(q.codes, first.codes) for q in tries)
    room = 16 / 17 / 0.93
    plain = ex.quantize(x, ex.nvfp4, hadamard=64, scale_max=256.0, headroom=room)
    assert np.array_equal(plain.codes, first.codes)
    c = E4M3.values[plain.scales]
    y = _blocks(ex.hadamard(x, 64).numpy(), 16) / (c * plain.tensor_scale)[..., None]
    codes = E2M1.values[plain.codes].reshape(y.shape)
    own, crossed = ((y * v).sum(2).reshape(4, 2, 4).sum(2) for v in (y, codes))
    wanted = c * np.repeat(own / crossed, 4, axis=1)
    found = E4M3.values[np.stack([q.scales for q in tries])]
    step = 2.0 ** (np.floor(np.log2(wanted)) - 3)
    assert (np.abs(found.mean(0) - wanted) < 5 * step / 2 / np.sqrt(400)).all()
    assert (np.abs(found - wanted) < step).all()


def test_eden_leaves_blocks_that_vanish_out_of_the_correction() -> None:
    """A block whose scale rounds to zero has no unit: its numbers must not count in S."""
    rows = np.random.default_rng(0).standard_normal((128, 128))
    x = (rows * 10.0 ** (-6 * np.arange(128) / 128)[:, None]).astype(np.float32)
    q = ex.quantize(x, ex.nvfp4, scale_rule="eden", hadamard=128, key=ex.key(0))
    turned = ex.hadamard(x, 128).numpy()
    error = np.linalg.norm(ex.dequantize(q).numpy() - turned) / np.linalg.norm(turned)
    assert error < 0.12


def test_eden_witness() -> None:
    """Table D2: x = e0 + e1/10 has the mean (101/102, 101/510), a bias of 5/51."""
    x = np.zeros((1, 16), np.float32)
    x[0, :2] = 1, 0.1
    total = np.zeros(16)
    for i in range(400):
        q = ex.quantize(x, ex.nvfp4, scale_rule="eden", hadamard=16, key=ex.key(i))
        total += ex.hadamard(ex.dequantize(q), 16).numpy()[0]
    assert np.allclose(total[:2] / 400, (101 / 102, 101 / 510), atol=4e-3)


@pytest.mark.parametrize("shape", [(1, 8), (1, 16), (1, 32), (1, 64), (1, 128), (1, 40)])
@pytest.mark.parametrize("scale", [ex.mxfp4.scale, E4M3, UE5M3, FP32])
def test_block_sizes(shape: tuple[int, int], scale: Any) -> None:
    """Every size with every scale: the scale is that of the block's amax, elements the nearest."""
    x = _data(8, (6, 200))
    q = ex.quantize(x, Block(E2M1, shape, scale))
    amax = np.abs(_blocks(x, shape[1])).max(axis=2)
    if scale.is_power_of_two:
        value = 2.0 ** np.ceil(np.log2(amax / 6))
    elif scale == FP32:
        value = (amax.astype("f4") / np.float32(6)).astype(float)
    else:
        value = scale.values[q.scales]
        assert (np.abs(value / (amax / 6) - 1) <= 1 / 16).all()
    wide = _spread(value, x, shape[1])
    ratio = np.abs(ex.dequantize(q).numpy() / wide - x / wide)
    assert (ratio <= 1.0 + 1e-5).all() and (ratio.mean() < 0.3)


@pytest.mark.parametrize("side", [16, 32])
@pytest.mark.parametrize("rule", [None, "mse", "four_over_six"])
def test_square_tiles_transpose(side: int, rule: str | None) -> None:
    """Tiles of the transpose are the transposed tiles, by every rule."""
    scale = E4M3 if rule == "four_over_six" else ex.mxfp4.scale
    fmt = Block(E2M1, (side, side), scale, tensor_scale=scale == E4M3)
    x = _data(9, (96, 80))
    q, turned = ex.quantize(x, fmt, scale_rule=rule), ex.quantize(x.T.copy(), fmt, scale_rule=rule)
    assert np.array_equal(q.codes, turned.codes.T) and np.array_equal(q.scales, turned.scales.T)


def test_headroom_never_clips_and_least_scale() -> None:
    """16/17: no element is above 6 even where a scale rounds down; a least scale is kept."""
    x = _data(10, (64, 96))
    q = ex.quantize(x, ex.nvfp4, headroom=16 / 17)
    most = 6 * _spread(E4M3.values[q.scales] * q.tensor_scale, x, 16)
    assert (np.abs(x) <= most * (1 + 1e-6)).all()
    plain = ex.quantize(x, ex.nvfp4)
    assert (np.abs(x) > 6 * _spread(E4M3.values[plain.scales] * plain.tensor_scale, x, 16)).any()
    x[0] = 0
    assert ex.quantize(x, ex.nvfp4, scale_min=2.0**-6).scales.min() == 8


def test_not_finite_and_zero_blocks() -> None:
    """NaN poisons its own block; zeros have code 0; ``saturate`` passes over them."""
    x = _data(11, (4, 64))
    x[0, 3], x[1, 40], x[2] = np.nan, np.inf, 0
    for fmt, rule in ((ex.mxfp4, "mse"), (ex.mxfp4, "quest"), (ex.nvfp4, "four_over_six")):
        q = ex.quantize(x, fmt, scale_rule=rule)
        bad = np.isnan(q.numpy()).reshape(4, -1, fmt.length)
        assert bad.any(axis=2).sum() == bad.all(axis=2).sum() == 2
        assert not q.scales[2].any() and not q.numpy()[2].any()
        kept = ex.quantize(x, fmt, scale_rule=rule, nonfinite="saturate").numpy()
        assert np.isfinite(kept).all()


@pytest.mark.parametrize("kind", ["normal", "grid", "rows"])
def test_float64_and_memory_order(kind: str) -> None:
    """The rule sees the numbers, not how they lie in memory."""
    x = numbers(12, (30, 70), kind)
    for fmt, rule in ((ex.mxfp4, "mse"), (ex.mxfp4, "quest"), (ex.nvfp4, "four_over_six")):
        own = ex.quantize(x, fmt, scale_rule=rule, axis=0)
        turned = ex.quantize(np.ascontiguousarray(x.T), fmt, scale_rule=rule)
        assert isinstance(own.storage, Blocked) and isinstance(turned.storage, Blocked)
        same(own.storage.rows, turned.storage.rows, (kind, rule))


def test_a_row_as_a_tensor_of_its_own() -> None:
    """``tensor_scale="row"`` is each row quantized alone; products and row moves keep it."""
    x = _data(13, (12, 48)) * 2.0 ** np.arange(-6, 6)[:, None].astype("f4")
    q = ex.quantize(x, ex.nvfp4, tensor_scale="row")
    for i, row in enumerate(x):
        alone = ex.quantize(row, ex.nvfp4)
        assert np.array_equal(alone.codes, q.codes[i]) and np.array_equal(alone.scales, q.scales[i])
        assert np.array_equal(alone.numpy(), q.numpy()[i])
        assert q.tensor_scale[i] == np.float32(alone.tensor_scale)
    assert np.array_equal(q[3:5].numpy(), q.numpy()[3:5])
    w = ex.quantize(_data(14, (7, 48)), ex.nvfp4)
    wanted = q.numpy().astype(float) @ w.numpy().astype(float).T
    for exact in (False, True):
        assert np.allclose(ex.matmul(q, w.T, exact=exact).numpy(), wanted, rtol=1e-4, atol=1e-6)
    with pytest.raises(FormatError, match="blocks along rows"):
        ex.quantize(x, ex.nvfp4_2d, tensor_scale="row")


@pytest.mark.parametrize(
    ("fmt", "choices", "word"),
    [
        (ex.nvfp4, {"scale_rule": "mse"}, "power-of-two"),
        (ex.mxfp4, {"scale_rule": "four_over_six"}, "mantissa"),
        (ex.mxfp8_e4m3, {"scale_rule": "quest"}, "has its numbers for"),
        (ex.nvfp4_2d, {"scale_rule": "eden"}, "tiles"),
        (ex.nvfp4, {"scale_rule": "eden", "rounding": "stochastic"}, "leave both out"),
        (ex.mxfp4, {"headroom": 0.5}, "scale_rule"),
        (ex.nvfp4, {"headroom": -1.0}, "finite number > 0"),
        (ex.nvfp4, {"scale_rule": ("four_over_six", "rms")}, "mae"),
        (ex.mxfp4, {"scale_rule": ("quest", 3.0)}, "1 <= c <= 2"),
        (ex.mxfp4, {"scale_rule": "mze"}, "did you mean 'mse'"),
        (ex.nvfp4, {"arithmetic": "divde"}, "did you mean 'divide'"),
    ],
)
def test_what_has_no_meaning_raises(fmt: Block, choices: dict[str, Any], word: str) -> None:
    with pytest.raises(FormatError, match=word):
        ex.quantize(np.ones((1, 32), np.float32), fmt, **choices)


def test_eden_needs_a_key_and_cuda_says_what_it_lacks() -> None:
    with pytest.raises(KeyMissingError):
        ex.quantize(np.ones((1, 32), np.float32), ex.nvfp4, scale_rule="eden")
    from extensor.kernels.quantize.cuda import refuse

    refuse(Choice(scale_rule=("cap", 7.25), rounding="stochastic"))
    for lacks in (Choice(scale_rule="mse"), Choice(headroom=0.5), Choice(tensor_scale="row")):
        with pytest.raises(DispatchError, match="on the CPU"):
            refuse(lacks)
