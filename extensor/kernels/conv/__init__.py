"""Convolution of images, forward and both gradients."""

from extensor.kernels.conv.api import conv2d as conv2d
from extensor.kernels.conv.api import conv2d_input_grad as conv2d_input_grad
from extensor.kernels.conv.api import conv2d_weight_grad as conv2d_weight_grad
