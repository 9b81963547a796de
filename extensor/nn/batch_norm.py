"""Batch norm: each channel scaled to variance 1 over a batch, by running statistics afterwards."""

from typing import ClassVar

import numpy as np

from extensor import ops
from extensor.errors import ShapeError
from extensor.nn.init import ones, zeros
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.storage import Native
from extensor.tensor import ExTensor


def check_ndim(layer: Module, x: ExTensor, *allowed: int) -> None:
    """ShapeError unless the images of a layer have so many axes."""
    if x.ndim not in allowed:
        raise ShapeError(
            f"{type(layer).__name__}: shape {x.shape}; allowed: "
            f"{' or '.join(map(str, allowed))} axes, (N, C, *size)"
        )


def _full(channels: int, value: float) -> ExTensor:
    """A buffer: a tensor that requires no gradient."""
    return ExTensor(Native(np.full(channels, value, np.float32)))


class _BatchNorm(Module):
    """In training by the batch's own mean and variance, which the running ones follow; after
    ``eval()`` by the running ones. Those are buffers: saved and moved with the parameters.

    momentum
        How far the running statistics go to those of a batch.
    affine
        Whether there is a gain ``weight`` and a shift ``bias`` for each channel.
    track_running_stats
        False: the batch's own statistics after ``eval()`` too.
    """

    axes: ClassVar[tuple[int, ...]]

    def __init__(
        self, channels: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:  # fmt: skip
        self.channels, self.eps, self.momentum = channels, eps, momentum
        self.weight = ones((channels,)) if affine else None
        self.bias = zeros((channels,)) if affine else None
        self.running_mean = _full(channels, 0) if track_running_stats else None
        self.running_var = _full(channels, 1) if track_running_stats else None

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        check_ndim(self, x, *self.axes)
        return ops.batch_norm(  # type: ignore[no-any-return]
            x, self.running_mean, self.running_var, self.weight, self.bias,
            training=self.training, momentum=self.momentum, eps=self.eps,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, eps={self.eps}, momentum={self.momentum})"


class BatchNorm1d(_BatchNorm):
    """Batch norm of (N, C) or (N, C, L); see `extensor.batch_norm`.

    >>> import extensor as ex
    >>> layer = BatchNorm1d(1)
    >>> [round(v, 3) for v in layer(ex.asarray([[1.0], [3.0]])).reshape(-1).tolist()]
    [-1.0, 1.0]
    >>> [round(v, 3) for v in layer.running_mean.tolist()]
    [0.2]
    """

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch norm of (N, C, H, W); see `extensor.batch_norm`.

    >>> import extensor as ex
    >>> BatchNorm2d(3).eval()(ex.ExTensor[ex.float32].zeros((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch norm of (N, C, D, H, W); see `extensor.batch_norm`.

    >>> import extensor as ex
    >>> BatchNorm3d(2)(ex.ExTensor[ex.float32].ones((2, 2, 3, 3, 3))).shape
    (2, 2, 3, 3, 3)
    """

    axes = (5,)
