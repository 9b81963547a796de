"""The rotation against TransformerEngine's 16-point matrix and SciPy's Sylvester matrices."""

import numpy as np
import pytest

import extensor as ex
from tests import oracle_blocks
from tests.vectors.recorded import load

FILES = ["hadamard.npz"]
TOLERANCE = 1e-6


def test_recorded_rotations() -> None:
    arrays = load(FILES[0])
    x, signs = arrays.pop("x"), arrays.pop("te16_signs")
    turned = ex.hadamard(x, 16, signs=signs).numpy()
    np.testing.assert_allclose(turned, arrays.pop("te16_y"), rtol=0, atol=TOLERANCE)
    rows = ex.hadamard(np.eye(16, dtype=np.float32), 16, signs=signs).numpy()
    np.testing.assert_array_equal(rows * 4, arrays.pop("te16_matrix"))
    for n in (16, 32, 64):
        wanted = arrays.pop(f"sylvester{n}_y")
        np.testing.assert_allclose(ex.hadamard(x, n).numpy(), wanted, rtol=0, atol=TOLERANCE)
    assert not arrays


@pytest.mark.parametrize("length", [16, 64, 84, 128, 130, 1, 33])
@pytest.mark.parametrize("n", [16, 32, 64, 128])
def test_the_bits_are_those_of_the_stated_order(n: int, length: int) -> None:
    """Signs, strides ascending, one multiply at the end; tails by their powers of two."""
    rng = np.random.default_rng(length)
    x = rng.normal(size=(3, length)).astype(np.float32)
    signs = rng.choice([-1, 1], n)
    found = ex.hadamard(x, n, signs=signs).numpy()
    np.testing.assert_array_equal(found, oracle_blocks.hadamard(x, n, signs.tolist()))


@pytest.mark.parametrize("length", [64, 84, 33])
def test_the_rotation_cancels_in_a_product(length: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5, length)).astype(np.float32)
    signs = rng.choice([-1, 1], 64)
    turned = [ex.hadamard(v, 64, signs=signs).numpy().astype(np.float64) for v in (x, y)]
    error = turned[0] @ turned[1].T - x.astype(np.float64) @ y.T.astype(np.float64)
    size = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(y, axis=1)
    assert (np.abs(error) <= 8 * 2.0**-24 * 2 * size).all()  # log2(64) + 2 roundings, twice
