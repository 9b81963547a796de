"""Pooling of images, forward and backward."""

from extensor.kernels.pool.api import avg_pool2d as avg_pool2d
from extensor.kernels.pool.api import avg_pool2d_grad as avg_pool2d_grad
from extensor.kernels.pool.api import max_pool2d as max_pool2d
from extensor.kernels.pool.api import max_pool2d_grad as max_pool2d_grad
