"""ReLU and the optimizers' arithmetic on a GPU: the CPU's bits, and nothing waits."""

from typing import Any

import numpy as np
import pytest

from extensor.backend import cupy
from extensor.errors import DTypeError, ShapeError
from extensor.formats import (
    BF16,
    E4M3,
)
from extensor.kernels import elementwise, update
from tests.cuda.gpu import gpu, hard, host, require_gpu, same
from tests.kernels.blocks import equal

require_gpu()

from extensor.kernels import (  # noqa: E402
    cast_cuda,
    elementwise_cuda,
    hadamard_cuda,
    im2col_cuda,
    pool_cuda,
    update_cuda,
)

SIZES = (1, 7, 8, 255, 2049)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_relu(dtype: Any) -> None:
    for n in SIZES:
        x, g = hard((n,), n, dtype), hard((n,), n + 1, dtype)
        x[::3], x[1::7] = np.nan, -np.inf
        y = host(elementwise_cuda.relu(gpu(x)))
        np.testing.assert_array_equal(y, elementwise.relu(x))
        if dtype == np.float32:
            equal(y, elementwise.relu(x), n)
        same(elementwise_cuda.relu_grad(gpu(g), gpu(x)), elementwise.relu_grad(g, x))
        cut = elementwise_cuda.relu_grad(gpu(g)[1:], gpu(x)[1:])
        same(cut, elementwise.relu_grad(g[1:], x[1:]))
    assert host(elementwise_cuda.relu(gpu(np.array(-2, dtype)))).item() == 0
    with pytest.raises(ShapeError):
        elementwise_cuda.relu_grad(gpu(g), gpu(g[:3]))


def on_both(name: str, count: int, n: int, *coefficients: float) -> None:
    """Run an update on both devices, with coefficients as numbers and as device arrays."""
    arrays = [hard((n,), i) for i in range(count)]
    if name == "adam":
        arrays[1] = abs(arrays[1])
    first, second = ([gpu(a) for a in arrays] for _ in range(2))
    getattr(update_cuda, name)(*first, *coefficients)
    here = [gpu(np.full(1, c, np.float32)) for c in coefficients]
    getattr(update_cuda, name)(*second, *here)
    rounded = [float(np.float32(c)) for c in coefficients]
    copies = [a.copy() for a in arrays]
    getattr(update, name)(*arrays, *coefficients)
    getattr(update, name)(*copies, *rounded)
    for a, b, c, d in zip(first, arrays, second, copies, strict=True):
        same(a, b)
        same(c, d)


@pytest.mark.parametrize("n", SIZES)
def test_update(n: int) -> None:
    on_both("add_scaled", 2, n, -0.1)
    on_both("scale", 1, n, 1 / 3)
    on_both("clamp", 1, n, 0.7)
    on_both("momentum", 2, n, 0.9)
    on_both("nesterov", 2, n, 0.9)
    on_both("adam", 3, n, 0.9, 0.999, 1.7, 2.3, 1e-8)
    x = np.array([np.nan, 3, -3], np.float32)
    y = gpu(x)
    update.clamp(x, 1.0)
    update_cuda.clamp(y, 1.0)
    equal(host(y), x, "NaN")
    with pytest.raises(DTypeError, match="allowed: a Python float"):
        update_cuda.scale(y, gpu(np.zeros(1)))


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 4095, 4096, 4097, 12345, 100_003])
def test_square_sum(n: int) -> None:
    x = hard((n,), n)
    same(update_cuda.square_sum(gpu(x)), np.array([update.square_sum(x)]))


def test_nothing_waits() -> None:
    """Twins can be captured in a CUDA graph, and a rate on the device changes between replays."""
    library = cupy()
    x, y = gpu(hard((4, 3, 8, 8), 1)), gpu(np.ones(768, np.float32))
    flat, rate = x.reshape(-1), gpu(np.full(1, 0.5, np.float32))

    def step() -> list[Any]:
        update_cuda.add_scaled(y, flat, rate)
        cols = im2col_cuda.patches(x, (3, 3), (1, 1), (1, 1))
        maxima = pool_cuda.max_pool2d(x, (2, 2))
        return [
            y,
            cast_cuda.encode_elements(x, BF16),
            cast_cuda.encode_elements(x, E4M3),
            hadamard_cuda.hadamard(x.reshape(1, 12, 64), 32),
            im2col_cuda.fold(cols, x.shape, (3, 3), (1, 1), (1, 1)),
            pool_cuda.max_pool2d_grad(maxima, x, maxima, (2, 2)),
            elementwise_cuda.relu(x),
            update_cuda.square_sum(flat),
        ]

    stream = library.cuda.Stream(non_blocking=True)
    library.cuda.runtime.deviceSynchronize()
    with stream:
        wanted = [host(a) for a in step()]
        stream.begin_capture()
        kept = step()
        graph = stream.end_capture()
        rate.fill(-0.5)
        graph.launch()
        stream.synchronize()
        for a, b in zip(kept[1:], wanted[1:], strict=True):
            same(a, b)
        after = host(y)
    cpu = np.ones(768, np.float32)
    update.add_scaled(cpu, host(flat), 0.5)
    update.add_scaled(cpu, host(flat), -0.5)
    np.testing.assert_array_equal(after, cpu)
