"""Dropout on CUDA: `extensor.kernels.dropout` for device arrays, four numbers a thread."""

from typing import Any

import numpy as np
from numba import cuda, types

from extensor.backend import contiguous, cupy, pointer
from extensor.capture import key_arguments
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.dropout import threshold_of
from extensor.kernels.keys_cuda import key_words
from extensor.kernels.memory import read_f32, read_f64, write_f32, write_f64
from extensor.kernels.quantize.cuda_noise import philox4
from extensor.noise import Key

THREADS, EACH = 256, 4
_u64, _i64 = types.uint64, types.int64


@cuda_kernel(_u64, _i64, _i64, _i64, types.float64, _u64, _u64, _u64, _u64)
def drop(  # type: ignore[no-untyped-def]
    x: Any, n: Any, width: Any, threshold: Any, scale: Any, key: Any, stream: Any, seed: Any,
    out: Any,
):  # fmt: skip
    """x scale where the word of its index is at least the threshold, else 0."""
    i = cuda.grid(1)
    if EACH * i < n:
        own = key_words(key, stream, seed)
        low, high = np.uint32(i), np.uint32(np.uint64(i) >> np.uint64(32))
        words = philox4(low, high, own[0], own[1])
        for lane in range(EACH):
            at = EACH * i + lane
            if at < n:
                kept = np.int64(np.uint32(words[lane])) >= threshold
                if width == 8:
                    place = np.uint64(8 * at)
                    write_f64(out + place, read_f64(x + place) * scale if kept else 0.0)
                else:
                    place = np.uint64(4 * at)
                    v = np.float32(read_f32(x + place) * np.float32(scale))
                    write_f32(out + place, v if kept else np.float32(0))


def dropout(x: Any, p: float, key: Key) -> Any:
    """`extensor.kernels.dropout.dropout` of a device array."""
    flat = contiguous(x).reshape(-1)
    out = cupy().empty(flat.size, flat.dtype)
    drop.launch(
        blocks_for(flat.size, EACH * THREADS), THREADS,
        pointer(flat), flat.size, flat.dtype.itemsize, threshold_of(p), 1 / (1 - p),
        *key_arguments(key), pointer(out),
    )  # fmt: skip
    return out.reshape(x.shape)
