"""Convolution (cross-correlation) over one, two or three axes, and its transpose.

A convolution is linear in each operand, so its two gradients are ops whose gradients are
convolutions again. Images are (N, C, *size), weights (O, C / groups, *kernel).

Two axes (and one, as two) with neighbouring taps, equal padding and one group have kernels of their
own; everything else is `extensor.kernels.conv_general`.
"""

from typing import Any, NamedTuple

from extensor.errors import DTypeError, ShapeError
from extensor.kernels import conv_general as general
from extensor.kernels import front as kernels
from extensor.kernels.geometry import Windows, each, windows
from extensor.ops.coerce import tensors
from extensor.ops.registry import Op, Sample, op

ONES = (1, 1)


class Conv(NamedTuple):
    """The three rows of one number of axes."""

    forward: Op
    input_grad: Op
    weight_grad: Op


def check_conv(
    name: str, x_shape: Any, w_shape: Any, groups: int, stride: Any, padding: Any, dilation: Any
) -> tuple[Windows, tuple[int, ...]]:
    """The windows and the shape of the answer; ShapeError where sizes do not fit.

    >>> check_conv("conv1d", (2, 4, 8), (6, 2, 3), 2, 1, 0, 1)[1]
    (2, 6, 6)
    """
    rank = int(name[4])
    fits = len(x_shape) == len(w_shape) == rank + 2 and groups >= 1
    if not fits or x_shape[1] != w_shape[1] * groups or w_shape[0] % groups:
        raise ShapeError(
            f"{name}: shapes {tuple(x_shape)} and {tuple(w_shape)} with groups={groups}; allowed: "
            f"(N, C, {rank} axes) and (O, C / groups, {rank} axes), groups a divisor of C and O"
        )
    win = windows(name, tuple(w_shape[2:]), stride, padding, dilation)
    return win, (x_shape[0], w_shape[0], *win.out(name, tuple(x_shape[2:])))


def _check_g(name: str, g: Any, shape: tuple[int, ...]) -> None:
    if g.shape != shape:
        raise ShapeError(f"{name}: g has shape {g.shape}; the other sizes ask for {shape}")


def as_plane(win: Windows) -> dict[str, Any] | None:
    """Stride and padding of the kernels of two axes, or None where they do not apply.

    >>> as_plane(windows("conv1d", (3,), 2, 1))
    {'stride': (1, 2), 'padding': (0, 1)}
    """
    if not win.plain or len(win.kernel) > 2:
        return None
    lead = (1,) * (2 - len(win.kernel))
    low = tuple(a for a, _ in win.padding)
    return {"stride": (*lead, *win.stride), "padding": (*(0 for _ in lead), *low)}


def _is_plain(stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    """Whether the words are already those of the kernels of two axes: what a step does most."""
    return (
        groups == 1 and (dilation == 1 or dilation == ONES)
        and type(stride) is tuple and type(padding) is tuple
        and len(stride) == 2 and len(padding) == 2 and type(padding[0]) is int
    )  # fmt: skip


def _up(x: Any) -> Any:
    """An image of one axis as one of two, a view."""
    return x[:, :, None] if x.ndim == 3 else x


def _shape_up(shape: Any) -> tuple[int, ...]:
    return (*shape[:2], 1, *shape[2:]) if len(shape) == 3 else tuple(shape)


def _family(rank: int, samples: tuple[Sample, ...]) -> Conv:
    name = f"conv{rank}d"

    def forward(
        x: Any, w: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> Any:
        if rank == 2 and _is_plain(stride, padding, dilation, groups):
            return kernels.conv2d(x, w, stride, padding)
        win, shape = check_conv(name, x.shape, w.shape, groups, stride, padding, dilation)
        how = as_plane(win) if groups == 1 else None
        _check_floats(name, x, w)
        if how is None:
            return general.conv(x, w, win, groups, shape[2:])
        return kernels.conv2d(_up(x), _up(w), **how).reshape(shape)

    def input_grad(
        g: Any, w: Any, x_shape: tuple[int, ...], stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Any:  # fmt: skip
        if rank == 2 and _is_plain(stride, padding, dilation, groups):
            return kernels.conv2d_input_grad(g, w, x_shape, stride, padding)
        win, shape = check_conv(name, x_shape, w.shape, groups, stride, padding, dilation)
        _check_g(f"{name}_input_grad", g, shape)
        how = as_plane(win) if groups == 1 else None
        _check_floats(f"{name}_input_grad", g, w)
        if how is None:
            return general.input_grad(g, w, tuple(x_shape), win, groups)
        up = _shape_up(x_shape)
        return kernels.conv2d_input_grad(_up(g), _up(w), up, **how).reshape(x_shape)

    def weight_grad(
        g: Any, x: Any, w_shape: tuple[int, ...], stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Any:  # fmt: skip
        if rank == 2 and _is_plain(stride, padding, dilation, groups):
            return kernels.conv2d_weight_grad(g, x, w_shape, stride, padding)
        win, shape = check_conv(name, x.shape, w_shape, groups, stride, padding, dilation)
        _check_g(f"{name}_weight_grad", g, shape)
        how = as_plane(win) if groups == 1 else None
        _check_floats(f"{name}_weight_grad", g, x)
        if how is None:
            return general.weight_grad(g, x, tuple(w_shape), win, groups)
        up = _shape_up(w_shape)
        return kernels.conv2d_weight_grad(_up(g), _up(x), up, **how).reshape(w_shape)

    def grad(g: Any, y: Any, x: Any, w: Any, **how: Any) -> tuple[Any, ...]:
        dx = rows.input_grad(g, w, x_shape=x.shape, **how) if x.requires_grad else None
        if not w.requires_grad:
            return dx, None
        return dx, rows.weight_grad(g, x, w_shape=w.shape, **how)

    def input_second(gg: Any, y: Any, g: Any, w: Any, x_shape: Any, **how: Any) -> tuple[Any, ...]:
        return rows.forward(gg, w, **how), rows.weight_grad(g, gg, w_shape=w.shape, **how)

    def weight_second(gg: Any, y: Any, g: Any, x: Any, w_shape: Any, **how: Any) -> tuple[Any, ...]:
        return rows.forward(x, gg, **how), rows.input_grad(g, gg, x_shape=x.shape, **how)

    turned = [_samples_of_grads(name, s) for s in samples]
    rows: Conv = Conv(
        op(name, forward, grad,
           "y[n, o, i] = sum over c, t of x[n, c, i stride + t dilation - padding] w[o, c, t], "
           "c over the channels of the group of o",
           saves=(0, 1), samples=samples),
        op(f"{name}_input_grad", input_grad, input_second,
           f"the gradient of {name} for x: g spread back through w",
           saves=(0, 1), method=False, samples=tuple(a for a, _ in turned)),
        op(f"{name}_weight_grad", weight_grad, weight_second,
           f"the gradient of {name} for w: g correlated with x",
           saves=(0, 1), method=False, samples=tuple(b for _, b in turned)),
    )  # fmt: skip
    return rows


def _check_floats(name: str, *arrays: Any) -> None:
    for a in arrays:
        if a.dtype.kind != "f":
            raise DTypeError(f"{name}: an operand is {a.dtype}; it takes floats; cast it first")


def _samples_of_grads(name: str, sample: Sample) -> tuple[Sample, Sample]:
    """The samples of the two gradients that belong to one of a convolution."""
    x, w = sample.shapes
    how = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, **sample.attributes}
    _, g = check_conv(name, x, w, **how)
    given = dict(sample.attributes)
    return Sample((g, w), {"x_shape": x, **given}), Sample((g, x), {"w_shape": w, **given})


_IMAGE = (2, 3, 6, 6)
LINE, PLANE, SPACE = (
    _family(1, (
        Sample(((2, 3, 7), (4, 3, 3)), {"stride": 2, "padding": 1}),
        Sample(((2, 4, 7), (6, 2, 2)), {"groups": 2, "dilation": 2, "padding": "same"}),
    )),
    _family(2, (
        Sample((_IMAGE, (4, 3, 3, 3))),
        Sample((_IMAGE, (2, 3, 3, 2)), {"stride": (2, 1), "padding": (1, 1)}),
        Sample(((2, 3, 5, 4), (6, 1, 2, 3)),
               {"groups": 3, "stride": 2, "padding": ((1, 0), (2, 1))}),
        Sample(((1, 2, 6, 5), (2, 2, 2, 2)), {"dilation": (3, 2), "padding": 1}),
    )),
    _family(3, (
        Sample(((1, 2, 3, 4, 3), (2, 2, 2, 2, 2)), {"stride": (1, 2, 1), "padding": (1, 0, 1)}),
        Sample(((1, 2, 4, 3, 3), (2, 1, 2, 2, 1)), {"groups": 2, "dilation": (2, 1, 1)}),
    )),
)  # fmt: skip
conv1d, conv1d_input_grad, conv1d_weight_grad = LINE
conv2d, conv2d_input_grad, conv2d_weight_grad = PLANE
conv3d, conv3d_input_grad, conv3d_weight_grad = SPACE
FAMILIES = {1: LINE, 2: PLANE, 3: SPACE}


def transposed_shape(
    name: str, x_shape: Any, w_shape: Any, stride: Any, padding: Any, output_padding: Any,
    dilation: Any, groups: int,
) -> tuple[tuple[int, ...], dict[str, Any]]:  # fmt: skip
    """The shape of a transposed convolution's answer, and the words of its convolution.

    >>> transposed_shape("conv_transpose1d", (1, 4, 3), (4, 2, 2), 2, 0, 1, 1, 1)[0]
    (1, 2, 7)
    """
    rank = int(name[-2])
    if len(x_shape) != rank + 2 or len(w_shape) != rank + 2 or x_shape[1] != w_shape[0]:
        raise ShapeError(
            f"{name}: shapes {tuple(x_shape)} and {tuple(w_shape)}; allowed: (N, C, {rank} axes) "
            f"and (C, O / groups, {rank} axes)"
        )
    if isinstance(padding, str):
        raise ShapeError(f"{name}: padding={padding!r}; allowed: integers from 0 on")
    win = windows(name, tuple(w_shape[2:]), stride, padding, dilation)
    more = each(name, "output_padding", output_padding, rank, 0)
    if any(m >= s for m, s in zip(more, win.stride, strict=True)):
        raise ShapeError(
            f"{name}: output_padding {more} with stride {win.stride}; allowed: 0 .. stride - 1"
        )
    size = [
        (n - 1) * s - a - b + d * (k - 1) + m + 1
        for n, s, (a, b), d, k, m in zip(
            x_shape[2:], win.stride, win.padding, win.dilation, win.kernel, more, strict=True
        )
    ]
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (x_shape[0], w_shape[1] * groups, *size), how


def _transpose(name: str, x: Any, w: Any, output_padding: Any, how: dict[str, Any]) -> Any:
    x, w = tensors(x, w)
    shape, how = transposed_shape(name, x.shape, w.shape, output_padding=output_padding, **how)
    return FAMILIES[int(name[-2])].input_grad(x, w, x_shape=shape, **how)


def conv_transpose1d(
    x: Any, w: Any, *, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """The transpose of `conv1d`: x (N, C, L) and w (C, O / groups, k) to (N, O, Lo).

    ``y[n, o, i stride + t dilation - padding] += x[n, c, i] w[c, o, t]``, with
    ``Lo = (L - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1``. ShapeError where
    sizes do not fit.

    >>> import extensor as ex
    >>> ex.conv_transpose1d([[[1.0, 2.0]]], [[[1.0, 1.0]]], stride=2).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _transpose("conv_transpose1d", x, w, output_padding, how)


def conv_transpose2d(
    x: Any, w: Any, *, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """The transpose of `conv2d`: x (N, C, H, W), w (C, O / groups, kh, kw); see `conv_transpose1d`.

    >>> import extensor as ex
    >>> x, w = (ex.ExTensor[ex.float32].ones(s) for s in [(1, 3, 4, 4), (3, 2, 2, 2)])
    >>> ex.conv_transpose2d(x, w, stride=2).shape
    (1, 2, 8, 8)
    """
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _transpose("conv_transpose2d", x, w, output_padding, how)


def conv_transpose3d(
    x: Any, w: Any, *, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """The transpose of `conv3d`: x (N, C, D, H, W), w (C, O / groups, kd, kh, kw).

    See `conv_transpose1d` for the formula.

    >>> import extensor as ex
    >>> x, w = (ex.ExTensor[ex.float32].ones(s) for s in [(1, 3, 2, 2, 2), (3, 2, 2, 2, 2)])
    >>> ex.conv_transpose3d(x, w).shape
    (1, 2, 3, 3, 3)
    """
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _transpose("conv_transpose3d", x, w, output_padding, how)
