"""Windows over any number of axes: strides, padding that may differ at the two ends, dilation.

Along one axis a window of ``k`` taps, ``d`` apart, covers ``d (k - 1) + 1`` places; it stands at
``n = (size + low + high - d (k - 1) - 1) // stride + 1`` of them. `extensor.kernels.window` is the
case of two axes, equal padding and d = 1, which has fast kernels.
"""

from collections.abc import Iterator
from itertools import product
from operator import index
from typing import Any, NamedTuple

import numpy as np

from extensor.errors import ShapeError

Ints = tuple[int, ...]
Both = tuple[tuple[int, int], ...]


class Windows(NamedTuple):
    """Taps, steps, (low, high) padding and distance of taps, an entry for each axis."""

    kernel: Ints
    stride: Ints
    padding: Both
    dilation: Ints

    @property
    def plain(self) -> bool:
        """Whether taps are neighbours and both ends have the same padding."""
        return all(a == b for a, b in self.padding) and all(d == 1 for d in self.dilation)

    def out(self, op: str, size: Ints) -> Ints:
        """How many places there are along each axis; ShapeError where one has none.

        >>> windows("conv2d", (3, 3), 1, "same").out("conv2d", (5, 4))
        (5, 4)
        """
        room = [
            n + a + b - d * (k - 1) - 1
            for n, k, (a, b), d in zip(size, self.kernel, self.padding, self.dilation, strict=True)
        ]
        if min(room) < 0:
            raise ShapeError(
                f"{op}: the kernel {self.kernel} (dilation {self.dilation}) is larger than the "
                f"image {tuple(size)} with padding {self.padding}; take a smaller kernel or more "
                "padding"
            )
        return tuple(r // s + 1 for r, s in zip(room, self.stride, strict=True))


def each(op: str, name: str, value: Any, rank: int, least: int = 1) -> Ints:
    """One number for all axes, or one for each.

    >>> each("conv2d", "stride", 2, 2), each("conv2d", "stride", (1, 3), 2)
    ((2, 2), (1, 3))
    """
    try:
        many = (index(value),) * rank
    except TypeError:
        try:
            many = tuple(index(v) for v in value)
        except TypeError:
            many = ()
    if len(many) != rank or min(many, default=least) < least:
        raise ShapeError(
            f"{op}: {name}={value!r}; allowed: an integer from {least} on, or {rank} of them"
        )
    return many


def windows(op: str, kernel: Any, stride: Any, padding: Any = 0, dilation: Any = 1) -> Windows:
    """The windows that these words describe; ``kernel`` has an entry for each axis.

    padding
        One number, one for each axis, a pair (low, high) for each, ``"valid"`` (none) or ``"same"``
        (as many places as the image has; the odd one goes to the high end).

    >>> windows("conv1d", (4,), 1, "same").padding
    ((1, 2),)
    """
    rank = len(kernel)
    kernel, stride = each(op, "kernel", kernel, rank), each(op, "stride", stride, rank)
    dilation = each(op, "dilation", dilation, rank)
    if isinstance(padding, str):
        if padding not in ("same", "valid") or (padding == "same" and max(stride) > 1):
            raise ShapeError(
                f"{op}: padding={padding!r}, stride={stride}; allowed: integers, 'valid', and "
                "'same' with stride 1"
            )
        total = [d * (k - 1) * (padding == "same") for k, d in zip(kernel, dilation, strict=True)]
        return Windows(kernel, stride, tuple((t // 2, t - t // 2) for t in total), dilation)
    if isinstance(padding, tuple | list) and padding and isinstance(padding[0], tuple | list):
        flat = each(op, "padding", [v for ends in padding for v in ends], 2 * rank, 0)
        return Windows(kernel, stride, tuple(zip(flat[::2], flat[1::2], strict=True)), dilation)
    ends = each(op, "padding", padding, rank, 0)
    return Windows(kernel, stride, tuple((p, p) for p in ends), dilation)


def padded(x: Any, padding: Both, value: float = 0.0) -> Any:
    """x with a border around its last axes; x itself without padding.

    >>> padded(np.ones((1, 1)), ((1, 0),)).tolist()
    [[0.0, 1.0]]
    """
    if not any(map(any, padding)):
        return x
    lead = ((0, 0),) * (x.ndim - len(padding))
    return np.pad(x, (*lead, *padding), constant_values=value)


def taps(x: Any, win: Windows, out: Ints) -> Iterator[Any]:
    """For each tap, row by row: the view (..., *out) of a padded image that it reads.

    >>> x, w = np.arange(5).reshape(1, 1, 5), windows("conv1d", (2,), 2)
    >>> [part[0, 0].tolist() for part in taps(x, w, (2,))]
    [[0, 2], [1, 3]]
    """
    for tap in product(*map(range, win.kernel)):
        yield x[
            (
                ...,
                *(
                    slice(t * d, t * d + s * (n - 1) + 1, s)
                    for t, d, s, n in zip(tap, win.dilation, win.stride, out, strict=True)
                ),
            )
        ]


def cropped(x: Any, padding: Both, size: Ints) -> Any:
    """What `padded` put the border around: the inverse, a view.

    >>> cropped(np.arange(4), ((1, 1),), (2,)).tolist()
    [1, 2]
    """
    return x[(..., *(slice(a, a + n) for (a, _), n in zip(padding, size, strict=True)))]
