"""Products of packed operands: packed codes in, float32 out."""

from extensor.kernels.matmul.product import matmul as matmul
from extensor.kernels.matmul.product import matmul_native as matmul_native
