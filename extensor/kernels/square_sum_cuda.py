"""The sum of squares on CUDA, in the order of `extensor.kernels.update.square_sum`.

That order is 64 running sums, so 64 threads of one block add while all its threads fetch the next
tile into registers. Zeros behind the end change no sum.
"""

from typing import Any

import numpy as np
from numba import cuda, types

from extensor.backend import cupy, pointer
from extensor.kernels.cuda import cuda_kernel
from extensor.kernels.memory import read_f32, write_f64
from extensor.kernels.update import LANES

THREADS, EACH = 512, 8
TILE = THREADS * EACH
_u64, _i64 = types.uint64, types.int64
_f32, _f64 = types.float32, types.float64


@cuda_kernel(_u64, _i64, _u64)
def sum_squares(x: Any, n: Any, out: Any):  # type: ignore[no-untyped-def]
    """One block; the sum as a float64."""
    tile = cuda.shared.array(TILE, _f32)
    lanes = cuda.shared.array(LANES, _f64)
    thread = cuda.threadIdx.x
    fetched = cuda.local.array(EACH, _f32)
    total = np.float64(0)
    for k in range(EACH):
        i = k * THREADS + thread
        tile[i] = read_f32(x + np.uint64(4 * i)) if i < n else np.float32(0)
    cuda.syncthreads()
    start = np.int64(0)
    while start < n:
        for k in range(EACH):
            i = start + TILE + k * THREADS + thread
            fetched[k] = read_f32(x + np.uint64(4 * i)) if i < n else np.float32(0)
        if thread < LANES:
            for row in range(TILE // LANES):
                v = np.float64(tile[row * LANES + thread])
                total += v * v
        cuda.syncthreads()
        for k in range(EACH):
            tile[k * THREADS + thread] = fetched[k]
        cuda.syncthreads()
        start += TILE
    if thread < LANES:
        lanes[thread] = total
    cuda.syncthreads()
    width = LANES // 2
    while width > 0:
        if thread < width:
            lanes[thread] += lanes[thread + width]
        cuda.syncthreads()
        width //= 2
    if thread == 0:
        write_f64(out, lanes[0])


def square_sum(x: Any) -> Any:
    """The sum of squares of a flat float32 device array, the same bits as on the CPU.

    Returns a float64 device array of shape (1,) instead of a Python float: nothing waits.
    """
    out = cupy().empty(1, np.float64)
    sum_squares.launch(1, THREADS, pointer(x), x.size, pointer(out))
    return out
