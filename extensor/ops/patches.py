"""The windows of images as rows of a matrix, and back: two linear ops, each other's transpose.

A convolution is the linear layer of its patches; see `extensor.ops.gemm_conv`.
"""

from math import prod
from typing import Any

from extensor.errors import ShapeError
from extensor.kernels import conv_general as general
from extensor.kernels import front as kernels
from extensor.kernels.geometry import Ints, Windows, windows
from extensor.ops.conv import as_plane
from extensor.ops.registry import Op, Sample, op


def _windows(
    name: str, shape: Any, kernel: Ints, stride: Any, padding: Any, dilation: Any
) -> tuple[Windows, Ints]:
    rank = len(kernel)
    if len(shape) != rank + 2 or rank < 1:
        raise ShapeError(
            f"{name}: images of shape {tuple(shape)} and a kernel {kernel}; allowed: (N, C, *size) "
            "with as many axes of size as the kernel has"
        )
    win = windows(name, tuple(kernel), stride, padding, dilation)
    return win, win.out(name, tuple(shape[2:]))


def _patches(
    x: Any, kernel: Ints, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Any:  # fmt: skip
    win, out = _windows("patches", x.shape, kernel, stride, padding, dilation)
    how = as_plane(win)
    if how is not None and len(kernel) == 2 and x.dtype.kind == "f":
        return kernels.patches(x, (kernel[0], kernel[1]), **how)
    return general.patches(x, win, out)


def _fold(
    cols: Any, x_shape: Ints, kernel: Ints, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Any:
    win, out = _windows("fold", x_shape, kernel, stride, padding, dilation)
    wanted = (x_shape[0] * prod(out), x_shape[1] * prod(win.kernel))
    if cols.shape != wanted:
        raise ShapeError(f"fold: a matrix of shape {cols.shape}; the other sizes ask for {wanted}")
    how = as_plane(win)
    if how is not None and len(kernel) == 2 and cols.dtype.kind == "f":
        return kernels.fold(cols, tuple(x_shape), (kernel[0], kernel[1]), **how)
    return general.fold(cols, tuple(x_shape), win, out)


_PLAIN: dict[str, Any] = {"kernel": (2, 3), "stride": 2, "padding": (1, 0)}
_SPREAD: dict[str, Any] = {"kernel": (2,), "dilation": 2, "padding": "same"}

# fmt: off
patches: Op = op(
    "patches", _patches,
    lambda g, y, x, **how: (fold(g, x_shape=x.shape, **how),),
    "the windows of x (N, C, *size) as rows (N places), columns (C, *kernel)", method=False,
    samples=(Sample(((2, 2, 4, 5),), _PLAIN), Sample(((2, 3, 5),), _SPREAD)))
fold: Op = op(
    "fold", _fold,
    lambda gg, y, cols, x_shape, **how: (patches(gg, **how),),
    "the transpose of patches: every pixel sums the entries that are copies of it", method=False,
    samples=(Sample(((12, 12),), {"x_shape": (2, 2, 4, 5), **_PLAIN}),
             Sample(((10, 6),), {"x_shape": (2, 3, 5), **_SPREAD})))
# fmt: on
