"""Transposed convolutions: what gives an image back the size that a convolution took from it."""

from math import prod
from typing import Any, ClassVar

from extensor import ops
from extensor.kernels.geometry import each
from extensor.nn.conv import Size, check_groups, unusual, with_bias
from extensor.nn.init import FIRST, lecun, zeros
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.recipe import Recipe
from extensor.tensor import ExTensor


class _ConvTranspose(Module):
    """What the three have in common; the weight is (in_channels, out_channels / groups, *kernel).

    Under a recipe each group is a linear layer of the pixels, K = in_channels / groups, whose
    answers are folded; see `extensor.ops.conv_transpose_under`.
    """

    rank: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        recipe: Recipe | None = None,
        key: Key = FIRST,
    ) -> None:
        name, rank = type(self).__name__, self.rank
        self.recipe, self.groups = recipe, check_groups(name, groups, in_channels, out_channels)
        kernel = each(name, "kernel_size", kernel_size, rank)
        self.stride, self.dilation = (
            each(name, "stride", stride, rank), each(name, "dilation", dilation, rank)
        )  # fmt: skip
        self.padding = each(name, "padding", padding, rank, 0)
        self.output_padding = each(name, "output_padding", output_padding, rank, 0)
        # each number of the answer is a sum over the channels of a group and, of the taps, those
        # that meet it: one in prod(stride)
        taps = max(1, prod(kernel) // prod(self.stride))
        shape = (in_channels, out_channels // groups, *kernel)
        self.weight = lecun(shape, in_channels // groups * taps, key)
        self.bias = zeros((out_channels,)) if bias else None

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        how: dict[str, Any] = {
            "stride": self.stride, "padding": self.padding, "output_padding": self.output_padding,
            "dilation": self.dilation, "groups": self.groups,
        }  # fmt: skip
        if self.recipe is None or not self.recipe.quantizes:
            run = (ops.conv_transpose1d, ops.conv_transpose2d, ops.conv_transpose3d)[self.rank - 1]
            y = run(x, self.weight, **how)
        else:
            y = ops.conv_transpose_under(x, self.weight, recipe=self.recipe, key=key, **how)
        return with_bias(y, self.bias)

    def __repr__(self) -> str:
        c, o, *kernel = self.weight.shape
        return (
            f"{type(self).__name__}({c}, {o * self.groups}, {tuple(kernel)}, "
            f"padding={self.padding}{unusual(self)})"
        )


class ConvTranspose1d(_ConvTranspose):
    """A transposed convolution of (N, in_channels, L); see `extensor.conv_transpose1d`.

    >>> import extensor as ex
    >>> layer = ConvTranspose1d(4, 2, 4, stride=2, padding=1)
    >>> layer(ex.ExTensor[ex.float32].zeros((1, 4, 5))).shape
    (1, 2, 10)
    """

    rank = 1


class ConvTranspose2d(_ConvTranspose):
    """A transposed convolution of (N, in_channels, H, W); see `extensor.conv_transpose2d`.

    >>> import extensor as ex
    >>> layer = ConvTranspose2d(4, 2, 4, stride=2, padding=1)
    >>> layer(ex.ExTensor[ex.float32].zeros((1, 4, 7, 7))).shape
    (1, 2, 14, 14)
    """

    rank = 2


class ConvTranspose3d(_ConvTranspose):
    """A transposed convolution of (N, in_channels, D, H, W); see `extensor.conv_transpose3d`.

    >>> import extensor as ex
    >>> layer = ConvTranspose3d(2, 1, 2, stride=2)
    >>> layer(ex.ExTensor[ex.float32].zeros((1, 2, 2, 3, 4))).shape
    (1, 1, 4, 6, 8)
    """

    rank = 3
