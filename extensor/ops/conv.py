"""Convolution (cross-correlation) and pooling of images, N x C x H x W.

A convolution is linear in each operand, so its two gradients are ops whose gradients are
convolutions again.
"""

from typing import Any

import numpy as np

from extensor.kernels import front as kernels
from extensor.ops.registry import Op, Sample, op

Pair = tuple[int, int]


def _conv2d_grad(
    g: Any, y: Any, x: Any, w: Any, stride: Pair = (1, 1), padding: Pair = (0, 0)
) -> tuple[Any, ...]:
    how = {"stride": stride, "padding": padding}
    dx = conv2d_input_grad(g, w, x_shape=x.shape, **how) if x.requires_grad else None
    return dx, conv2d_weight_grad(g, x, w_shape=w.shape, **how)


def _max_pool_pick(
    gg: Any, x: Any, y: Any, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
) -> Any:
    """The transpose of `max_pool2d_grad`: what gg holds at the first largest x of each window.

    Row i of the identity, spread back by the gradient, marks the place of window i.
    """
    marks = kernels.max_pool2d_grad(np.ones_like(y), x, y, kernel, stride, padding)
    if stride == kernel and padding == (0, 0):
        return kernels.avg_pool2d(gg * marks, kernel, stride) * gg.dtype.type(kernel[0] * kernel[1])
    picked = np.empty_like(y)
    for at in np.ndindex(y.shape[2:]):
        one = np.zeros_like(y)
        one[(..., *at)] = 1
        spread = kernels.max_pool2d_grad(one, x, y, kernel, stride, padding)
        picked[(..., *at)] = (spread * gg).sum((2, 3))
    return picked


_IMAGE = (2, 3, 6, 6)
_CONV = (
    Sample((_IMAGE, (4, 3, 3, 3))),
    Sample((_IMAGE, (2, 3, 3, 2)), {"stride": (2, 1), "padding": (1, 1)}),
)
_POOL = (
    Sample((_IMAGE,), {"kernel": (2, 2), "stride": (2, 2)}),
    Sample((_IMAGE,), {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}),
)

# fmt: off
conv2d: Op = op("conv2d", kernels.conv2d, _conv2d_grad,
            "y[n,o,i,j] = sum over c, p, q of x[n,c,i s+p,j s+q] w[o,c,p,q]",
            saves=(0, 1), samples=_CONV)
conv2d_input_grad: Op = op(
    "conv2d_input_grad", kernels.conv2d_input_grad,
    lambda gg, y, g, w, x_shape, stride=(1, 1), padding=(0, 0): (
        conv2d(gg, w, stride=stride, padding=padding),
        conv2d_weight_grad(g, gg, w_shape=w.shape, stride=stride, padding=padding)),
    "the gradient of conv2d for x: g spread back through w", saves=(0, 1), method=False,
    samples=(Sample(((2, 4, 4, 4), (4, 3, 3, 3)), {"x_shape": _IMAGE}),))
conv2d_weight_grad: Op = op(
    "conv2d_weight_grad", kernels.conv2d_weight_grad,
    lambda gg, y, g, x, w_shape, stride=(1, 1), padding=(0, 0): (
        conv2d(x, gg, stride=stride, padding=padding),
        conv2d_input_grad(g, gg, x_shape=x.shape, stride=stride, padding=padding)),
    "the gradient of conv2d for w: g correlated with x", saves=(0, 1), method=False,
    samples=(Sample(((2, 4, 4, 4), _IMAGE), {"w_shape": (4, 3, 3, 3)}),))
max_pool2d: Op = op(
    "max_pool2d", kernels.max_pool2d,
    lambda g, y, x, kernel, stride, padding=(0, 0): (
        max_pool2d_grad(g, x, y, kernel=kernel, stride=stride, padding=padding),),
    "the largest of every window", saves=(0, "y"), samples=_POOL)
max_pool2d_grad: Op = op(
    "max_pool2d_grad", kernels.max_pool2d_grad,
    lambda gg, out, g, x, y, kernel, stride, padding=(0, 0): (
        max_pool2d_pick(gg, x, y, kernel=kernel, stride=stride, padding=padding), None, None),
    "g at the first largest of every window", saves=(1, 2), method=False,
    samples=(Sample(((2, 3, 3, 3), _IMAGE, (2, 3, 3, 3)), _POOL[0].attributes),))
max_pool2d_pick: Op = op(
    "max_pool2d_pick", _max_pool_pick,
    lambda g, out, gg, x, y, kernel, stride, padding=(0, 0): (
        max_pool2d_grad(g, x, y, kernel=kernel, stride=stride, padding=padding), None, None),
    "the numbers at the first largest x of every window", saves=(1, 2), method=False,
    samples=(Sample((_IMAGE, _IMAGE, (2, 3, 3, 3)), _POOL[0].attributes),))
avg_pool2d: Op = op(
    "avg_pool2d", kernels.avg_pool2d,
    lambda g, y, x, kernel, stride, padding=(0, 0): (
        avg_pool2d_grad(g, x_shape=x.shape, kernel=kernel, stride=stride, padding=padding),),
    "the mean of every window, padding counted as zeros", result="float", samples=_POOL)
avg_pool2d_grad: Op = op(
    "avg_pool2d_grad", kernels.avg_pool2d_grad,
    lambda gg, y, g, x_shape, kernel, stride, padding=(0, 0): (
        avg_pool2d(gg, kernel=kernel, stride=stride, padding=padding),),
    "g shared equally by every window", method=False, result="float",
    samples=(Sample(((2, 3, 3, 3),), {"x_shape": _IMAGE, **_POOL[0].attributes}),))
# fmt: on
