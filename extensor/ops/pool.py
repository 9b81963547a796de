"""Pooling of images (N, C, *size) over one, two or three axes, by windows of a fixed size.

Windows of two axes (and of one, as two) that end inside of the padding have kernels of their own;
the others are `extensor.kernels.pool_general`. The gradient of a maximum goes to the first largest
of its window, row by row; that of a mean to all pixels of it, equally.
"""

from math import prod
from typing import Any, NamedTuple

import numpy as np

from extensor.errors import ShapeError
from extensor.kernels import front as kernels
from extensor.kernels import pool_general as general
from extensor.kernels.pool_general import Pool
from extensor.ops.gather import take_along_axis_grad
from extensor.ops.reduce import max as largest
from extensor.ops.reduce import mean
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import reshape

Pair = tuple[int, int]


class Family(NamedTuple):
    """The rows of one number of axes."""

    max: Op
    avg: Op
    avg_grad: Op


def size_of(name: str, shape: Any, rank: int) -> tuple[int, ...]:
    """The size of images of this shape; ShapeError where the number of axes is another."""
    if len(shape) != rank + 2:
        raise ShapeError(
            f"{name}: shape {tuple(shape)}; allowed: {rank + 2} axes, (N, C, {rank} axes of size)"
        )
    return tuple(shape[2:])


def _up(x: Any) -> Any:
    """An image of one axis as one of two."""
    return x[:, :, None]


def _how(pool: Pool) -> dict[str, Any]:
    """Kernel, stride and padding of the kernels of two axes."""
    one = len(pool.size) == 1
    return {
        "kernel": (1, *pool.kernel) if one else pool.kernel,
        "stride": (1, *pool.stride) if one else pool.stride,
        "padding": (0, *pool.padding) if one else pool.padding,
    }


def _is_plain(kernel: Any, stride: Any, padding: Any) -> bool:
    """Whether the words are already those of the kernels of two axes: what a step does most."""
    return type(kernel) is type(stride) is tuple and (padding == 0 or type(padding) is tuple)


def _max_pick(gg: Any, x: Any, y: Any, kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> Any:
    """The transpose of `max_pool2d_grad`: what gg holds at the first largest x of each window."""
    if stride == kernel and padding == (0, 0):
        marks = kernels.max_pool2d_grad(np.ones_like(y), x, y, kernel, stride, padding)
        return kernels.avg_pool2d(gg * marks, kernel, stride) * gg.dtype.type(kernel[0] * kernel[1])
    pool = Pool("max_pool2d_pick", x.shape[2:], kernel, stride, padding, False)
    return general.pick(gg, general.window_argmax(x, pool.places()))


def spread_back(g: Any, index: Any, x_shape: tuple[int, ...]) -> Any:
    """The gradient g of what stands at these places of images."""
    flat = (*g.shape[:2], prod(g.shape[2:]))
    at = reshape(index, shape=flat)
    dx = take_along_axis_grad(reshape(g, shape=flat), at, axis=2, count=prod(x_shape[2:]))
    return reshape(dx, shape=x_shape)


def _family(rank: int, image: tuple[int, ...]) -> Family:
    most, avg = f"max_pool{rank}d", f"avg_pool{rank}d"

    def pool_of(name: str, shape: Any, kernel: Any, stride: Any, padding: Any, ceil: bool) -> Pool:
        return Pool(name, size_of(name, shape, rank), kernel, stride, padding, ceil)

    # maximum ----------------------------------------------------------------------------------
    def max_pool(
        x: Any, kernel: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False
    ) -> Any:
        if rank == 2 and not ceil_mode and _is_plain(kernel, stride, padding):
            return kernels.max_pool2d(x, kernel, stride, padding or (0, 0))
        pool = pool_of(most, x.shape, kernel, stride, padding, ceil_mode)
        if rank == 3 or not pool.inside:
            return general.pick(x, general.window_argmax(x, pool.places()))
        y = kernels.max_pool2d(x if rank == 2 else _up(x), **_how(pool))
        return y.reshape(*x.shape[:2], *pool.out)

    def max_pool_grad(
        g: Any, y: Any, x: Any, kernel: Any, stride: Any = None, padding: Any = 0,
        ceil_mode: bool = False,
    ) -> Any:  # fmt: skip
        if rank == 2 and not ceil_mode and _is_plain(kernel, stride, padding):
            how = {"kernel": kernel, "stride": stride, "padding": padding or (0, 0)}
            return (max_pool2d_grad(g, x, y, **how),)
        pool = pool_of(most, x.shape, kernel, stride, padding, ceil_mode)
        if rank == 3 or not pool.inside:
            return (spread_back(g, window_argmax(x, places=pool.places()), x.shape),)
        gs = (g, x, y) if rank == 2 else (_up(g), _up(x), _up(y))
        return (reshape(max_pool2d_grad(*gs, **_how(pool)), shape=x.shape),)

    # mean -------------------------------------------------------------------------------------
    def avg_pool(
        x: Any, kernel: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> Any:  # fmt: skip
        pool = pool_of(avg, x.shape, kernel, stride, padding, ceil_mode)
        if rank == 3 or not pool.inside or not (count_include_pad or max(pool.padding) == 0):
            return general.mean(x, pool, count_include_pad)
        y = kernels.avg_pool2d(x if rank == 2 else _up(x), **_how(pool))
        return y.reshape(*x.shape[:2], *pool.out)

    def avg_pool_grad(
        g: Any, x_shape: tuple[int, ...], kernel: Any, stride: Any = None, padding: Any = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
    ) -> Any:  # fmt: skip
        pool = pool_of(f"{avg}_grad", x_shape, kernel, stride, padding, ceil_mode)
        if g.shape != (*x_shape[:2], *pool.out):
            raise ShapeError(
                f"{avg}_grad: g has shape {g.shape}; the other sizes ask for "
                f"{(*x_shape[:2], *pool.out)}"
            )
        if rank == 3 or not pool.inside or not (count_include_pad or max(pool.padding) == 0):
            return general.mean_grad(g, pool, count_include_pad)
        if rank == 2:
            return kernels.avg_pool2d_grad(g, x_shape, **_how(pool))
        up = (*x_shape[:2], 1, x_shape[2])
        return kernels.avg_pool2d_grad(_up(g), up, **_how(pool)).reshape(x_shape)

    shapes = ((2, 2, *image),)
    even = {"kernel": 2, "stride": 2}
    over = {"kernel": (3, 2, 2)[:rank], "stride": (2, 1, 2)[:rank], "padding": 1, "ceil_mode": True}
    words = ({"kernel": (2, 2), "stride": (2, 2)},) if rank == 2 else ()
    words = (*words, even, {"kernel": 3, "padding": 1}, over)
    more = {"kernel": 3, "stride": 2, "padding": 1, "count_include_pad": False}

    def turned(how: dict[str, Any]) -> Sample:
        pool = Pool(avg, image, how["kernel"], how.get("stride"), how.get("padding", 0),
                    how.get("ceil_mode", False))  # fmt: skip
        return Sample(((2, 2, *pool.out),), {"x_shape": shapes[0], **how})

    rows: Family = Family(
        op(most, max_pool, max_pool_grad,
           "the largest of every window; ceil_mode: windows may end outside of the padding",
           saves=(0, "y"), samples=tuple(Sample(shapes, how) for how in words)),
        op(avg, avg_pool,
           lambda g, y, x, **how: (rows.avg_grad(g, x_shape=x.shape, **how),),
           "the mean of every window; padding counts as zeros, or (count_include_pad=False) not",
           result="float", samples=tuple(Sample(shapes, how) for how in (*words, more))),
        op(f"{avg}_grad", avg_pool_grad,
           lambda gg, y, g, x_shape, **how: (rows.avg(gg, **how),),
           "g shared equally by every window", method=False, result="float",
           samples=tuple(turned(how) for how in (*words, more))),
    )  # fmt: skip
    return rows


_IMAGE = (2, 3, 6, 6)
_WORDS: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 2)}
_OVER: dict[str, Any] = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}
_PLACES = {"places": (np.array([[0, 1], [2, 2]]), np.array([[0, 1, 2], [1, 2, 3]]))}

# fmt: off
window_argmax: Op = op(
    "window_argmax", general.window_argmax, None,
    "where the first largest of each window stands, counted row by row in its image",
    result="index", method=False, samples=(Sample(((2, 2, 3, 4),), _PLACES),))
max_pool2d_grad: Op = op(
    "max_pool2d_grad", kernels.max_pool2d_grad,
    lambda gg, out, g, x, y, kernel, stride, padding=(0, 0): (
        max_pool2d_pick(gg, x, y, kernel=kernel, stride=stride, padding=padding), None, None),
    "g at the first largest of every window", saves=(1, 2), method=False,
    samples=(Sample(((2, 3, 3, 3), _IMAGE, (2, 3, 3, 3)), _WORDS),))
max_pool2d_pick: Op = op(
    "max_pool2d_pick", _max_pick,
    lambda g, out, gg, x, y, kernel, stride, padding=(0, 0): (
        max_pool2d_grad(g, x, y, kernel=kernel, stride=stride, padding=padding), None, None),
    "the numbers at the first largest x of every window", saves=(1, 2), method=False,
    samples=(Sample((_IMAGE, _IMAGE, (2, 3, 3, 3)), _WORDS),))
# fmt: on
LINE, PLANE, SPACE = (_family(1, (7,)), _family(2, (5, 6)), _family(3, (4, 3, 5)))
max_pool1d, avg_pool1d, avg_pool1d_grad = LINE
max_pool2d, avg_pool2d, avg_pool2d_grad = PLANE
max_pool3d, avg_pool3d, avg_pool3d_grad = SPACE


def global_avg_pool(x: Any, *, keepdims: bool = False) -> Any:
    """The mean over all axes of size: (N, C, *size) to (N, C), or (N, C, 1, ..) with ``keepdims``.

    >>> import extensor as ex
    >>> ex.global_avg_pool([[[1.0, 2.0], [3.0, 5.0]]]).tolist()
    [[1.5, 4.0]]
    """
    return mean(x, axis=tuple(range(2, np.ndim(x))), keepdims=keepdims)


def global_max_pool(x: Any, *, keepdims: bool = False) -> Any:
    """The largest over all axes of size: (N, C, *size) to (N, C); equal ones share a gradient.

    >>> import extensor as ex
    >>> ex.global_max_pool([[[1.0, 2.0], [3.0, 5.0]]]).tolist()
    [[2.0, 5.0]]
    """
    return largest(x, axis=tuple(range(2, np.ndim(x))), keepdims=keepdims)
