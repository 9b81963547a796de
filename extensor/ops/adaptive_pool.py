"""Pooling by windows whose size follows from the number of places that is asked for.

Of n pixels, window i of o reaches from ``floor(i n / o)`` to ``ceil((i + 1) n / o)``. A mean is
linear in each axis, so it is a product with a small matrix along each.
"""

from typing import Any, NamedTuple

import numpy as np

from extensor.backend import library_of
from extensor.errors import ShapeError
from extensor.kernels import pool_general as general
from extensor.kernels.pool_general import Places
from extensor.ops.pool import size_of, spread_back, window_argmax
from extensor.ops.registry import Op, Sample, op


class Family(NamedTuple):
    """The rows of one number of axes."""

    avg: Op
    avg_grad: Op
    max: Op


def _averages(n: int, size: int, dtype: Any, library: Any) -> Any:
    """The matrix (size, n) whose rows are the windows of an axis of n, each of sum 1."""
    i = np.arange(size)[:, None]
    at = np.arange(n)
    inside = (at >= i * n // size) & (at < -(-(i + 1) * n // size))
    return library.asarray((inside / inside.sum(axis=1, keepdims=True)).astype(dtype))


def _times(x: Any, axis: int, matrix: Any) -> Any:
    return np.moveaxis(np.matmul(np.moveaxis(x, axis, -1), matrix), -1, axis)


def _family(rank: int, image: tuple[int, ...]) -> Family:
    fit_avg, fit_max = f"adaptive_avg_pool{rank}d", f"adaptive_max_pool{rank}d"

    def adaptive_avg(x: Any, output_size: Any) -> Any:
        size = size_of(fit_avg, x.shape, rank)
        out = general.output_sizes(fit_avg, size, output_size)
        for axis, (n, o) in enumerate(zip(size, out, strict=True), 2):
            x = _times(x, axis, _averages(n, o, x.dtype, library_of(x)).T)
        return x

    def adaptive_avg_grad(g: Any, x_shape: tuple[int, ...], output_size: Any) -> Any:
        name = f"{fit_avg}_grad"
        size = size_of(name, x_shape, rank)
        out = general.output_sizes(name, size, output_size)
        if g.shape != (*x_shape[:2], *out):
            raise ShapeError(f"{name}: g has shape {g.shape}; allowed: {(*x_shape[:2], *out)}")
        for axis, (n, o) in enumerate(zip(size, out, strict=True), 2):
            g = _times(g, axis, _averages(n, o, g.dtype, library_of(g)))
        return g

    def places(shape: Any, output_size: Any) -> Places:
        return general.adaptive_places(fit_max, size_of(fit_max, shape, rank), output_size)

    def adaptive_max(x: Any, output_size: Any) -> Any:
        return general.pick(x, general.window_argmax(x, places(x.shape, output_size)))

    shapes = ((2, 2, *image),)
    sizes: tuple[dict[str, Any], ...] = (
        {"output_size": 2}, {"output_size": (3, None, 1)[:rank]},
    )  # fmt: skip
    rows: Family = Family(
        op(fit_avg, adaptive_avg,
           lambda g, y, x, output_size: (
               rows.avg_grad(g, x_shape=x.shape, output_size=output_size),),
           "the means of output_size windows, i from floor(i n / o) to ceil((i + 1) n / o)",
           result="float", samples=tuple(Sample(shapes, how) for how in sizes)),
        op(f"{fit_avg}_grad", adaptive_avg_grad,
           lambda gg, y, g, x_shape, output_size: (rows.avg(gg, output_size=output_size),),
           "g shared equally by every window of fitted size", method=False, result="float",
           samples=tuple(
               Sample(((2, 2, *general.output_sizes(fit_avg, image, how["output_size"])),),
                      {"x_shape": shapes[0], **how}) for how in sizes)),
        op(fit_max, adaptive_max,
           lambda g, y, x, output_size: (
               spread_back(g, window_argmax(x, places=places(x.shape, output_size)), x.shape),),
           "the largest of output_size windows, i from floor(i n / o) to ceil((i + 1) n / o)",
           saves=(0,), samples=tuple(Sample(shapes, how) for how in sizes)),
    )  # fmt: skip
    return rows


LINE, PLANE, SPACE = (_family(1, (7,)), _family(2, (5, 6)), _family(3, (4, 3, 5)))
adaptive_avg_pool1d, adaptive_avg_pool1d_grad, adaptive_max_pool1d = LINE
adaptive_avg_pool2d, adaptive_avg_pool2d_grad, adaptive_max_pool2d = PLANE
adaptive_avg_pool3d, adaptive_avg_pool3d_grad, adaptive_max_pool3d = SPACE
