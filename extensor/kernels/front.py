"""What the layers above call: every kernel function, each imported by its first call.

A kernel takes and gives arrays and packed rows; it never sees a tensor. The first table says where
each function stands, the second its twin for arrays on a GPU: a function of the same name and
meaning. Which of the two runs is decided by where the first operand lives.
"""

from typing import TYPE_CHECKING, Any

from extensor.backend import device_of
from extensor.ghost import Ghost, on_zeros
from extensor.kernels.packed import Packed
from extensor.lazy import deferred

PLACES = {
    "cast": ("decode_elements", "encode_elements"),
    "conv.api": ("conv2d", "conv2d_input_grad", "conv2d_weight_grad"),
    "dequantize.dispatch": ("dequantize",),
    "dropout": ("dropout",),
    "elementwise": ("relu", "relu_grad"),
    "hadamard": ("hadamard",),
    "im2col": ("fold", "patches"),
    "images": ("images_of", "rows_of"),
    "matmul.product": ("matmul", "matmul_native"),
    "pack": ("pack", "unpack"),
    "pool.api": ("avg_pool2d", "avg_pool2d_grad", "max_pool2d", "max_pool2d_grad"),
    "quantize.dispatch": ("quantize",),
    "quantize_patches": ("quantize_patches",),
    "update": ("adam", "add_scaled", "clamp", "momentum", "nesterov", "scale", "square_sum"),
}
"""Module below `extensor.kernels`: its functions."""

TWINS = {
    "cast": "cast_cuda",
    "conv.api": "conv_cuda",
    "dequantize.dispatch": "dequantize.cuda",
    "dropout": "dropout_cuda",
    "elementwise": "elementwise_cuda",
    "hadamard": "hadamard_cuda",
    "im2col": "im2col_cuda",
    "images": "images_cuda",
    "matmul.product": "matmul.cuda",
    "pack": "pack_cuda",
    "pool.api": "pool_cuda",
    "quantize.dispatch": "quantize.cuda",
    "quantize_patches": "quantize_patches_cuda",
    "update": "update_cuda",
}
"""Module below `extensor.kernels`: where its functions stand for arrays on a GPU."""


class on_device(deferred):
    """A kernel function and its twin."""

    __slots__ = ("twin",)

    def __init__(self, place: str, name: str) -> None:
        super().__init__(f"extensor.kernels.{place}", name)
        self.twin = deferred(f"extensor.kernels.{TWINS[place]}", name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the one for the first operand."""
        first = args[0]
        array = first.codes if isinstance(first, Packed) else first
        if type(array) is Ghost:
            return self.shown(*args, **kwargs)
        if device_of(array) == "cuda":
            return self.twin(*args, **kwargs)
        return (self.run or self.load())(*args, **kwargs)

    def shown(self, *args: Any, **kwargs: Any) -> Any:
        """What the kernel would give, as ghosts: by its shapes where `extensor.kernels.ghost`
        knows it, else by running it on the zeros behind the ghosts."""
        from extensor.kernels import ghost

        known = getattr(ghost, self.name, None)
        return known(*args, **kwargs) if known else on_zeros(self.load(), *args, **kwargs)


if TYPE_CHECKING:
    from extensor.kernels.cast import decode_elements as decode_elements
    from extensor.kernels.cast import encode_elements as encode_elements
    from extensor.kernels.conv.api import conv2d as conv2d
    from extensor.kernels.conv.api import conv2d_input_grad as conv2d_input_grad
    from extensor.kernels.conv.api import conv2d_weight_grad as conv2d_weight_grad
    from extensor.kernels.dequantize.dispatch import dequantize as dequantize
    from extensor.kernels.dropout import dropout as dropout
    from extensor.kernels.elementwise import relu as relu
    from extensor.kernels.elementwise import relu_grad as relu_grad
    from extensor.kernels.hadamard import hadamard as hadamard
    from extensor.kernels.im2col import fold as fold
    from extensor.kernels.im2col import patches as patches
    from extensor.kernels.images import images_of as images_of
    from extensor.kernels.images import rows_of as rows_of
    from extensor.kernels.matmul.product import matmul as matmul
    from extensor.kernels.matmul.product import matmul_native as matmul_native
    from extensor.kernels.pack import pack as pack
    from extensor.kernels.pack import unpack as unpack
    from extensor.kernels.pool.api import avg_pool2d as avg_pool2d
    from extensor.kernels.pool.api import avg_pool2d_grad as avg_pool2d_grad
    from extensor.kernels.pool.api import max_pool2d as max_pool2d
    from extensor.kernels.pool.api import max_pool2d_grad as max_pool2d_grad
    from extensor.kernels.quantize.dispatch import quantize as quantize
    from extensor.kernels.quantize_patches import quantize_patches as quantize_patches
    from extensor.kernels.update import adam as adam
    from extensor.kernels.update import add_scaled as add_scaled
    from extensor.kernels.update import clamp as clamp
    from extensor.kernels.update import momentum as momentum
    from extensor.kernels.update import nesterov as nesterov
    from extensor.kernels.update import scale as scale
    from extensor.kernels.update import square_sum as square_sum
else:
    for _module, _names in PLACES.items():
        for _name in _names:
            globals()[_name] = on_device(_module, _name)
