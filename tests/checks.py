"""Checks with one purpose each, that `tests.mutants` runs on planted bugs.

Each passes on the library as it is. Draws come from fixed keys, so nothing here is left to chance;
the tolerances are 5 standard deviations of the mean where a mean is taken.
"""

import numpy as np
from numpy.typing import NDArray

import extensor as ex
from extensor.formats import Block
from tests import agree, oracle_blocks

RNG_SHAPE = (40, 96)


def _gaussian(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def product_has_slope_one() -> None:
    """dx and dW of `mxfp4-rht-sr` are those of g W and gᵀ x on average, not 9/16 of them."""
    x, w, g = _gaussian(0, 64, 48), _gaussian(1, 32, 48), _gaussian(2, 64, 32)
    recipe = ex.recipes.get("mxfp4-rht-sr")
    dx = dw = 0.0
    for i in range(4):
        _, one, two = ex.recipes.linear_gemms(recipe, x, w, g, key=ex.key(i))
        dx, dw = dx + one / 4, dw + two / 4
    for found, wanted in ((dx, g @ w), (dw, g.T @ x)):
        slope = float(np.sum(found * wanted) / np.sum(wanted * wanted))
        assert abs(slope - 1) < 0.05, f"slope {slope:.4f}"


def prescale() -> None:
    """The scale is that of the amax before prescaling."""
    x = _gaussian(3, 4, 64)
    for rule in ("floor", "rceil"):
        agree.check(x, "mxfp4", rule=rule, prescale=0.75)


def operands_draw_apart() -> None:
    """With g = x the mean of gᵀ x is exact only where the two operands draw different words."""
    x = np.full((32, 4), 1.25, np.float32)
    x[0] = 6.0
    recipe = ex.recipes.get("mxfp4-sr")
    draws = [ex.recipes.linear_gemms(recipe, x, x[:4], x, key=ex.key(i))[2] for i in range(64)]
    mean = np.mean([np.diag(dw) for dw in draws])
    exact = 36 + 31 * 1.25**2
    sigma = np.sqrt(31 * (1.625**2 - 1.25**4) / (64 * 4))
    bias_of_one_draw = 31 * (1.625 - 1.25**2)
    assert 10 * sigma < bias_of_one_draw
    assert abs(mean - exact) < 5 * sigma, f"mean {mean:.3f}, exact {exact:.3f}"


def rotation_cancels() -> None:
    """The products of `mxfp4-rht-sr` and `nvfp4` are near g W and gᵀ x: both operands turned."""
    x, w, g = _gaussian(0, 64, 48), _gaussian(1, 64, 48), _gaussian(2, 64, 64)
    for name in ("mxfp4-rht-sr", "nvfp4"):
        _, dx, dw = ex.recipes.linear_gemms(ex.recipes.get(name), x, w, g, key=ex.key(5))
        for found, wanted in ((dx, g @ w), (dw, g.T @ x)):
            error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
            assert error < 0.5, f"{name}: relative error {error:.2f}"


def signs_come_first() -> None:
    """x diag(s) H: the stored bits, and that nearest errors depend on the draw of signs.

    With the signs after H, Q(x H S) Q(y H S)ᵀ is the same for every S (a published bug).
    """
    x, y = _gaussian(6, 4, 64), _gaussian(7, 5, 64)
    signs = np.random.default_rng(8).choice([-1, 1], (2, 64))
    products = []
    for s in signs:
        qx, qy = (ex.quantize(v, ex.mxfp4, hadamard=64, signs=s) for v in (x, y))
        turned = oracle_blocks.hadamard(x, 64, s.tolist())
        agree.differ(qx.codes, ex.quantize(turned, ex.mxfp4).codes, "codes of x diag(s) H")
        products.append(ex.matmul(qx, qy.T, exact=True).numpy())
    assert not np.array_equal(*products), "the error is the same for every draw of signs"


def stochastic_operands_never_clip() -> None:
    """Every stochastic operand of every recipe has a scale that its block fits under."""
    g = _gaussian(9, *RNG_SHAPE)
    for name in ("mxfp4-sr", "nvfp4"):
        recipe = ex.recipes.get(name)
        for q in (*recipe.dgrad, *recipe.wgrad):
            if isinstance(q, ex.Quantizer) and q.rounding == "stochastic" and not q.hadamard:
                _fits(ex.quantize(g, q, key=ex.key(1)), g)


def never_clips() -> None:
    """`rceil`, the default, never clips."""
    g = _gaussian(10, *RNG_SHAPE)
    _fits(ex.quantize(g, ex.mxfp4), g)


def _fits(q: ex.ExTensor, x: NDArray[np.float32]) -> None:
    fmt = q.dtype
    assert isinstance(fmt, Block)
    scale = np.repeat(fmt.scale.values[q.scales], fmt.length, axis=1)[:, : x.shape[1]]
    limit = fmt.element.max * scale * (q.tensor_scale or 1.0) * (1 + 2.0**-22)
    clipped = int((np.abs(x) > limit).sum())
    assert not clipped, f"{clipped} elements are above the largest value of their block"


def packing() -> None:
    """The low nibble of a byte is the even element."""
    x = np.array([[0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.5]], np.float32)
    q = ex.quantize(x, ex.mxfp4)
    assert q.packed[0, :4].tolist() == [0x21, 0x43, 0x65, 0x97]
    np.testing.assert_array_equal(ex.dequantize(q).numpy(), x)


SIZES = (1, 31, 32, 33, 63, 65)
"""One, and one less and one more than a block, two blocks."""


def boundaries() -> None:
    """Blocks of 32 begin at 0, 32, 64; tails are shorter blocks; on every axis."""
    for size in SIZES:
        for axis in range(3):
            shape = [3, 2, 4]
            shape[axis] = size
            x = _gaussian(size, *shape)
            x *= np.exp2(np.arange(size) // 8 % 5).reshape(
                [-1 if a == axis else 1 for a in range(3)]
            )
            agree.check(x.astype(np.float32), "mxfp4", axis)


def ties() -> None:
    """Every midpoint of E2M1 goes to the even code."""
    x = np.array([[6.0, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, -0.25, -0.75, -5.0]], np.float32)
    codes = ex.quantize(x, ex.mxfp4).codes[0].tolist()
    assert codes == [7, 0, 2, 2, 4, 4, 6, 6, 8, 10, 14]


def sign_of_zero() -> None:
    """+0 and -0 keep their sign, in a zero block too."""
    for first in (0.0, 6.0):
        q = ex.quantize(np.array([first, 0.0, -0.0], np.float32), ex.mxfp4)
        assert q.codes[1:].tolist() == [0, 8]
        assert np.signbit(ex.dequantize(q).numpy()).tolist() == [False, False, True]


def one_rounding() -> None:
    """A float64 next to a midpoint is not rounded to the midpoint first."""
    x = np.array([6.0, np.nextafter(2.5, 3), np.nextafter(3.5, 3)])
    assert ex.quantize(x, ex.mxfp4).codes.tolist() == [7, 5, 5]


def words() -> None:
    """Along axis 0 the random word of an element is still that of its logical index."""
    agree.check(_gaussian(11, 40, 5), "mxfp4", 0, ex.key(3), rounding="stochastic")


def rule(name: str) -> None:
    """A scale rule on amax just below, at and above each cap."""
    caps = np.array([4, 6, 7, 7.25, 8], np.float32)
    amax = np.concatenate(
        [np.nextafter(caps, np.float32(0)), caps, np.nextafter(caps, np.float32(9))]
    )
    x = np.zeros((amax.size, 32), np.float32)
    x[:, 3] = amax
    agree.check(x, "mxfp4", rule=name)
