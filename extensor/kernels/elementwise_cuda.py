"""ReLU on CUDA: `extensor.kernels.elementwise` for device arrays, four float32 a thread.

Results are C-contiguous. Other float types take the array library's own functions.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import contiguous, cupy, pointer
from extensor.errors import ShapeError
from extensor.kernels import ptx
from extensor.kernels.cast_bf16_cuda import aligned
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.memory import read_i32, write_i32

THREADS, EACH = 256, 4
_u64, _i64 = types.uint64, types.int64


@njit()
def _gate(g: Any, y: Any, keep: Any) -> Any:
    """The bits ``g`` where the bits ``y`` are a positive number (or NaN, with ``keep``), else 0."""
    v = ptx.float32_of(y)
    return g if v > np.float32(0) or (keep and np.isnan(v)) else np.uint32(0)


@cuda_kernel(_u64, _i64, _i64, _u64)
def positive(x: Any, n: Any, vector: Any, out: Any):  # type: ignore[no-untyped-def]
    """max(x, 0); NaN stays NaN. vector: whether the addresses are multiples of 16."""
    i = EACH * cuda.grid(1)
    if vector != 0 and i + EACH <= n:
        a, b, c, d = ptx.load128(x + np.uint64(4 * i))
        ptx.store128(
            out + np.uint64(4 * i),
            _gate(a, a, True), _gate(b, b, True), _gate(c, c, True), _gate(d, d, True),
        )  # fmt: skip
        return
    for k in range(i, min(i + EACH, n)):
        v = np.uint32(read_i32(x + np.uint64(4 * k)))
        write_i32(out + np.uint64(4 * k), np.int32(_gate(v, v, True)))


@cuda_kernel(_u64, _u64, _i64, _i64, _u64)
def gated(g: Any, y: Any, n: Any, vector: Any, out: Any):  # type: ignore[no-untyped-def]
    """g where y > 0, else 0."""
    i = EACH * cuda.grid(1)
    if vector != 0 and i + EACH <= n:
        a, b, c, d = ptx.load128(g + np.uint64(4 * i))
        p, q, r, s = ptx.load128(y + np.uint64(4 * i))
        ptx.store128(
            out + np.uint64(4 * i),
            _gate(a, p, False), _gate(b, q, False), _gate(c, r, False), _gate(d, s, False),
        )  # fmt: skip
        return
    for k in range(i, min(i + EACH, n)):
        a = np.uint32(read_i32(g + np.uint64(4 * k)))
        p = np.uint32(read_i32(y + np.uint64(4 * k)))
        write_i32(out + np.uint64(4 * k), np.int32(_gate(a, p, False)))


def relu(x: Any) -> Any:
    """`extensor.kernels.elementwise.relu` of a device array."""
    if x.dtype != np.float32:
        return np.maximum(x, x.dtype.type(0))
    x = contiguous(x)
    y = cupy().empty(x.shape, np.float32)
    positive.launch(
        blocks_for(x.size, EACH * THREADS), THREADS,
        pointer(x), x.size, int(aligned(x, y)), pointer(y),
    )  # fmt: skip
    return y


def relu_grad(g: Any, y: Any) -> Any:
    """`extensor.kernels.elementwise.relu_grad` of device arrays."""
    if g.shape != y.shape:
        raise ShapeError(f"relu_grad: g {g.shape} and y {y.shape}; the shapes must be equal")
    if not g.dtype == y.dtype == np.float32:
        return np.where(y > 0, g, g.dtype.type(0))
    g, y = contiguous(g), contiguous(y)
    dx = cupy().empty(y.shape, np.float32)
    gated.launch(
        blocks_for(y.size, EACH * THREADS), THREADS,
        pointer(g), pointer(y), y.size, int(aligned(g, y, dx)), pointer(dx),
    )  # fmt: skip
    return dx
