"""``quantize`` of patches on CUDA: E2M1 blocks straight from the images, bit for bit the CPU's.

What the fused kernels lack (other formats and roundings) is written out as a matrix first.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from extensor.errors import ShapeError
from extensor.formats import Block
from extensor.kernels.choice import Choice
from extensor.kernels.im2col_cuda import patches, patches_transposed
from extensor.kernels.packed import Packed
from extensor.kernels.quantize.cuda import quantize
from extensor.kernels.quantize.cuda_anywhere import Words, quantize_anywhere_cuda
from extensor.kernels.quantize.cuda_anywhere import patches as patches_of
from extensor.kernels.quantize.dispatch import check_choice
from extensor.kernels.window import Pair, four, out_size
from extensor.noise import Key


def quantize_patches(
    x: Any,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    *,
    fmt: Block,
    choice: Choice,
    key: Key | None = None,
    along: Literal["K", "T"] = "K",
    offset: int = 0,
    hadamard: int = 0,
    signs: Sequence[int] = (),
) -> Packed:
    """`extensor.kernels.quantize_patches.quantize_patches` of a device array."""
    _, c, h, w = four("quantize_patches", "x", x.shape)
    out = out_size("quantize_patches", (h, w), kernel, stride, padding)
    if along not in ("K", "T"):
        raise ShapeError(f"quantize_patches: along={along!r}; allowed: 'K', 'T'")
    check_choice(fmt, choice, key)
    k, signs = c * kernel[0] * kernel[1], tuple(signs)
    strides = (0, k, 1) if along == "K" else (0, 1, k)
    if x.dtype == np.float32 and fmt.shape[0] == 1:
        source = patches_of(x, kernel, stride, padding, out, along)
        words = Words(key, offset, *strides[1:])
        done = quantize_anywhere_cuda(source, fmt, choice, words, hadamard, signs)
        if done is not None:
            return done
    written = patches if along == "K" else patches_transposed
    matrix = written(x, kernel, stride, padding)
    return quantize(matrix[None], fmt, choice, key, strides, offset, hadamard, signs)
