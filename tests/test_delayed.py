"""The tensor scale that is sampled and held, and the trust mask of a quantizer."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.delayed import DelayedAmax
from extensor.errors import FormatError
from extensor.formats import E2M1, UE5M3, Block
from extensor.quantizer import Quantizer

WIDE = Block(E2M1, (1, 16), UE5M3, tensor_scale=True)


def _x(seed: int, size: float = 1.0) -> Any:
    return np.random.default_rng(seed).standard_normal((8, 64)).astype(np.float32) * size


def test_it_samples_and_holds() -> None:
    held = DelayedAmax(Quantizer(ex.nvfp4), every=3)
    scales = [held(_x(i, 1 + i)).tensor_scale for i in range(7)]
    assert len(set(scales)) == 3 and scales[0] == scales[1] == scales[2] != scales[3]
    assert scales[0] == ex.quantize(_x(0), ex.nvfp4).tensor_scale


def test_range_to_spare_does_not_clip() -> None:
    """UE5M3 aimed at 448 has a factor of 137 above: a hundredfold tensor fits; E4M3 saturates."""
    for fmt, clips in ((WIDE, False), (ex.nvfp4, True)):
        held = DelayedAmax(Quantizer(fmt, scale_max=448.0))
        held(_x(0))
        x = _x(1, 100.0)
        error = np.sqrt(((held(x).numpy() - x) ** 2).mean() / (x**2).mean())
        assert (error > 0.5) == clips and (clips or error < 0.11)


def test_it_is_saved() -> None:
    one = DelayedAmax(Quantizer(WIDE), every=4)
    one(_x(0))
    two = DelayedAmax(Quantizer(WIDE), every=4)
    two.load_state_dict(one.state_dict())
    for i in range(1, 9):
        assert np.array_equal(one(_x(i)).numpy(), two(_x(i)).numpy())
    with pytest.raises(FormatError, match="not its state"):
        two.load_state_dict({"calls": 1})


def test_zeros_are_no_sample() -> None:
    held = DelayedAmax(Quantizer(ex.nvfp4))
    held(np.zeros((2, 16), np.float32))
    assert held(_x(0)).tensor_scale == ex.quantize(_x(0), ex.nvfp4).tensor_scale


def test_what_has_no_tensor_scale_raises() -> None:
    with pytest.raises(FormatError, match="tensor scale"):
        DelayedAmax(Quantizer(ex.mxfp4))
    with pytest.raises(FormatError, match="every=0"):
        DelayedAmax(Quantizer(ex.nvfp4), every=0)


@pytest.mark.parametrize("hadamard", [None, 32])
def test_the_trust_mask_is_the_gradient(hadamard: int | None) -> None:
    """dx = (g_h * M) Hᵀ with M = |x_h / scale| < 6 (arXiv 2502.05003)."""
    signs = None if hadamard is None else tuple([1, -1, -1, 1] * 8)
    q = Quantizer(ex.mxfp4, scale_rule="quest", hadamard=hadamard, signs=signs, ste="trust")
    x = ex.asarray(_x(3, 2.0), requires_grad=True)
    x.numpy()[:, ::9] *= 6
    g = _x(4)
    q(x).backward(ex.asarray(g))
    assert x.grad is not None
    mask = q.mask(x.numpy())
    assert 0 < (~mask).sum() < mask.size / 2
    if hadamard is None:
        assert np.array_equal(x.grad.numpy(), g * mask)
        return
    h = ex.hadamard(np.eye(32, dtype=np.float32), 32, signs=signs).numpy()
    turned = (g.reshape(8, 2, 32) @ h) * mask.reshape(8, 2, 32)
    assert np.allclose(x.grad.numpy(), (turned @ h.T).reshape(8, 64), atol=1e-5)
