"""What a thread of the fast CUDA quantizers works on: units of eight neighbours in a row.

Lane l of a warp has unit l, so 4 lanes share an MX block, 2 an NVFP4 block and n / 8 a block of
the Hadamard transform; a thread has two units, a warp of units apart, all loaded before the first
is used. Units past the end repeat the last: their lanes take part in exchanges and store nothing.
"""

import numpy as np
from numba import cuda, njit

from extensor.kernels import ptx
from extensor.kernels.quantize import cuda_rotate as rotations
from extensor.kernels.quantize import cuda_words as words

FLOAT32, BFLOAT16, FLOAT16 = 0, 1, 2
"""Sources: the type of the numbers."""
THREADS = 256
UNITS = 2 * THREADS
"""Units of a thread block."""

_8, _16 = np.uint64(16), np.uint64(16)


@njit()
def first_unit():
    """The first unit of this thread; the second is 32 units on."""
    t = np.uint32(cuda.threadIdx.x)
    inside = np.uint32((t & np.uint32(0xE0)) << np.uint32(1)) | np.uint32(t & np.uint32(31))
    return np.uint32(np.uint32(cuda.blockIdx.x) * np.uint32(UNITS) + inside)
