"""Block quantization against the exact oracle: every format, rule, rounding, axis and trap."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import extensor as ex
from extensor.formats.rounding import ROUNDINGS
from tests.agree import BLOCKS, block, check
from tests.edges import edges

MX = [name for name in BLOCKS if name.startswith("mx")]
RULES = ["rceil", "floor", "even", "ceil", ("cap", 7.25)]


def _amax_traps(name: str) -> NDArray[np.float32]:
    """Blocks whose amax is a cap times a power of two, and 1 ulp beside it, over all binades."""
    top = float(block(name).element.max)
    emax = block(name).element.emax
    caps = [top, 2.0**emax, 2.0 ** (emax + 1), 7.0, 7.25, 496.0, 30.0, 7.75, 61440.0]
    with np.errstate(over="ignore", under="ignore"):
        amax = np.array([c * 2.0**k for c in caps for k in (-149, -140, -127, -126, -3, 0, 9, 110)])
        amax = amax.astype(np.float32)
    amax = np.concatenate(
        [np.nextafter(amax, np.float32(0)), amax, np.nextafter(amax, np.float32(np.inf))]
    )
    amax = amax[np.isfinite(amax)]
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (amax.size, 32)).astype(np.float32) * amax[:, None]
    x[np.arange(amax.size), rng.integers(0, 32, amax.size)] = amax
    return np.asarray(x)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("name", MX)
def test_scale_rules(name: str, rule: str | tuple[str, float]) -> None:
    check(_amax_traps(name), name, rule=rule)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", BLOCKS)
def test_roundings(name: str, rounding: str) -> None:
    """Edges of the element format in one block, random blocks, float32 and float64."""
    spec = BLOCKS[name].element
    key = ex.key(9).fold(2) if rounding == "stochastic" else None
    rng = np.random.default_rng(1)
    for dtype in (np.float32, np.float64):
        near = edges(spec, dtype)
        near = near[(near <= float(spec.max)) & (near > 1e-30)]
        x = np.concatenate([rng.choice(near, 160) * rng.choice([-1, 1], 160), rng.normal(size=150)])
        x[::16] = float(spec.max)  # scale 1, or close to it
        check(x.reshape(2, -1).astype(dtype), name, key=key, rounding=rounding)


@pytest.mark.parametrize("sr_bits", [8, 16, 24])
def test_few_random_bits(sr_bits: int) -> None:
    x = np.random.default_rng(2).normal(size=(4, 50)).astype(np.float32)
    check(x, "mxfp4", key=ex.key(1), rounding="stochastic", sr_bits=sr_bits)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", ["mxfp4", "mxfp6_e3m2", "mxint8", "nvfp4"])
def test_axes(name: str, axis: int) -> None:
    """Blocks along any axis; the random word is that of the logical index, not of the memory."""
    x = np.random.default_rng(3).normal(size=(33, 5, 18)).astype(np.float32)
    for array in (x, np.asfortranarray(x), x[::-1], np.ascontiguousarray(x.T).T):
        check(array, name, axis)
    check(x, name, axis, ex.key(4), rounding="stochastic")


@pytest.mark.parametrize("prescale", [0.75, 0.5])
def test_the_prescale_comes_after_the_amax(prescale: float) -> None:
    x = np.random.default_rng(4).normal(size=(6, 64)).astype(np.float32)
    for rule in ("floor", "rceil"):
        check(x, "mxfp4", rule=rule, prescale=prescale)
        check(x, "mxfp4", -1, ex.key(2), rule=rule, prescale=prescale, rounding="stochastic")


@pytest.mark.parametrize("name", ["nvfp4", "nvfp4_2d"])
def test_nvfp4_two_levels(name: str) -> None:
    """Tiny, huge, zero and mixed tensors; scales rounded to nearest and up; one level only."""
    rng = np.random.default_rng(5)
    x = (rng.normal(size=(20, 40)) * np.exp2(rng.integers(-12, 3, (20, 1)))).astype(np.float32)
    with np.errstate(under="ignore", over="ignore"):
        cases = [x, x * np.float32(1e-38), x * np.float32(1e-44), x * np.float32(1e36), x * 0]
    sparse = np.zeros_like(x)
    sparse[3, 17] = -1e-40
    for case in [*cases, sparse, x.astype(np.float64) * 1e-30]:
        for scale_rounding in ("nearest", "up"):
            check(case, name, scale_rounding=scale_rounding)
    for case in (x, x * 100, x * 1e-3):
        check(case, name, two_levels=False)


@pytest.mark.parametrize("name", BLOCKS)
def test_scales_rounded_up_never_clip_and_rceil_neither(name: str) -> None:
    x = np.random.default_rng(6).normal(size=(64, 64)).astype(np.float32)
    options: dict[str, Any] = (
        {"scale_rounding": "up"} if name.startswith("nv") else {"scale_rule": "rceil"}
    )
    fmt = block(name)
    q = ex.quantize(x, fmt, rounding="stochastic", key=ex.key(0), **options)
    values = ex.dequantize(q).numpy()
    m, n = fmt.shape
    scale = np.repeat(np.repeat(fmt.scale.values[q.scales], n, axis=1), m, axis=0)
    limit = fmt.element.max * scale * (q.tensor_scale or 1.0)
    assert (np.abs(x) <= limit[: x.shape[0], : x.shape[1]] * (1 + 2.0**-22)).all()
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", BLOCKS)
def test_nonfinite_blocks_are_never_silent(name: str) -> None:
    """One NaN or Inf makes its block NaN and no other; `saturate` is finite; `raise` names it."""
    rng = np.random.default_rng(7)
    fmt = block(name)
    for bad in (np.nan, np.inf, -np.inf):
        x = rng.normal(size=(32, 96)).astype(np.float32)
        x[18, 40] = bad
        check(x, name)
        values = ex.dequantize(ex.quantize(x, fmt)).numpy()
        m, n = fmt.shape
        poisoned = np.zeros(x.shape, bool)
        r, k = 18 // m * m, 40 // n * n
        poisoned[r : r + m, k : k + n] = True
        np.testing.assert_array_equal(np.isnan(values), poisoned)
        finite = ex.dequantize(ex.quantize(x, fmt, nonfinite="saturate")).numpy()
        assert np.isfinite(finite).all()
        assert np.sign(finite[18, 40]) == (1 if bad != -np.inf else -1)
        with pytest.raises(ex.FormatError):
            ex.quantize(x, fmt, nonfinite="raise")


@pytest.mark.parametrize("name", BLOCKS)
def test_quantizing_again_changes_nothing(name: str) -> None:
    """The same axis, deterministic rules (Table D 7): values stay, for `ceil` the code may drop."""
    x = np.random.default_rng(8).normal(size=(16, 128)).astype(np.float32)
    fmt = block(name)
    for rule in (None,) if name.startswith("nv") else ("rceil", "floor", "even", "ceil"):
        once = ex.quantize(x, fmt, scale_rule=rule)
        twice = ex.quantize(ex.dequantize(once).numpy(), fmt, scale_rule=rule)
        if name != "mxint8":  # -128/64 is cut to -127/64, so floor may clip again
            np.testing.assert_array_equal(ex.dequantize(once).numpy(), ex.dequantize(twice).numpy())
    if name == "nvfp4":
        np.testing.assert_array_equal(once.codes, twice.codes)


def test_tiles_transpose_exactly_and_rows_do_not() -> None:
    """Table D 5: q(W)^T = q(W^T) bit for bit for 16x16 tiles, not for 1x16 blocks."""
    w = np.random.default_rng(9).normal(size=(48, 80)).astype(np.float32)
    for fmt, same in ((ex.nvfp4_2d, True), (ex.nvfp4, False)):
        a, b = ex.quantize(w, fmt), ex.quantize(w.T.copy(), fmt)
        assert np.array_equal(a.codes.T, b.codes) == same
    a, b = ex.quantize(w, ex.nvfp4_2d), ex.quantize(w.T.copy(), ex.nvfp4_2d)
    np.testing.assert_array_equal(a.scales.T, b.scales)
