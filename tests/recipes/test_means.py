"""The mean of the backward products over all draws, enumerated: exact, nothing is sampled."""

from dataclasses import replace

import numpy as np
import pytest

import extensor as ex
from extensor.kernels.matmul import matmul
from tests.recipes.draws import Chosen, all_draws, stacked
from tests.recipes.steps import Array, Floats, rows_of

T, K, N = 3, 5, 40
"""g is T x N, W is N x K, x is T x K; N has a whole block and a tail."""
GRID = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
NEAREST = ex.Quantizer(ex.mxfp4, scale_rule="even")


def on_fractions(seed: int, shape: tuple[int, int], axis: int, steps: int) -> Floats:
    """Numbers whose distance to the code below is a multiple of 1/steps of the step there.

    Every block along ``axis`` holds a 6 (times 1 or 2), so its scale is known and nothing clips.
    """
    draw = np.random.default_rng(seed)
    low = draw.integers(0, 7, shape)
    x: Array = GRID[low] + (GRID[low + 1] - GRID[low]) * draw.integers(0, steps, shape) / steps
    x = np.moveaxis(x * draw.choice([-1, 1], shape), axis, -1)
    x[..., ::32] = 6
    x = np.moveaxis(x, -1, axis) * draw.choice([1.0, 2.0])
    return x.astype(np.float32)


def stochastic(bits: int, rule: str = "rceil", prescale: float = 1.0) -> ex.Quantizer:
    return ex.Quantizer(
        ex.mxfp4, rounding="stochastic", sr_bits=bits, scale_rule=rule, prescale=prescale
    )


def backward(recipe: ex.Recipe, x: Floats, w: Floats, g: Floats) -> tuple[Array, Array]:
    """dx and dw of a real layer, as float64."""
    layer = ex.nn.Linear(K, N, bias=False, recipe=recipe)
    layer.weight.storage.array[...] = w  # type: ignore[union-attr]
    tensor = ex.asarray(x, requires_grad=True)
    layer(tensor, key=ex.key(0)).backward(ex.asarray(g))
    assert tensor.grad is not None and layer.weight.grad is not None
    return tensor.grad.numpy().astype(np.float64), layer.weight.grad.numpy().astype(np.float64)


def operands(steps: int) -> tuple[Floats, Floats, Floats]:
    """x, w, g that are on fractions along the axes that one gemm blocks."""
    x, w = on_fractions(1, (T, K), 0, steps), on_fractions(2, (N, K), 0, steps)
    g = on_fractions(3, (T, N), 1, steps)
    g[0] = 6 * np.sign(g[0] + 0.1)  # along T every block has its 6 too
    return x, w, g


def test_w_and_x_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """256 draws of g: the mean of dx is g Q(W), that of dw is gᵀ Q(x), exactly."""
    chosen = Chosen()
    monkeypatch.setattr("extensor.quantizer.quantize_rows", chosen)
    x, w, g = operands(256)
    q = stochastic(8)
    recipe = ex.Recipe("sr8", dgrad=(q, NEAREST), wgrad=(q, NEAREST))
    sums = [np.zeros((T, K)), np.zeros((N, K))]
    for j in range(256):
        chosen.now = {ex.key(0).fold(gemm).fold(0): j for gemm in (1, 2)}
        for total, part in zip(sums, backward(recipe, x, w, g), strict=True):
            total += part
    quantized_w = ex.quantize(w, NEAREST, axis=0).numpy().astype(np.float64)
    quantized_x = ex.quantize(x, NEAREST, axis=0).numpy().astype(np.float64)
    assert (quantized_w != w).any() and (quantized_x != x).any()
    np.testing.assert_array_equal(sums[0] / 256, g @ quantized_w)
    np.testing.assert_array_equal(sums[1] / 256, g.T @ quantized_x)


def test_both_stochastic(monkeypatch: pytest.MonkeyPatch) -> None:
    """All 16 x 16 pairs of draws of two operands: the means are g W and gᵀ x, exactly."""
    chosen = Chosen()
    monkeypatch.setattr("extensor.quantizer.quantize_rows", chosen)
    x, w, g = operands(16)
    q = stochastic(4)
    recipe = ex.Recipe("sr4", dgrad=(q, q), wgrad=(q, q))
    sums, shared = [np.zeros((T, K)), np.zeros((N, K))], np.zeros((T, K))
    for pair in np.ndindex(16, 16):
        chosen.now = {
            ex.key(0).fold(gemm).fold(operand): pair[operand]
            for gemm in (1, 2)
            for operand in (0, 1)
        }
        dx, dw = backward(recipe, x, w, g)
        sums[0] += dx
        sums[1] += dw
        shared += dx * (pair[0] == pair[1])
    np.testing.assert_array_equal(sums[0] / 256, g.astype(np.float64) @ w)
    np.testing.assert_array_equal(sums[1] / 256, g.T.astype(np.float64) @ x)
    # one draw for the two operands couples them: then the mean is another one
    assert np.abs(shared / 16 - g.astype(np.float64) @ w).max() > 0.1


@pytest.mark.parametrize(("rule", "prescale"), [("rceil", 1.0), ("floor", 0.75)])
def test_every_pair_of_eight_bit_draws(rule: str, prescale: float) -> None:
    """65,536 pairs in one packed product. Two operands at 3/4 mean 9/16 of the product."""
    g, w = on_fractions(3, (T, N), 1, 64), on_fractions(2, (N, K), 0, 64)
    if prescale != 1:  # 3/4 of these has a fraction that is a multiple of 1/256 again
        g, w = ((np.round(a * 16) / 16).astype(np.float32) for a in (g, w))
    choice = stochastic(8, rule, prescale).choice
    left = stacked(all_draws(g[None], ex.mxfp4, choice, (T * N, N, 1)))
    right = stacked(all_draws(w.T[None], ex.mxfp4, choice, (N * K, 1, K)))
    pairs = matmul(left, right).astype(np.float64).reshape(256, T, 256, K)
    assert pairs.std(axis=(0, 2)).min() > 0.1
    wanted = prescale**2 * (g.astype(np.float64) @ w)
    np.testing.assert_array_equal(pairs.mean(axis=(0, 2)), wanted)


def test_rotated_and_prescaled() -> None:
    """mxfp4-rht-sr with H16: for any signs the mean over the draws is 9/16 g W, exactly.

    H16 / 4 of multiples of 1/2 are multiples of 1/8, so every fraction is one of 1/256.
    """
    draw = np.random.default_rng(5)
    g, w = (draw.integers(-4, 5, s).astype(np.float32) / 2 for s in ((T, 48), (48, K)))
    for seed in range(2):
        signs = draw.choice([-1, 1], 16)
        turned = [ex.hadamard(g, 16, signs=signs).numpy(), ex.hadamard(w.T.copy(), 16, signs=signs)
                  .numpy()]  # fmt: skip
        choice = stochastic(8, "floor", 0.75).choice
        left = stacked(all_draws(turned[0][None], ex.mxfp4, choice, (0, 48, 1)))
        right = stacked(all_draws(turned[1][None], ex.mxfp4, choice, (0, 1, K)))
        pairs = matmul(left, right).astype(np.float64).reshape(256, T, 256, K)
        np.testing.assert_array_equal(pairs.mean(axis=(0, 2)), 9 / 16 * (g @ w), f"signs {seed}")


def test_a_clipping_rule_is_seen() -> None:
    """`floor` without the prescale clips: its mean is not the product."""
    g = on_fractions(3, (T, N), 1, 64)
    g[:, 1::32] = 7.0
    clipped = all_draws(g[None], ex.mxfp4, stochastic(8, "floor").choice, (T * N, N, 1))
    never = all_draws(g[None], ex.mxfp4, stochastic(8, "rceil").choice, (T * N, N, 1))
    eye = rows_of(ex.quantize(np.eye(N, dtype=np.float32), ex.mxfp4))
    means = [
        matmul(stacked(d), eye).reshape(256, T, N).astype(np.float64).mean(0)
        for d in (clipped, never)
    ]
    assert np.abs(means[0] - g).max() >= 1.0
    np.testing.assert_array_equal(means[1], g)


def test_nvfp4_with_scales_up_never_clips() -> None:
    """Its scales are no powers of two, so fractions are arbitrary: within 2**-9 of a step each."""
    g = np.random.default_rng(0).standard_normal((T, N)).astype(np.float32)
    up = ex.Quantizer(ex.nvfp4, rounding="stochastic", sr_bits=8, scale_rounding="up")
    for quantizer, unbiased in ((up, True), (replace(up, scale_rounding="nearest"), False)):
        draws = all_draws(g[None], ex.nvfp4, quantizer.choice, (T * N, N, 1))
        values = [ex.ExTensor(ex.storage.Blocked(p, (T, N), 1)).numpy() for p in draws]
        steps = 2 * np.abs(g).max() * 2.0**-9
        assert (np.abs(np.mean(values, 0, np.float64) - g).max() <= steps) == unbiased
