"""Convolution (cross-correlation) and pooling of images, N x C x H x W.

A convolution is linear in each operand, so its two gradients are ops whose gradients are
convolutions again.
"""

from typing import Any

import numpy as np

from extensor.errors import ShapeError
from extensor.ops.registry import Sample, op

Pair = tuple[int, int]


def output_size(n: int, k: int, stride: int, padding: int) -> int:
    """Positions of a window of k on an axis of n: ``(n + 2 padding - k) // stride + 1``.

    >>> output_size(28, 5, 1, 2)
    28
    """
    return (n + 2 * padding - k) // stride + 1


def _check(name: str, x: Any, kernel: Pair, stride: Pair, padding: Pair) -> None:
    if x.ndim != 4:
        raise ShapeError(f"{name}: shape {x.shape}; allowed: (N, C, H, W)")
    for n, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True):
        if s < 1 or p < 0 or k < 1 or output_size(n, k, s, p) < 1:
            raise ShapeError(
                f"{name}: window {kernel} with stride {stride} and padding {padding} does not fit "
                f"an image of {x.shape[2:]}"
            )


def windows(x: Any, kernel: Pair, stride: Pair, padding: Pair, fill: float = 0.0) -> Any:
    """A view (N, C, Ho, Wo, kh, kw) of every window."""
    (ph, pw), (sh, sw) = padding, stride
    if ph or pw:
        x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, kernel, (2, 3))[:, :, ::sh, ::sw]


def unwindow(parts: Any, shape: tuple[int, ...], stride: Pair, padding: Pair) -> Any:
    """The transpose of `windows`: every window added back to its place."""
    n, c, h, w = shape
    (ph, pw), (sh, sw) = padding, stride
    ho, wo, kh, kw = parts.shape[2:]
    out = np.zeros((n, c, h + 2 * ph, w + 2 * pw), parts.dtype)
    for i in range(kh):
        for j in range(kw):
            out[:, :, i : i + sh * ho : sh, j : j + sw * wo : sw] += parts[..., i, j]
    return out[:, :, ph : ph + h, pw : pw + w]


def _conv2d(x: Any, w: Any, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> Any:
    if w.ndim != 4 or x.ndim != 4 or x.shape[1] != w.shape[1]:
        raise ShapeError(
            f"conv2d: shapes {x.shape} and {w.shape}; allowed: (N, C, H, W) and (O, C, kh, kw)"
        )
    _check("conv2d", x, w.shape[2:], stride, padding)
    view = windows(x, w.shape[2:], stride, padding)
    return np.einsum("nchwij,ocij->nohw", view, w, optimize=True)


def _input_grad(
    g: Any, w: Any, x_shape: tuple[int, ...], stride: Pair = (1, 1), padding: Pair = (0, 0)
) -> Any:
    parts = np.einsum("nohw,ocij->nchwij", g, w, optimize=True)
    return unwindow(parts, x_shape, stride, padding)


def _weight_grad(
    g: Any, x: Any, w_shape: tuple[int, ...], stride: Pair = (1, 1), padding: Pair = (0, 0)
) -> Any:
    view = windows(x, w_shape[2:], stride, padding)[:, :, : g.shape[2], : g.shape[3]]
    return np.einsum("nohw,nchwij->ocij", g, view, optimize=True)


def _conv2d_grad(
    g: Any, y: Any, x: Any, w: Any, stride: Pair = (1, 1), padding: Pair = (0, 0)
) -> tuple[Any, ...]:
    how = {"stride": stride, "padding": padding}
    dx = conv2d_input_grad(g, w, x_shape=x.shape, **how) if x.requires_grad else None
    return dx, conv2d_weight_grad(g, x, w_shape=w.shape, **how)


def _max_pool(x: Any, kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> Any:
    _check("max_pool2d", x, kernel, stride, padding)
    return windows(x, kernel, stride, padding, -np.inf).max((-2, -1))


def _first_max(x: Any, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    view = windows(x, kernel, stride, padding, -np.inf)
    return view.reshape(*view.shape[:4], -1).argmax(-1)


def _max_pool_grad(
    g: Any, x: Any, y: Any, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
) -> Any:
    first = _first_max(x, kernel, stride, padding)
    hit = np.arange(kernel[0] * kernel[1]) == first[..., None]
    parts = np.where(hit, g[..., None], g.dtype.type(0))
    return unwindow(parts.reshape(*g.shape, *kernel), x.shape, stride, padding)


def _max_pool_pick(
    gg: Any, x: Any, y: Any, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
) -> Any:
    first = _first_max(x, kernel, stride, padding)
    view = windows(gg, kernel, stride, padding)
    flat = view.reshape(*view.shape[:4], -1)
    return np.take_along_axis(flat, first[..., None], -1)[..., 0]


def _avg_pool(x: Any, kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> Any:
    _check("avg_pool2d", x, kernel, stride, padding)
    return windows(x, kernel, stride, padding).mean((-2, -1), dtype=x.dtype)


def _avg_pool_grad(
    g: Any, x_shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair = (0, 0)
) -> Any:
    share = g / g.dtype.type(kernel[0] * kernel[1])
    parts = np.broadcast_to(share[..., None, None], (*g.shape, *kernel))
    return unwindow(parts, x_shape, stride, padding)


_IMAGE = (2, 3, 6, 6)
_CONV = (
    Sample((_IMAGE, (4, 3, 3, 3))),
    Sample((_IMAGE, (2, 3, 3, 2)), {"stride": (2, 1), "padding": (1, 1)}),
)
_POOL = (
    Sample((_IMAGE,), {"kernel": (2, 2), "stride": (2, 2)}),
    Sample((_IMAGE,), {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}),
)

conv2d = op("conv2d", _conv2d, _conv2d_grad,
            "y[n,o,i,j] = sum over c, p, q of x[n,c,i s+p,j s+q] w[o,c,p,q]",
            saves=(0, 1), samples=_CONV)  # fmt: skip
conv2d_input_grad = op(
    "conv2d_input_grad", _input_grad,
    lambda gg, y, g, w, x_shape, stride=(1, 1), padding=(0, 0): (
        conv2d(gg, w, stride=stride, padding=padding),
        conv2d_weight_grad(g, gg, w_shape=w.shape, stride=stride, padding=padding)),
    "the gradient of conv2d for x: g spread back through w", saves=(0, 1), method=False,
    samples=(Sample(((2, 4, 4, 4), (4, 3, 3, 3)), {"x_shape": _IMAGE}),))  # fmt: skip
conv2d_weight_grad = op(
    "conv2d_weight_grad", _weight_grad,
    lambda gg, y, g, x, w_shape, stride=(1, 1), padding=(0, 0): (
        conv2d(x, gg, stride=stride, padding=padding),
        conv2d_input_grad(g, gg, x_shape=x.shape, stride=stride, padding=padding)),
    "the gradient of conv2d for w: g correlated with x", saves=(0, 1), method=False,
    samples=(Sample(((2, 4, 4, 4), _IMAGE), {"w_shape": (4, 3, 3, 3)}),))  # fmt: skip
max_pool2d = op(
    "max_pool2d", _max_pool,
    lambda g, y, x, kernel, stride, padding=(0, 0): (
        max_pool2d_grad(g, x, y, kernel=kernel, stride=stride, padding=padding),),
    "the largest of every window", saves=(0, "y"), samples=_POOL)  # fmt: skip
max_pool2d_grad = op(
    "max_pool2d_grad", _max_pool_grad,
    lambda gg, out, g, x, y, kernel, stride, padding=(0, 0): (
        max_pool2d_pick(gg, x, y, kernel=kernel, stride=stride, padding=padding), None, None),
    "g at the first largest of every window", saves=(1, 2), method=False,
    samples=(Sample(((2, 3, 3, 3), _IMAGE, (2, 3, 3, 3)), _POOL[0].attributes),))  # fmt: skip
max_pool2d_pick = op(
    "max_pool2d_pick", _max_pool_pick,
    lambda g, out, gg, x, y, kernel, stride, padding=(0, 0): (
        max_pool2d_grad(g, x, y, kernel=kernel, stride=stride, padding=padding), None, None),
    "the numbers at the first largest x of every window", saves=(1, 2), method=False,
    samples=(Sample((_IMAGE, _IMAGE, (2, 3, 3, 3)), _POOL[0].attributes),))  # fmt: skip
avg_pool2d = op(
    "avg_pool2d", _avg_pool,
    lambda g, y, x, kernel, stride, padding=(0, 0): (
        avg_pool2d_grad(g, x_shape=x.shape, kernel=kernel, stride=stride, padding=padding),),
    "the mean of every window, padding counted as zeros", result="float", samples=_POOL)  # fmt: skip
avg_pool2d_grad = op(
    "avg_pool2d_grad", _avg_pool_grad,
    lambda gg, y, g, x_shape, kernel, stride, padding=(0, 0): (
        avg_pool2d(gg, kernel=kernel, stride=stride, padding=padding),),
    "g shared equally by every window", method=False, result="float",
    samples=(Sample(((2, 3, 3, 3),), {"x_shape": _IMAGE, **_POOL[0].attributes}),))  # fmt: skip
