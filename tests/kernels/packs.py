"""Random packed operands: every code, mixed signs, scales that matter."""

import numpy as np
from numpy.typing import NDArray

from extensor.formats import DTYPES, E2M1, E8M0, FP32, Block
from extensor.kernels.packed import Packed, scale_shape

Codes = NDArray[np.uint8]
FORMATS = [fmt for fmt in DTYPES if isinstance(fmt, Block)]
OWN = Block(E2M1, (1, 16), E8M0)
WIDE = Block(E2M1, (1, 33), FP32)


def finite_codes(rng: np.random.Generator, fmt: Block, shape: tuple[int, int]) -> Codes:
    """Random codes of numbers: no NaN, no Inf."""
    allowed = np.flatnonzero(np.isfinite(fmt.element.values))
    return rng.choice(allowed, shape).astype(np.uint8)


def packed(seed: int, rows: int, length: int, fmt: Block, group: int | None = None) -> Packed:
    """Random codes in whole rows, the padding included: it must never be read as values."""
    rng = np.random.default_rng(seed)
    group = group if group and fmt.shape[0] > 1 else rows
    bits, bytes_ = fmt.packed_bits, fmt.row_bytes(length)
    count = bytes_ * 8 // bits
    codes = finite_codes(rng, fmt, (rows, count))
    binary = (codes[..., None] >> np.arange(bits) & 1).reshape(rows, count * bits)
    row_bytes = np.zeros((rows, bytes_), np.uint8)
    row_bytes[:] = np.packbits(binary.astype(np.uint8), axis=1, bitorder="little")
    shape = scale_shape(rows, length, group, fmt)
    if fmt.scale == E8M0:
        scales = rng.integers(118, 136, shape).astype(np.uint8)
    elif fmt.scale_storage.kind == "f":
        scales = rng.uniform(0.5, 2.0, shape).astype(fmt.scale_storage)
    else:
        scales = rng.integers(1, 120, shape).astype(fmt.scale_storage)
    second = 0.37 if fmt.tensor_scale else None
    return Packed(row_bytes, scales, second, fmt, length, group)
