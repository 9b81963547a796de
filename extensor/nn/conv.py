"""``Conv2d``: the cross-correlation of images with kernels, its three GEMMs under a recipe."""

from typing import Any

from extensor import ops
from extensor.nn.init import FIRST, lecun, zeros
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.recipe import Recipe
from extensor.tensor import ExTensor

Size = int | tuple[int, int]


def pair(size: Size) -> tuple[int, int]:
    """One number for both axes, or two.

    >>> pair(5), pair((3, 1))
    ((5, 5), (3, 1))
    """
    return (size, size) if isinstance(size, int) else (size[0], size[1])


class Conv2d(Module):
    """A convolution of (N, in_channels, H, W) to (N, out_channels, Ho, Wo).

    Under a recipe it is the linear layer of its patches: K = in_channels kh kw, T = N Ho Wo.

    >>> import extensor as ex
    >>> Conv2d(1, 6, 5, padding=2)(ex.ExTensor[ex.float32].zeros((2, 1, 28, 28))).shape
    (2, 6, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Size = 0,
        bias: bool = True,
        recipe: Recipe | None = None,
        key: Key = FIRST,
    ) -> None:
        self.recipe, self.stride, self.padding = recipe, pair(stride), pair(padding)
        kernel = pair(kernel_size)
        fan_in = in_channels * kernel[0] * kernel[1]
        self.weight = lecun((out_channels, in_channels, *kernel), fan_in, key)
        self.bias = zeros((out_channels,)) if bias else None

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        how: dict[str, Any] = {"stride": self.stride, "padding": self.padding}
        y: ExTensor
        if self.recipe is None or not self.recipe.quantizes:
            y = ops.conv2d(x, self.weight, **how)
        else:
            y = ops.conv(x, self.weight, recipe=self.recipe, key=key, **how)
        return y if self.bias is None else y + self.bias.reshape(1, -1, 1, 1)

    def __repr__(self) -> str:
        o, c, *kernel = self.weight.shape
        recipe = f", recipe={self.recipe.name}" if self.recipe is not None else ""
        return f"Conv2d({c}, {o}, {tuple(kernel)}, padding={self.padding}{recipe})"
