"""Convolutions of one, two and three axes, their GEMMs under a recipe."""

from math import prod
from typing import Any, ClassVar

from extensor import ops
from extensor.errors import FormatError
from extensor.kernels.geometry import each
from extensor.nn.init import FIRST, lecun, zeros
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.recipe import Recipe
from extensor.tensor import ExTensor

Size = int | tuple[int, ...]
Padding = Size | str | tuple[tuple[int, int], ...]


def pair(size: Any) -> tuple[int, int]:
    """One number for both axes, or two.

    >>> pair(5), pair((3, 1))
    ((5, 5), (3, 1))
    """
    return (size, size) if isinstance(size, int) else (size[0], size[1])


class _Conv(Module):
    """What the three have in common: (N, in_channels, *size) to (N, out_channels, *places).

    Under a recipe each group is the linear layer of its patches: K = in_channels / groups times
    the taps, T = N times the places; see `extensor.ops.conv_under`.
    """

    rank: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        recipe: Recipe | None = None,
        key: Key = FIRST,
    ) -> None:
        name = type(self).__name__
        self.recipe, self.groups = recipe, check_groups(name, groups, in_channels, out_channels)
        kernel = each(name, "kernel_size", kernel_size, self.rank)
        self.stride = each(name, "stride", stride, self.rank)
        self.padding: Padding = each_padding(name, padding, self.rank)
        self.dilation = each(name, "dilation", dilation, self.rank)
        shape = (out_channels, in_channels // groups, *kernel)
        self.weight = lecun(shape, prod(shape[1:]), key)
        self.bias = zeros((out_channels,)) if bias else None

    def words(self) -> dict[str, Any]:
        """Stride, padding, and what else is not as usual: the words of `extensor.ops.conv2d`."""
        how: dict[str, Any] = {"stride": self.stride, "padding": self.padding}
        if any(d != 1 for d in self.dilation):
            how["dilation"] = self.dilation
        return how if self.groups == 1 else {**how, "groups": self.groups}

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        y: ExTensor
        if self.recipe is None or not self.recipe.quantizes:
            y = (ops.conv1d, ops.conv2d, ops.conv3d)[self.rank - 1](x, self.weight, **self.words())
        else:
            y = ops.conv_under(x, self.weight, recipe=self.recipe, key=key, **self.words())
        return with_bias(y, self.bias)

    def __repr__(self) -> str:
        o, c, *kernel = self.weight.shape
        return (
            f"{type(self).__name__}({c * self.groups}, {o}, {tuple(kernel)}, "
            f"padding={self.padding}{unusual(self)})"
        )


def check_groups(name: str, groups: int, *channels: int) -> int:
    """The number of groups; FormatError unless it divides every number of channels."""
    if groups < 1 or any(c < 1 or c % groups for c in channels):
        raise FormatError(
            f"{name}: {groups} groups of {' and '.join(map(str, channels))} channels; allowed: a "
            "divisor of both"
        )
    return groups


def each_padding(name: str, padding: Padding, rank: int) -> Padding:
    """Padding as the ops take it: words and pairs as they are, integers for each axis.

    >>> each_padding("Conv2d", 1, 2), each_padding("Conv2d", "same", 2)
    ((1, 1), 'same')
    """
    nested = isinstance(padding, tuple) and padding and isinstance(padding[0], tuple)
    as_it_is = isinstance(padding, str) or nested
    return padding if as_it_is else each(name, "padding", padding, rank, 0)


def with_bias(y: ExTensor, bias: ExTensor | None) -> ExTensor:
    """A number for each channel added to (N, C, *places)."""
    return y if bias is None else y + bias.reshape(1, -1, *(1,) * (y.ndim - 2))


def unusual(layer: Any) -> str:
    """The words of a convolution's `repr` that are not as usual, and its recipe."""
    words = ""
    if any(s != 1 for s in layer.stride):
        words += f", stride={layer.stride}"
    if any(d != 1 for d in layer.dilation):
        words += f", dilation={layer.dilation}"
    if layer.groups != 1:
        words += f", groups={layer.groups}"
    return words + (f", recipe={layer.recipe.name}" if layer.recipe is not None else "")


class Conv1d(_Conv):
    """A convolution of (N, in_channels, L) to (N, out_channels, Lo).

    kernel_size, stride, padding, dilation, groups
        As `extensor.conv1d` takes them; ``groups=in_channels`` is a depthwise convolution.

    >>> import extensor as ex
    >>> Conv1d(4, 8, 3, padding="same", dilation=2)(ex.ExTensor[ex.float32].zeros((2, 4, 9))).shape
    (2, 8, 9)
    """

    rank = 1


class Conv2d(_Conv):
    """A convolution of (N, in_channels, H, W) to (N, out_channels, Ho, Wo).

    kernel_size, stride, padding, dilation, groups
        As `extensor.conv2d` takes them; ``groups=in_channels`` is a depthwise convolution.

    Under a recipe it is the linear layer of its patches: K = in_channels kh kw, T = N Ho Wo.

    >>> import extensor as ex
    >>> Conv2d(1, 6, 5, padding=2)(ex.ExTensor[ex.float32].zeros((2, 1, 28, 28))).shape
    (2, 6, 28, 28)
    """

    rank = 2


class Conv3d(_Conv):
    """A convolution of (N, in_channels, D, H, W) to (N, out_channels, Do, Ho, Wo).

    kernel_size, stride, padding, dilation, groups
        As `extensor.conv3d` takes them.

    >>> import extensor as ex
    >>> Conv3d(2, 4, 3, padding=1)(ex.ExTensor[ex.float32].zeros((1, 2, 4, 5, 6))).shape
    (1, 4, 4, 5, 6)
    """

    rank = 3
