"""Convolution on CUDA: patches times weights by cuBLASLt, a run of images at a time.

A run holds at most `ENTRIES` entries of the patch matrix, so the scratch memory is bounded. Sums
are cuBLASLt's (float32 products are not rounded to TF32): the same bits on every run on one GPU,
not those of the CPU. float16 is summed in float32 and rounded once at the end.
"""

from typing import Any

import numpy as np

from extensor.backend import cupy
from extensor.kernels.conv.api import all_float32, check, check_grad
from extensor.kernels.im2col_cuda import fold, patches
from extensor.kernels.images_cuda import images_of, rows_of
from extensor.kernels.index_cuda import spans
from extensor.kernels.matmul.cuda_dense import dense
from extensor.kernels.window import Pair, four

ENTRIES = 1 << 28
"""Entries of the patch matrix at a time: 1 GiB of float32."""


def _types(*operands: Any) -> tuple[Any, Any]:
    """(the type of the answer, the type of the sums)"""
    dtype = np.result_type(*(a.dtype for a in operands))
    return dtype, np.dtype(np.float32) if dtype == np.float16 else dtype


def _runs(op: str, n: int, places: Any, w_shape: tuple[int, ...]) -> Any:
    """(first, count) of runs of images with (n, places) windows of these weights."""
    return spans(op, n, places * int(np.prod(w_shape[1:])), ENTRIES)


def conv2d(x: Any, w: Any, stride: Pair = (1, 1), padding: Pair = (0, 0), bias: Any = None) -> Any:
    """`extensor.kernels.conv.api.conv2d` of device arrays: y (N, O, Ho, Wo), C-contiguous."""
    out = check(x, w, stride, padding, bias)
    given = (x, w) if bias is None else (x, w, bias)
    all_float32("conv2d", *given)
    dtype, kind = _types(*given)
    library, n, size = cupy(), x.shape[0], (w.shape[2], w.shape[3])
    flat = w.astype(kind, copy=False).reshape(len(w), -1).T
    places = out[0] * out[1]
    rows = library.empty((n * places, len(w)), kind)
    for first, count in _runs("conv2d", n, places, w.shape):
        part = x[first : first + count].astype(kind, copy=False)
        to = rows[first * places : (first + count) * places]
        dense(patches(part, size, stride, padding), flat, out=to)
    if bias is not None:
        rows += bias.astype(kind, copy=False)
    return images_of(rows, n, *out).astype(dtype, copy=False)


def conv2d_input_grad(
    g: Any, w: Any, x_shape: tuple[int, ...], stride: Pair = (1, 1), padding: Pair = (0, 0)
) -> Any:
    """`extensor.kernels.conv.api.conv2d_input_grad` of device arrays: dx of ``x_shape``."""
    op = "conv2d_input_grad"
    xs, ws = four(op, "x", x_shape), four(op, "w", w.shape)
    check_grad(op, g, xs, ws, stride, padding)
    all_float32(op, g, w)
    dtype, kind = _types(g, w)
    library = cupy()
    flat = w.astype(kind, copy=False).reshape(ws[0], -1)
    dx = library.empty(xs, kind)
    for first, count in _runs(op, xs[0], g.shape[2] * g.shape[3], ws):
        rows = rows_of(g[first : first + count].astype(kind, copy=False))
        shape = (count, *xs[1:])
        part = fold(dense(rows, flat), shape, (ws[2], ws[3]), stride, padding)
        if count == xs[0]:
            dx = part
        else:
            dx[first : first + count] = part
    return dx.astype(dtype, copy=False)


def conv2d_weight_grad(
    g: Any, x: Any, w_shape: tuple[int, ...], stride: Pair = (1, 1), padding: Pair = (0, 0)
) -> Any:
    """`extensor.kernels.conv.api.conv2d_weight_grad` of device arrays: dw of ``w_shape``."""
    op = "conv2d_weight_grad"
    xs, ws = four(op, "x", x.shape), four(op, "w", w_shape)
    check_grad(op, g, xs, ws, stride, padding)
    all_float32(op, g, x)
    dtype, kind = _types(g, x)
    library = cupy()
    dw = library.zeros((ws[0], int(np.prod(ws[1:]))), kind)
    for first, count in _runs(op, xs[0], g.shape[2] * g.shape[3], ws):
        rows = rows_of(g[first : first + count].astype(kind, copy=False))
        part = x[first : first + count].astype(kind, copy=False)
        dw += dense(rows.T, patches(part, (ws[2], ws[3]), stride, padding))
    return dw.reshape(ws).astype(dtype, copy=False)
