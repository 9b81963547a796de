"""Dequantizing kernels: codes and scales back to numbers, exactly."""

from extensor.kernels.dequantize.dispatch import dequantize as dequantize
