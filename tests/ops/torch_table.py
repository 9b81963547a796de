"""What each row of the op table is in PyTorch, and on which operands the two are compared.

A row whose answer PyTorch has no word for stands in `WITHOUT`, with the reason and the reference
that it is tested against instead. Everything here is our own: PyTorch's public functions, or a few
of them put together.

Over 300 lines: one table, one line a row.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from extensor.ops.registry import Op, Sample
from extensor.ops.rows import ONE, TWO

Arrays = list[Any]


class Peer(NamedTuple):
    """A row in PyTorch.

    run
        The function of torch tensors and the row's attributes.
    prepare
        Makes operands that the row takes of those that were drawn: (arrays, attributes) to arrays.
    extra
        Further shapes and attributes: 0-d, size 0, what the row's own samples leave out.
    dtypes
        The float types in which the row computes.
    """

    run: Callable[..., Any]
    prepare: Callable[[Arrays, dict[str, Any]], Arrays] | None = None
    extra: tuple[Sample, ...] = ()
    dtypes: tuple[str, ...] = ("float64", "float32")


WITHOUT = {
    "quantize": ("PyTorch has no block formats", "tests/vectors and tests/oracle_blocks.py"),
    "unclipped": ("PyTorch has no block formats", "tests/test_autograd.py, by hand"),
}
"""Rows without an equivalent: the reason, and the reference they are tested against."""


def _shape(rng: Any, axes: int) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(0, 5, axes))


def random_samples(row: Op, seed: int) -> list[Sample]:
    """Seeded random shapes for rows that take any: 0-d, size 0, broadcast operands."""
    rng = np.random.default_rng(seed)
    one = [(), (0,), (3, 0, 2), *(_shape(rng, k) for k in (1, 2, 3, 4))]
    if row.samples[0] is ONE[0]:
        return [Sample((shape,), sample.attributes) for sample in row.samples for shape in one]
    if row.samples is TWO:
        pairs = [((), ()), ((0,), (1,)), ((), (3, 4)), ((2, 0), (1, 1)), ((2, 1, 3), (4, 1))]
        for shape in one[3:]:
            kept = rng.integers(0, 2, len(shape))
            cut = int(rng.integers(0, len(shape) + 1))
            other = tuple(n if k else 1 for n, k in zip(shape, kept, strict=True))[cut:]
            pairs.append((shape, other) if rng.integers(2) else (other, shape))
        return [Sample(pair) for pair in pairs]
    return []


def reductions(empty: bool) -> tuple[Sample, ...]:
    """0-d, several axes, and (where the row has a value for nothing) empty axes."""
    some = [
        Sample(((),)), Sample(((3, 2, 4),), {"axis": (2, 0)}), Sample(((0, 3),), {"axis": 1}),
        Sample(((2, 3),), {"axis": -2, "keepdims": True}), Sample(((1, 1),)),
    ]  # fmt: skip
    if empty:
        some += [Sample(((0, 3),), {"axis": 0}), Sample(((2, 0),)), Sample(((0,),), {"axis": 0})]
    return tuple(some)


def ints(arrays: Arrays, how: dict[str, Any]) -> Arrays:
    """Small integers."""
    return [np.abs(np.rint(a * 3)).astype(np.int64) for a in arrays]


def rounded(arrays: Arrays, how: dict[str, Any]) -> Arrays:
    """Whole numbers, zeros among them."""
    return [np.rint(a) for a in arrays]


def truths(arrays: Arrays, how: dict[str, Any]) -> Arrays:
    """True and False."""
    return [a > 0 for a in arrays]


def well_conditioned(arrays: Arrays, how: dict[str, Any]) -> Arrays:
    """Square matrices far from singular."""
    return [arrays[0] + 4 * np.eye(arrays[0].shape[-1]), *arrays[1:]]


def positive_definite(arrays: Arrays, how: dict[str, Any]) -> Arrays:
    """Symmetric matrices with eigenvalues above 1."""
    a = arrays[0]
    return [a @ np.swapaxes(a, -1, -2) + np.eye(a.shape[-1])]


def symmetric(arrays: Arrays, how: dict[str, Any]) -> Arrays:
    """Symmetric matrices."""
    return [arrays[0] + np.swapaxes(arrays[0], -1, -2)]


def tuple_of(n: Any, count: int) -> tuple[int, ...]:
    """One number for all axes, or one each."""
    return (n,) * count if isinstance(n, int) else tuple(n)


def peers(t: Any) -> dict[str, Peer]:
    """The table, for the module torch."""
    f = t.nn.functional

    def index_of(index: Any) -> Any:
        if isinstance(index, tuple):
            return tuple(t.from_numpy(i) if isinstance(i, np.ndarray) else i for i in index)
        return t.from_numpy(index) if isinstance(index, np.ndarray) else index

    def pulled(run: Any) -> Any:
        """The gradient of run at x, applied to g, as a function of both."""

        def back(g: Any, x: Any, **how: Any) -> Any:
            leaf = x if x.requires_grad else x.clone().requires_grad_(True)
            return t.autograd.grad(run(leaf, **how), leaf, g, create_graph=True)[0]

        return back

    def transpose_of(run: Any, shape: Any, *others: Any, like: Any) -> Any:
        """The linear map x to run(x, *others), transposed and applied to ``like``."""
        x = t.zeros(shape, dtype=like.dtype, requires_grad=True)
        return t.autograd.grad(run(x, *others), x, like, create_graph=True)[0]

    def standard(x: Any, eps: float = 1e-5, center: bool = True, axis: Any = -1) -> Any:
        x = x - x.mean(axis, keepdim=True) if center else x
        return x / (x.square().mean(axis, keepdim=True) + eps).sqrt()

    def padded(x: Any, kernel: Any, padding: Any, dilation: Any, value: float = 0.0) -> Any:
        axes = x.ndim - 2
        if padding == "same":
            total = [d * (k - 1) for k, d in zip(kernel, tuple_of(dilation, axes), strict=True)]
            pairs = [(n // 2, n - n // 2) for n in total]
        elif padding == "valid":
            pairs = [(0, 0)] * axes
        else:
            pairs = [p if isinstance(p, tuple) else (p, p) for p in (
                (padding,) * axes if isinstance(padding, int) else padding)]  # fmt: skip
        return f.pad(x, [n for pair in pairs[::-1] for n in pair], value=value)

    def conv(
        x: Any, w: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> Any:
        run = {3: f.conv1d, 4: f.conv2d, 5: f.conv3d}[x.ndim]
        wide = padded(x, w.shape[2:], padding, dilation)
        return run(wide, w, stride=stride, dilation=dilation, groups=groups)

    def conv_input(g: Any, w: Any, x_shape: Any, **how: Any) -> Any:
        return transpose_of(lambda x: conv(x, w, **how), x_shape, like=g)

    def conv_weight(g: Any, x: Any, w_shape: Any, **how: Any) -> Any:
        return transpose_of(lambda w: conv(x, w, **how), w_shape, like=g)

    def pool(run: Any) -> Any:
        def pooled(x: Any, kernel: Any, **how: Any) -> Any:
            return run(x, kernel, **how)

        return pooled

    def pool_grad(run: Any) -> Any:
        return lambda g, x_shape, **how: transpose_of(lambda x: run(x, **how), x_shape, like=g)

    def adaptive(run: Any) -> Any:
        def pooled(x: Any, output_size: Any) -> Any:
            one = isinstance(output_size, tuple) and len(output_size) == 1
            return run(x, output_size[0] if one else output_size)

        return pooled

    def pick(gg: Any, x: Any, y: Any, kernel: Any, **how: Any) -> Any:
        at = f.max_pool2d(x, kernel, return_indices=True, **how)[1]
        return gg.flatten(2).gather(2, at.flatten(2)).reshape(at.shape)

    def with_maximum(arrays: Arrays, how: dict[str, Any]) -> Arrays:
        how = dict(how)
        x = t.from_numpy(np.ascontiguousarray(arrays[1]))
        return [*arrays[:2], f.max_pool2d(x, how.pop("kernel"), **how).numpy()]

    def window_argmax(x: Any, places: Any) -> Any:
        r, c = (t.from_numpy(np.asarray(p)) for p in places)
        r, c = r[:, None, :, None], c[None, :, None, :]
        best = x[:, :, r, c].flatten(-2).argmax(-1)
        where = (r * x.shape[-1] + c).flatten(-2).expand(*best.shape, -1)
        return where.gather(-1, best[..., None])[..., 0]

    def patches(x: Any, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
        axes = x.ndim - 2
        x = padded(x, kernel, padding, dilation)
        strides, steps = tuple_of(stride, axes), tuple_of(dilation, axes)
        for k, s, d in zip(kernel, strides, steps, strict=True):
            x = x.unfold(2, d * (k - 1) + 1, s)[..., ::d].movedim(2, 1 + axes)
        places = tuple(range(2, 2 + axes))
        return x.permute(0, *places, 1, *(p + axes for p in places)).reshape(
            -1, x.shape[1] * int(np.prod(kernel))
        )

    def take(x: Any, index: Any, axis: int) -> Any:
        axis %= x.ndim
        return x.index_select(axis, index.flatten() % x.shape[axis]).unflatten(axis, index.shape)

    def take_grad(g: Any, index: Any, axis: int, count: int) -> Any:
        axis %= g.ndim - index.ndim + 1
        shape = (*g.shape[:axis], count, *g.shape[axis + index.ndim :])
        return transpose_of(lambda x: take(x, index, axis), shape, like=g)

    def along_grad(g: Any, index: Any, axis: int, count: int) -> Any:
        shape = list(g.shape)
        shape[axis] = count
        return t.zeros(shape, dtype=g.dtype).scatter_add(axis, index % count, g)

    def set_item(x: Any, v: Any, index: Any) -> Any:
        y = x.clone()
        y[index_of(index)] = v
        return y

    def softmax_grad(g: Any, y: Any, axis: int = -1) -> Any:
        return y * (g - (g * y).sum(axis, keepdim=True))

    def cross_entropy(
        z: Any, labels: Any, ignore_index: int = -100, label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> Any:  # fmt: skip
        losses = f.cross_entropy(z.flatten(0, -2), labels.flatten(), ignore_index=ignore_index,
                                 label_smoothing=label_smoothing, reduction=reduction)  # fmt: skip
        return losses.reshape(labels.shape) if reduction == "none" else losses

    def ce_rows(z: Any, labels: Any, **how: Any) -> Any:
        return t.autograd.grad(cross_entropy(z, labels, **how).sum(), z, create_graph=True)[0]

    def mse(a: Any, b: Any, reduction: str = "mean") -> Any:
        return f.mse_loss(*t.broadcast_tensors(a, b), reduction=reduction)

    def rope(
        x: Any, positions: Any = None, base: float = 10000.0, offset: int = 0,
        interleaved: bool = False, inverse: bool = False,
    ) -> Any:  # fmt: skip
        n, width = x.shape[-2:]
        at = t.arange(n) if positions is None else positions
        rates = base ** (-t.arange(0, width, 2, dtype=t.float64) / width)
        turn = t.polar(t.ones_like(rates), (at + offset)[..., None] * rates)
        turn = (turn.conj() if inverse else turn).to(t.complex128 if x.dtype == t.float64 else
                                                     t.complex64)  # fmt: skip
        pairs = x.unflatten(-1, (-1, 2)) if interleaved else x.unflatten(-1, (2, -1)).mT
        turned = t.view_as_real(t.view_as_complex(pairs.contiguous()) * turn)
        return (turned if interleaved else turned.mT).flatten(-2)

    def weights(scores: Any, *mask: Any, causal: bool = False, scale: float = 1.0) -> Any:
        x, seen = scores * scale, t.ones(scores.shape, dtype=t.bool)
        if causal:
            seen = seen.tril()
        for m in mask:
            if m.dtype == t.bool:
                seen = seen & m
            else:
                x = x + m
        return t.softmax(x.masked_fill(~seen, -1e30), -1) * seen

    def reduce(run: Any) -> Any:
        """Of a PyTorch reduction with ``dim`` and ``keepdim``."""

        def reduced(x: Any, axis: Any = None, keepdims: bool = False, **how: Any) -> Any:
            dim = tuple(range(x.ndim)) if axis is None else axis
            return run(x, dim=dim, keepdim=keepdims, **how)

        return reduced

    def one_at_a_time(run: Any) -> Any:
        """Of a PyTorch reduction that takes a single axis."""

        def reduced(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
            axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
            for a in sorted((a % x.ndim for a in axes), reverse=True):
                x = run(x, dim=a, keepdim=keepdims)
            return x

        return reduced

    def dropout(x: Any, p: float, key: Any = None) -> Any:
        from extensor import ExTensor, float32, ops

        ones = ExTensor[float32].ones(tuple(x.shape))
        return x * t.from_numpy(np.array(ops.dropout(ones, p=p, key=key).numpy())).to(x.dtype)

    def rotate(x: Any, n: int, axis: int, signs: Any) -> Any:
        h = t.ones(1, 1, dtype=x.dtype)
        while len(h) < n:
            h = t.cat([t.cat([h, h], 1), t.cat([h, -h], 1)])
        parts, start = [], 0
        x = x.movedim(axis, -1)
        while start < x.shape[-1]:
            left = x.shape[-1] - start
            size = n if left >= n else 1 << (left.bit_length() - 1)
            s = t.tensor(signs[:size] or [1] * size, dtype=x.dtype)
            parts.append((x[..., start : start + size] * s) @ h[:size, :size] / size**0.5)
            start += size
        return t.cat(parts, -1).movedim(-1, axis)

    def linear_scan(a: Any, b: Any, axis: int = -1) -> Any:
        a, b = a.movedim(axis, 0), b.movedim(axis, 0)
        s, out = t.zeros_like(b[0]), []
        for i in range(len(b)):
            s = a[i] * s + b[i]
            out.append(s)
        return t.stack(out).movedim(0, axis)

    def prelu(x: Any, w: Any) -> Any:
        shape = (1, -1, *[1] * (x.ndim - 2)) if w.ndim and w.numel() > 1 else ()
        return t.where(x > 0, x, x * (w.reshape(shape) if shape else w.reshape(())))

    def lower_half(x: Any) -> Any:
        return x.tril(-1) + t.diag_embed(x.diagonal(dim1=-2, dim2=-1) / 2)

    def fourier(run: Any) -> Any:
        return lambda x, n=None, axis=-1, norm="backward": run(x, n=n, dim=axis, norm=norm)

    def fourier_n(run: Any) -> Any:
        return lambda x, s=None, axes=None, norm="backward": run(x, s=s, dim=axes, norm=norm)

    def cast(x: Any, dtype: Any) -> Any:
        return x.to(getattr(t, dtype.name))

    def same(x: Any) -> Any:
        return x * 1

    names = (
        "add sub mul div pow maximum minimum neg abs sign square reciprocal sqrt rsqrt floor ceil "
        "round exp log log1p expm1 sin cos tanh erf relu sigmoid isnan isinf isfinite tan asin "
        "acos atan atan2 sinh cosh asinh acosh atanh log2 log10 logaddexp hypot signbit copysign "
        "trunc remainder matmul"
    )
    functional = "relu6 selu mish hardswish softsign tanhshrink logsigmoid softplus silu"
    table = {name: Peer(getattr(t, name)) for name in names.split()}
    table |= {name: Peer(getattr(f, name)) for name in functional.split()}
    table |= {
        "equal": Peer(t.eq, rounded), "not_equal": Peer(t.ne, rounded),
        "less": Peer(t.lt, rounded), "less_equal": Peer(t.le, rounded),
        "greater": Peer(t.gt, rounded), "greater_equal": Peer(t.ge, rounded),
        "logical_and": Peer(t.logical_and, rounded), "logical_or": Peer(t.logical_or, rounded),
        "logical_xor": Peer(t.logical_xor, rounded), "logical_not": Peer(t.logical_not, rounded),
        "bitwise_and": Peer(t.bitwise_and, ints), "bitwise_or": Peer(t.bitwise_or, ints),
        "bitwise_xor": Peer(t.bitwise_xor, ints), "bitwise_invert": Peer(t.bitwise_not, ints),
        "bitwise_left_shift": Peer(t.bitwise_left_shift, ints),
        "bitwise_right_shift": Peer(t.bitwise_right_shift, ints),
        "floor_divide": Peer(lambda a, b: t.div(a, b, rounding_mode="floor")),
        "positive": Peer(same), "real": Peer(t.real), "conj": Peer(t.conj),
        "imag": Peer(t.zeros_like),
        "tie_weight": Peer(lambda a, b: t.heaviside(
            (a - b).detach(), t.tensor(0.5, dtype=a.dtype)), rounded),
        "where": Peer(t.where, lambda a, how: [a[0] > 0, *a[1:]], (
            Sample(((), (), ())), Sample(((0,), (1,), (2, 0))))),
        "clip": Peer(lambda x, min=None, max=None: t.clamp(x, min, max)),
        # activations
        "relu_grad": Peer(lambda g, y: g * (y > 0), extra=(Sample(((), ())),)),
        "leaky_relu": Peer(lambda x, slope=0.01: f.leaky_relu(x, slope)),
        "gelu": Peer(f.gelu), "gelu_grad": Peer(pulled(f.gelu)),
        "hardtanh": Peer(lambda x, low=-1.0, high=1.0: f.hardtanh(x, low, high)),
        "hardsigmoid": Peer(lambda x: f.relu6(x + 3) / 6),  # f.hardsigmoid's gradient: float32(1/6)
        "elu": Peer(f.elu), "celu": Peer(f.celu), "prelu": Peer(prelu),
        "softshrink": Peer(lambda x, edge=0.5: f.softshrink(x, edge)),
        "hardshrink": Peer(lambda x, edge=0.5: f.hardshrink(x, edge)),
        "threshold": Peer(lambda x, edge, value: f.threshold(x, edge, value)),
        # shapes
        "reshape": Peer(lambda x, shape: x.reshape(shape), extra=(
            Sample(((),), {"shape": (1, 1)}), Sample(((2, 0),), {"shape": (0, 3)}))),
        "permute": Peer(lambda x, axes: x.permute(axes), extra=(
            Sample(((),), {"axes": ()}), Sample(((2, 0, 3),), {"axes": (1, -1, 0)}))),
        "expand_dims": Peer(lambda x, axis: x.unsqueeze(axis), extra=(
            Sample(((),), {"axis": 0}), Sample(((0, 2),), {"axis": -1}))),
        "squeeze": Peer(lambda x, axis: x.squeeze(axis), extra=(
            Sample(((1, 0),), {"axis": 0}),)),
        "broadcast_to": Peer(lambda x, shape: x.broadcast_to(shape), extra=(
            Sample(((),), {"shape": (2, 3)}), Sample(((1,),), {"shape": (2, 0)}))),
        "flip": Peer(lambda x, axis: x.flip(axis), extra=(Sample(((0, 2),), {"axis": -1}),)),
        "roll": Peer(lambda x, shift, axis: x.roll(shift, axis), extra=(
            Sample(((0, 2),), {"shift": 3, "axis": 1}),)),
        "getitem": Peer(lambda x, index: x[index_of(index)], extra=(
            Sample(((),), {"index": ()}), Sample(((3, 2),), {"index": (slice(0, 0), None)}),
            Sample(((3, 4),), {"index": (np.array([True, False, True]), -1)}))),
        "put": Peer(lambda g, index, shape: transpose_of(
            lambda x: x[index_of(index)], shape, like=g)),
        "setitem": Peer(set_item, extra=(Sample(((3, 2), ()), {"index": (slice(None), 1)}),)),
        "pad": Peer(lambda x, width: f.pad(x, [n for p in width[::-1] for n in p]), extra=(
            Sample(((0, 2),), {"width": ((1, 0), (0, 1))}),)),
        "concat": Peer(lambda *xs, axis=0: t.cat(xs, axis), extra=(
            Sample(((2, 0), (2, 3), (2, 1)), {"axis": -1}),)),
        "stack": Peer(lambda *xs, axis=0: t.stack(xs, axis), extra=(
            Sample(((), (), ())), Sample(((0, 2), (0, 2)), {"axis": -1}))),
        "sum_to": Peer(lambda x, shape: x.sum_to_size(shape), extra=(
            Sample(((2, 3),), {"shape": ()}), Sample(((0, 3),), {"shape": (1, 3)}))),
        "tril": Peer(lambda x, k=0: t.tril(x, k), extra=(Sample(((0, 2),)),)),
        "triu": Peer(lambda x, k=0: t.triu(x, k), extra=(Sample(((0, 2),)),)),
        "lower_half": Peer(lower_half),
        # rows by integers
        "take": Peer(take), "take_grad": Peer(take_grad),
        "take_along_axis": Peer(lambda x, index, axis=-1: t.take_along_dim(x, index, axis)),
        "take_along_axis_grad": Peer(along_grad),
        "embedding": Peer(lambda w, index: f.embedding(index, w)),
        "embedding_grad": Peer(lambda g, index, count: t.zeros(
            count, g.shape[-1], dtype=g.dtype).index_add(0, index.flatten(), g.flatten(0, -2))),
        "one_hot": Peer(lambda x, classes: f.one_hot(x, classes).to(t.float32)),
        # order and scans
        "argsort": Peer(lambda x, axis=-1, descending=False: t.argsort(
            x, dim=axis, descending=descending, stable=True), extra=(Sample(((0,),)),)),
        "sort": Peer(lambda x, axis=-1, descending=False: t.sort(
            x, dim=axis, descending=descending, stable=True)[0], extra=(Sample(((2, 0),)),)),
        "searchsorted": Peer(lambda x, v, side="left": t.searchsorted(
            x.to(v.dtype), v, right=side == "right")),
        "cumsum": Peer(lambda x, axis=-1: t.cumsum(x, axis), extra=(Sample(((0, 2),)),)),
        "cumprod": Peer(lambda x, axis=-1: t.cumprod(x, axis), extra=(Sample(((0, 2),)),)),
        "linear_scan": Peer(linear_scan),
        # reductions
        "sum": Peer(reduce(t.sum), extra=reductions(True)),
        "mean": Peer(reduce(t.mean), extra=reductions(False)),
        "prod": Peer(one_at_a_time(t.prod), extra=reductions(True)),
        "max": Peer(reduce(t.amax), extra=reductions(False)),
        "min": Peer(reduce(t.amin), extra=reductions(False)),
        "var": Peer(reduce(lambda x, correction=0, **how: t.var(x, correction=correction, **how)),
                    extra=(Sample(((3, 2, 4),), {"axis": (2, 0), "correction": 1}),)),
        "std": Peer(reduce(lambda x, correction=0, **how: t.std(x, correction=correction, **how)),
                    extra=(Sample(((3, 2, 4),), {"axis": (2, 0), "correction": 1}),)),
        "logsumexp": Peer(reduce(t.logsumexp), extra=reductions(False)),
        "all": Peer(one_at_a_time(t.all), truths, reductions(True)),
        "any": Peer(one_at_a_time(t.any), truths, reductions(True)),
        "argmax": Peer(lambda x, axis=None: t.argmax(x, axis), extra=(Sample(((),)),)),
        "argmin": Peer(lambda x, axis=None: t.argmin(x, axis), extra=(Sample(((),)),)),
        "count_nonzero": Peer(lambda x, axis=None, keepdims=False: (x != 0).sum(
            tuple(range(x.ndim)) if axis is None else axis, keepdim=keepdims), rounded,
            reductions(True)),
        # softmax, losses, norms
        "softmax": Peer(lambda x, axis=-1: t.softmax(x, axis), extra=(Sample(((0, 3),)),)),
        "softmax_grad": Peer(softmax_grad),
        "log_softmax": Peer(lambda x, axis=-1: t.log_softmax(x, axis), extra=(
            Sample(((0, 3),)),)),
        "cross_entropy": Peer(cross_entropy), "cross_entropy_rows": Peer(ce_rows),
        "mse_loss": Peer(mse, extra=(Sample(((), ())),)),
        "attention_weights": Peer(weights), "rope": Peer(rope, extra=(
            Sample(((0, 3, 2),)), Sample(((0, 4),), {"interleaved": True}))),
        "standardize": Peer(standard, extra=(Sample(((0, 3),)), Sample(((5,),)))),
        "standardize_grad": Peer(pulled(standard)),
        "layer_norm": Peer(lambda x, w, b, eps=1e-5: f.layer_norm(x, w.shape, w, b, eps), extra=(
            Sample(((0, 3), (3,), (3,))), Sample(((4,), (4,), (4,))))),
        "rms_norm": Peer(lambda x, w, eps=1e-6: f.rms_norm(x, w.shape, w, eps), extra=(
            Sample(((0, 3), (3,))),)),
        "dropout": Peer(dropout, extra=(Sample(((0, 3),), {"p": 0.0}),)),
        # products and windows
        "matmul": Peer(t.matmul, extra=(
            Sample(((0, 3), (3, 2))), Sample(((2, 0), (0, 3))), Sample(((2, 3, 0), (0,))),
            Sample(((2, 1, 3, 4), (5, 4, 2))), Sample(((0, 2, 3), (3, 4))))),
        "affine": Peer(f.linear, extra=(
            Sample(((0, 3), (2, 3), (2,))), Sample(((4, 0), (2, 0), (2,))),
            Sample(((3,), (2, 3), (2,))), Sample(((2, 0, 3), (2, 3), (2,))))),
        "linear": Peer(f.linear, dtypes=("float32",)), "conv": Peer(conv, dtypes=("float32",)),
        "patches": Peer(patches),
        "fold": Peer(lambda g, x_shape, **how: transpose_of(
            lambda x: patches(x, **how), x_shape, like=g)),
        "max_pool2d_grad": Peer(lambda g, x, y, kernel, **how: pulled(
            lambda x: f.max_pool2d(x, kernel, **how))(g, x), with_maximum),
        "max_pool2d_pick": Peer(pick, with_maximum),
        "window_argmax": Peer(window_argmax),
        # matrices
        "det": Peer(t.linalg.det), "logabsdet": Peer(lambda x: t.linalg.slogdet(x)[1]),
        "det_sign": Peer(lambda x: t.linalg.slogdet(x)[0]),
        "inv": Peer(t.linalg.inv, well_conditioned), "pinv": Peer(t.linalg.pinv),
        "solve": Peer(t.linalg.solve, well_conditioned),
        "cholesky": Peer(lambda x, upper=False: t.linalg.cholesky(x, upper=upper),
                         positive_definite),
        "svdvals": Peer(t.linalg.svdvals), "eigvalsh": Peer(t.linalg.eigvalsh, symmetric),
        # formats
        "cast": Peer(cast), "rotate": Peer(rotate, dtypes=("float32",)),
    }  # fmt: skip
    for d in (1, 2, 3):
        table |= {
            f"conv{d}d": Peer(conv), f"conv{d}d_input_grad": Peer(conv_input),
            f"conv{d}d_weight_grad": Peer(conv_weight),
        }  # fmt: skip
        for kind in ("max", "avg"):
            run = pool(getattr(f, f"{kind}_pool{d}d"))
            fit = adaptive(getattr(f, f"adaptive_{kind}_pool{d}d"))
            table |= {
                f"{kind}_pool{d}d": Peer(run), f"{kind}_pool{d}d_grad": Peer(pool_grad(run)),
                f"adaptive_{kind}_pool{d}d": Peer(fit),
                f"adaptive_{kind}_pool{d}d_grad": Peer(pool_grad(fit)),
            } if kind == "avg" else {
                f"{kind}_pool{d}d": Peer(run), f"adaptive_{kind}_pool{d}d": Peer(fit),
            }  # fmt: skip
    for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
        table[name] = Peer(fourier(getattr(t.fft, name)))
    for name in ("fftn", "ifftn", "rfftn", "irfftn"):
        table[name] = Peer(fourier_n(getattr(t.fft, name)))
    return table


def samples(row: Op, peer: Peer) -> Sequence[Sample]:
    """All that a row is compared on."""
    return [*row.samples, *peer.extra, *random_samples(row, sum(map(ord, row.name)))]
