"""Convolutions under a recipe, whatever their axes, groups and dilation.

Each is the linear layer of its patches (T = N times the places, K = C / groups times the taps),
one for each group, and runs its three products as `extensor.ops.gemm` does, through the packed
GEMM. Images of two axes (and of one, as two) with one group and neighbouring taps take the `conv`
row, which never has the whole matrix of patches in memory; others, and recipes that look back at
what fprop quantized, gather it in float32 first.

A transposed convolution is a linear layer, whose answers are then folded: T = N times the places
of x, K = C / groups.
"""

from math import prod
from typing import Any

from extensor.noise import Key
from extensor.ops.coerce import tensors
from extensor.ops.conv import as_plane, check_conv, transposed_shape
from extensor.ops.gemm import conv, linear
from extensor.ops.patches import fold, patches
from extensor.ops.shape import concat, getitem, permute, reshape
from extensor.recipe import Recipe


def _part(x: Any, axis: int, group: int, size: int) -> Any:
    """The entries of a group along an axis; x itself where it is the only one."""
    if x.shape[axis] == size:
        return x
    index = (slice(None),) * axis + (slice(group * size, (group + 1) * size),)
    return getitem(x, index=index)


def _of_group(key: Key | None, group: int, groups: int) -> Key | None:
    return key if key is None or groups == 1 else key.fold(group)


def _joined(parts: list[Any], axis: int) -> Any:
    return parts[0] if len(parts) == 1 else concat(*parts, axis=axis)


def conv_under(
    x: Any, w: Any, *, recipe: Recipe, key: Key | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1, exact: bool = False,
) -> Any:  # fmt: skip
    """A convolution of one, two or three axes with its three products under a recipe.

    x: (N, C, *size), w: (O, C / groups, *kernel); the other words are those of `conv2d`. Group i
    draws from ``key.fold(i)``. KeyMissingError as for `linear`, ShapeError as for `conv2d`.

    >>> import extensor as ex
    >>> x, w = (ex.ExTensor[ex.float32].ones(s) for s in [(1, 4, 9), (6, 2, 3)])
    >>> recipe = ex.recipes.get("nvfp4-grad")
    >>> ex.ops.conv_under(x, w, recipe=recipe, key=ex.key(0), groups=2).shape
    (1, 6, 7)
    """
    x, w = tensors(x, w)
    name = f"conv{min(max(w.ndim - 2, 1), 3)}d"
    win, shape = check_conv(name, x.shape, w.shape, groups, stride, padding, dilation)
    how = as_plane(win) if groups == 1 and not recipe.looks_back else None
    if how is not None:
        if x.ndim == 4:
            return conv(x, w, recipe=recipe, key=key, exact=exact, **how)
        up = (reshape(t, shape=(*t.shape[:2], 1, t.shape[2])) for t in (x, w))
        return reshape(conv(*up, recipe=recipe, key=key, exact=exact, **how), shape=shape)
    words: dict[str, Any] = {"kernel": win.kernel, "stride": stride, "padding": padding}
    answers = []
    for group in range(groups):
        rows = patches(_part(x, 1, group, w.shape[1]), dilation=dilation, **words)
        own = _part(w, 0, group, w.shape[0] // groups)
        flat = reshape(own, shape=(own.shape[0], prod(own.shape[1:])))
        draw = _of_group(key, group, groups)
        y = linear(rows, flat, recipe=recipe, key=draw, exact=exact)
        answers.append(reshape(y, shape=(x.shape[0], *shape[2:], own.shape[0])))
    return permute(_joined(answers, -1), axes=(0, x.ndim - 1, *range(1, x.ndim - 1)))


def conv_transpose_under(
    x: Any, w: Any, *, recipe: Recipe, key: Key | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, dilation: Any = 1, groups: int = 1, exact: bool = False,
) -> Any:  # fmt: skip
    """A transposed convolution with its three products under a recipe.

    x: (N, C, *size), w: (C, O / groups, *kernel); the other words are those of
    `conv_transpose2d`.

    >>> import extensor as ex
    >>> x, w = (ex.ExTensor[ex.float32].ones(s) for s in [(1, 4, 3, 3), (4, 2, 2, 2)])
    >>> ex.ops.conv_transpose_under(x, w, recipe=ex.recipes.get("mxfp8"), stride=2).shape
    (1, 2, 6, 6)
    """
    x, w = tensors(x, w)
    name = f"conv_transpose{min(max(w.ndim - 2, 1), 3)}d"
    shape, how = transposed_shape(
        name, x.shape, w.shape, stride, padding, output_padding, dilation, groups
    )
    check_conv(f"conv{x.ndim - 2}d", shape, w.shape, **how)
    how.pop("groups")
    last = permute(x, axes=(0, *range(2, x.ndim), 1))
    rows = reshape(last, shape=(prod(last.shape[:-1]), x.shape[1]))
    each, answers = x.shape[1] // groups, []
    for group in range(groups):
        own = _part(w, 0, group, each)
        flat = permute(reshape(own, shape=(each, prod(own.shape[1:]))), axes=(1, 0))
        draw = _of_group(key, group, groups)
        cols = linear(_part(rows, 1, group, each), flat, recipe=recipe, key=draw, exact=exact)
        part = (shape[0], w.shape[1], *shape[2:])
        answers.append(fold(cols, x_shape=part, kernel=tuple(w.shape[2:]), **how))
    return _joined(answers, 1)
