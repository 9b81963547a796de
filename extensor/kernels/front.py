"""What the layers above call: every kernel function, each imported by its first call.

A kernel takes and gives arrays and packed rows; it never sees a tensor. The table says where each
function stands.
"""

from typing import TYPE_CHECKING

from extensor.lazy import deferred

PLACES = {
    "cast": ("decode_elements", "encode_elements"),
    "conv.api": ("conv2d", "conv2d_input_grad", "conv2d_weight_grad"),
    "dequantize.dispatch": ("dequantize",),
    "elementwise": ("relu", "relu_grad"),
    "hadamard": ("hadamard",),
    "im2col": ("fold", "patches"),
    "images": ("images_of", "rows_of"),
    "matmul.product": ("matmul", "matmul_native"),
    "pack": ("pack", "unpack"),
    "pool.api": ("avg_pool2d", "avg_pool2d_grad", "max_pool2d", "max_pool2d_grad"),
    "quantize.dispatch": ("quantize",),
    "quantize_patches": ("quantize_patches",),
}
"""Module below `extensor.kernels`: its functions."""

if TYPE_CHECKING:
    from extensor.kernels.cast import decode_elements as decode_elements
    from extensor.kernels.cast import encode_elements as encode_elements
    from extensor.kernels.conv.api import conv2d as conv2d
    from extensor.kernels.conv.api import conv2d_input_grad as conv2d_input_grad
    from extensor.kernels.conv.api import conv2d_weight_grad as conv2d_weight_grad
    from extensor.kernels.dequantize.dispatch import dequantize as dequantize
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
else:
    for _module, _names in PLACES.items():
        for _name in _names:
            globals()[_name] = deferred(f"extensor.kernels.{_module}", _name)
