"""Group norm and instance norm: each sample by itself, so training and evaluation are alike."""

from typing import ClassVar

from extensor import ops
from extensor.errors import FormatError
from extensor.nn.batch_norm import check_ndim
from extensor.nn.init import ones, zeros
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.tensor import ExTensor


class GroupNorm(Module):
    """Each group of channels of each sample of (N, C, *size) scaled to mean 0 and variance 1.

    >>> import extensor as ex
    >>> layer = GroupNorm(2, 4)
    >>> [round(v, 3) for v in layer(ex.asarray([[1.0, 3.0, 5.0, 9.0]])).tolist()[0]]
    [-1.0, 1.0, -1.0, 1.0]
    """

    def __init__(
        self, groups: int, channels: int, eps: float = 1e-5, affine: bool = True
    ) -> None:  # fmt: skip
        if groups < 1 or channels % groups:
            raise FormatError(
                f"GroupNorm: {groups} groups of {channels} channels; allowed: a divisor of the "
                "channels"
            )
        self.groups, self.channels, self.eps = groups, channels, eps
        self.weight = ones((channels,)) if affine else None
        self.bias = zeros((channels,)) if affine else None

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.group_norm(x, self.groups, self.weight, self.bias, eps=self.eps)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"GroupNorm({self.groups}, {self.channels}, eps={self.eps})"


class _InstanceNorm(Module):
    """Each channel of each sample scaled by itself; no gain and shift unless ``affine``."""

    axes: ClassVar[int]

    def __init__(self, channels: int, eps: float = 1e-5, affine: bool = False) -> None:
        self.channels, self.eps = channels, eps
        self.weight = ones((channels,)) if affine else None
        self.bias = zeros((channels,)) if affine else None

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        check_ndim(self, x, self.axes)
        return ops.instance_norm(x, self.weight, self.bias, eps=self.eps)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, eps={self.eps})"


class InstanceNorm1d(_InstanceNorm):
    """Instance norm of (N, C, L).

    >>> import extensor as ex
    >>> [round(v, 3) for v in InstanceNorm1d(1)(ex.asarray([[[1.0, 3.0]]])).reshape(-1).tolist()]
    [-1.0, 1.0]
    """

    axes = 3


class InstanceNorm2d(_InstanceNorm):
    """Instance norm of (N, C, H, W).

    >>> import extensor as ex
    >>> InstanceNorm2d(3)(ex.ExTensor[ex.float32].ones((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    axes = 4


class InstanceNorm3d(_InstanceNorm):
    """Instance norm of (N, C, D, H, W).

    >>> import extensor as ex
    >>> InstanceNorm3d(3)(ex.ExTensor[ex.float32].ones((2, 3, 2, 2, 2))).shape
    (2, 3, 2, 2, 2)
    """

    axes = 5
