"""The rotation: fast kernel = definition, orthogonality, and the side of the signs."""

from typing import Any

import numpy as np
import pytest

from extensor.errors import FormatError, ShapeError
from extensor.kernels.hadamard import SIZES, hadamard, hadamard_reference
from tests.kernels.blocks import equal, numbers
from tests.kernels.threads import same_on_any_threads

SHAPES = [(1, 1, 1), (1, 3, 31), (2, 5, 84), (1, 17, 128), (2, 33, 130), (1, 2, 1023), (3, 65, 63)]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_definition_in_any_memory_order(n: int, shape: tuple[int, int, int]) -> None:
    x = numbers(0, shape, "normal")
    x.flat[::7] = -0.0
    for signs in (None, np.random.default_rng(1).choice([-1, 1], n)):
        wanted = hadamard_reference(x, n, signs)
        gaps = np.repeat(np.repeat(x, 2, 1), 3, 2)[:, ::2, ::3]
        turned = np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1)
        for y in (x, turned, gaps, np.asfortranarray(x)):
            equal(hadamard(y, n, signs), wanted, (n, shape, y.strides))


@pytest.mark.parametrize("n", SIZES)
def test_matrix(n: int) -> None:
    """Sylvester's matrix, orthogonal; signs come before it."""
    identity = np.eye(n, dtype=np.float32)
    h = np.array([[1.0]])
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    found = hadamard(identity, n)
    assert np.array_equal(np.sign(found), h)
    assert np.allclose(found @ found.T, identity, atol=1e-6)
    signs = np.random.default_rng(2).choice([-1, 1], n)
    assert np.array_equal(hadamard(identity, n, signs), signs[:, None] * found)


def test_products_are_kept_with_tails() -> None:
    a, b = numbers(3, (1, 4, 84), "normal")[0], numbers(4, (1, 5, 84), "normal")[0]
    signs = np.random.default_rng(5).choice([-1, 1], 64)
    rotated: Any = hadamard(a, 64, signs) @ hadamard(b, 64, signs).T
    assert np.allclose(rotated, a @ b.T, atol=1e-3)


def test_recorded(shared: Any) -> None:
    z = np.load(shared("vectors/hadamard.npz"))
    for n in (16, 32, 64):
        assert np.allclose(hadamard(z["x"], n), z[f"sylvester{n}_y"], atol=1e-5), n


def test_threads() -> None:
    same_on_any_threads(
        """
from extensor.kernels.hadamard import hadamard
x = normal(1, 2, 200, 333)
show(hadamard(x, 64), hadamard(x.transpose(0, 2, 1), 32))
"""
    )


def test_nothing_and_errors() -> None:
    assert hadamard(np.zeros((1, 3, 0), np.float32), 16).shape == (3, 0)
    with pytest.raises(FormatError, match="allowed: 16, 32, 64, 128"):
        hadamard(np.zeros((1, 1, 16), np.float32), 8)
    with pytest.raises(ShapeError):
        hadamard(np.zeros((1, 1, 16), np.float32), 16, [1, -1])
    with pytest.raises(ShapeError):
        hadamard(np.zeros(16, np.float32), 16)
