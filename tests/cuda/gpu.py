"""Whether there is a GPU to test on, and arrays that find mistakes."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extensor.backend import to_device


def require_gpu() -> None:
    """Skip the module where CuPy or a GPU is missing."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed (extra: cuda)")
    try:
        found = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"no GPU: {error}", allow_module_level=True)
    if not found:
        pytest.skip("no GPU", allow_module_level=True)


def hard(shape: tuple[int, ...], seed: int, dtype: Any = np.float32) -> NDArray[Any]:
    """Normal numbers over many binades, with zeros of both signs, ties and subnormals."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * np.exp2(rng.integers(-6, 7, shape))
    x = np.where(rng.random(shape) < 0.1, np.round(x * 4) / 4, x)
    x = np.where(rng.random(shape) < 0.05, rng.choice([0.0, -0.0, 1e-40, -1e-40], shape), x)
    return np.asarray(x, dtype)


def gpu(x: Any) -> Any:
    """A copy on the GPU."""
    return to_device(x, "cuda")


def host(x: Any) -> Any:
    """A copy on the host."""
    return to_device(x, "cpu")


def same(a: Any, b: Any) -> None:
    """The arrays are equal byte for byte (``a`` may lie on the GPU)."""
    host = a.get() if hasattr(a, "get") else np.asarray(a)
    b = np.asarray(b)
    assert host.shape == b.shape and host.dtype == b.dtype, (host.shape, host.dtype, b.shape)
    unequal = np.frombuffer(host.tobytes(), np.uint8) != np.frombuffer(b.tobytes(), np.uint8)
    assert not unequal.any(), f"{int(unequal.sum())} of {unequal.size} bytes differ"
