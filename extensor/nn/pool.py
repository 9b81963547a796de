"""Pooling layers over one, two and three axes."""

from typing import Any, ClassVar

from extensor import ops
from extensor.kernels.geometry import each
from extensor.nn.conv import Size
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.ops.registry import Op
from extensor.tensor import ExTensor

Fitted = int | tuple[int | None, ...]


class _Pool(Module):
    """Windows of a fixed size: window, stride (the window where None), padding, and whether windows
    may end outside of the padding."""

    row: ClassVar[Op]
    rank: ClassVar[int]

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
        ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        name = type(self).__name__
        self.kernel = each(name, "kernel_size", kernel_size, self.rank)
        self.how: dict[str, Any] = {
            "kernel": self.kernel,
            "stride": self.kernel if stride is None else each(name, "stride", stride, self.rank),
            "padding": each(name, "padding", padding, self.rank, 0),
        }
        if ceil_mode:
            self.how["ceil_mode"] = True

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return self.row(x, **self.how)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kernel})"


class _AvgPool(_Pool):
    """A mean over windows; padding counts as zeros, or not at all."""

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode)
        if not count_include_pad:
            self.how["count_include_pad"] = False


class _AdaptivePool(Module):
    """As many windows as are asked for along each axis; None keeps an axis."""

    row: ClassVar[Op]

    def __init__(self, output_size: Fitted) -> None:
        self.output_size = output_size

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return self.row(x, output_size=self.output_size)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.output_size})"


class MaxPool1d(_Pool):
    """The largest of every window of (N, C, L).

    >>> MaxPool1d(2)([[[1.0, 3.0, 2.0, 0.0]]]).tolist()
    [[[3.0, 2.0]]]
    """

    row, rank = ops.max_pool1d, 1


class MaxPool2d(_Pool):
    """The largest of every window of (N, C, H, W).

    >>> import extensor as ex
    >>> MaxPool2d(2)(ex.ExTensor[ex.float32].zeros((1, 6, 28, 28))).shape
    (1, 6, 14, 14)
    """

    row, rank = ops.max_pool2d, 2


class MaxPool3d(_Pool):
    """The largest of every window of (N, C, D, H, W).

    >>> import extensor as ex
    >>> MaxPool3d(2, ceil_mode=True)(ex.ExTensor[ex.float32].zeros((1, 6, 4, 4, 5))).shape
    (1, 6, 2, 2, 3)
    """

    row, rank = ops.max_pool3d, 3


class AvgPool1d(_AvgPool):
    """The mean of every window of (N, C, L).

    >>> AvgPool1d(2)([[[1.0, 3.0, 2.0, 0.0]]]).tolist()
    [[[2.0, 1.0]]]
    """

    row, rank = ops.avg_pool1d, 1


class AvgPool2d(_AvgPool):
    """The mean of every window of (N, C, H, W).

    >>> AvgPool2d(2)([[[[1.0, 3.0], [2.0, 0.0]]]]).tolist()
    [[[[1.5]]]]
    """

    row, rank = ops.avg_pool2d, 2


class AvgPool3d(_AvgPool):
    """The mean of every window of (N, C, D, H, W).

    >>> import extensor as ex
    >>> AvgPool3d(2, padding=1)(ex.ExTensor[ex.float32].ones((1, 1, 2, 2, 2))).reshape(-1).tolist()
    [0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125]
    """

    row, rank = ops.avg_pool3d, 3


class AdaptiveAvgPool1d(_AdaptivePool):
    """The means of ``output_size`` windows of (N, C, L).

    >>> AdaptiveAvgPool1d(2)([[[1.0, 3.0, 2.0]]]).tolist()
    [[[2.0, 2.5]]]
    """

    row = ops.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptivePool):
    """The means of ``output_size`` windows of (N, C, H, W).

    >>> import extensor as ex
    >>> AdaptiveAvgPool2d((None, 7))(ex.ExTensor[ex.float32].ones((1, 2, 9, 10))).shape
    (1, 2, 9, 7)
    """

    row = ops.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptivePool):
    """The means of ``output_size`` windows of (N, C, D, H, W).

    >>> import extensor as ex
    >>> AdaptiveAvgPool3d(1)(ex.ExTensor[ex.float32].ones((1, 2, 3, 4, 5))).shape
    (1, 2, 1, 1, 1)
    """

    row = ops.adaptive_avg_pool3d


class AdaptiveMaxPool1d(_AdaptivePool):
    """The largest of ``output_size`` windows of (N, C, L).

    >>> AdaptiveMaxPool1d(2)([[[1.0, 3.0, 2.0]]]).tolist()
    [[[3.0, 3.0]]]
    """

    row = ops.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptivePool):
    """The largest of ``output_size`` windows of (N, C, H, W).

    >>> AdaptiveMaxPool2d(1)([[[[1.0, 3.0], [2.0, 0.0]]]]).tolist()
    [[[[3.0]]]]
    """

    row = ops.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptivePool):
    """The largest of ``output_size`` windows of (N, C, D, H, W).

    >>> import extensor as ex
    >>> AdaptiveMaxPool3d(2)(ex.ExTensor[ex.float32].ones((1, 2, 3, 4, 5))).shape
    (1, 2, 2, 2, 2)
    """

    row = ops.adaptive_max_pool3d


class GlobalAvgPool(Module):
    """The mean of each channel: (N, C, *size) to (N, C).

    >>> GlobalAvgPool()([[[1.0, 3.0]]]).tolist()
    [[2.0]]
    """

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.global_avg_pool(x)  # type: ignore[no-any-return]


class GlobalMaxPool(Module):
    """The largest of each channel: (N, C, *size) to (N, C).

    >>> GlobalMaxPool()([[[1.0, 3.0]]]).tolist()
    [[3.0]]
    """

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        return ops.global_max_pool(x)  # type: ignore[no-any-return]
