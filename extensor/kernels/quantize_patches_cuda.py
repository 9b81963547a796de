"""``quantize`` of patches on CUDA: the patch matrix is written, then quantized."""

from typing import Any, Literal

from extensor.errors import ShapeError
from extensor.formats import Block
from extensor.kernels.choice import Choice
from extensor.kernels.im2col_cuda import patches, patches_transposed
from extensor.kernels.packed import Packed
from extensor.kernels.quantize.cuda import quantize
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
) -> Packed:
    """`extensor.kernels.quantize_patches.quantize_patches` of a device array."""
    _, c, h, w = four("quantize_patches", "x", x.shape)
    out_size("quantize_patches", (h, w), kernel, stride, padding)
    if along not in ("K", "T"):
        raise ShapeError(f"quantize_patches: along={along!r}; allowed: 'K', 'T'")
    check_choice(fmt, choice, key)
    if along == "K":
        rows = patches(x, kernel, stride, padding)
        return quantize(rows[None], fmt, choice, key, None, offset)
    columns = patches_transposed(x, kernel, stride, padding)
    strides = (0, 1, c * kernel[0] * kernel[1])
    return quantize(columns[None], fmt, choice, key, strides, offset)
