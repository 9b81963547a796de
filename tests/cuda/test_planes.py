"""A vector added to planes and summed out of them on a GPU, against float64."""

import numpy as np
import pytest

from tests.cuda.gpu import require_gpu

require_gpu()

import cupy  # noqa: E402

import extensor as ex  # noqa: E402
from extensor.kernels.planes_cuda import added, summed  # noqa: E402

SHAPES = (
    (70000, 6, 1), (4097, 10, 1), (33, 256, 1), (1000, 257, 1), (129, 4096, 1), (2, 5000, 1),
    (513, 6, 784), (64, 16, 100), (3, 4, 1025), (5000, 1, 3),
)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_sums_and_additions(shape: tuple[int, int, int]) -> None:
    """Within the rounding of sums of this length; additions bit for bit; results repeat."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape).astype(np.float32)
    vector = rng.standard_normal(shape[1]).astype(np.float32)
    on = cupy.asarray(x)
    got = cupy.asnumpy(summed(on, *shape))
    want = x.astype(np.float64).sum((0, 2))
    bound = np.abs(x).sum((0, 2), dtype=np.float64) * 2e-6
    assert (np.abs(got - want) <= bound).all()
    assert (cupy.asnumpy(summed(on, *shape)) == got).all()
    y = cupy.asnumpy(added(on, cupy.asarray(vector), *shape[1:]))
    assert (y == x + vector[:, None]).all()


def test_ops_take_them() -> None:
    """A bias of images and of rows, its gradient, and a NaN that stays."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((32, 6, 12, 12)).astype(np.float32)
    b = rng.standard_normal((1, 6, 1, 1)).astype(np.float32)
    with ex.trace() as calls:
        bias = ex.asarray(b, device="cuda", requires_grad=True)
        y = ex.asarray(x, device="cuda") + bias
        y.sum().backward()
        s = ex.sum(ex.asarray(x, device="cuda"), axis=(0, 2, 3), keepdims=True)
    names = [c.kernel for c in calls]
    assert "planes added" in names and names.count("planes summed") >= 2
    assert (y.numpy() == x + b).all()
    assert bias.grad is not None and (bias.grad.numpy() == 32 * 144).all()
    assert s.shape == (1, 6, 1, 1)
    x[3, 2, 1, 1] = np.nan
    sums = ex.sum(ex.asarray(x, device="cuda"), axis=(0, 2, 3)).numpy()
    assert np.isnan(sums).tolist() == [False, False, True, False, False, False]
