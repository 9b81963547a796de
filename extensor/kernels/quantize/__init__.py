"""Quantizing kernels: a slow exact reference, a general one, and fast ones proved equal to it."""

from extensor.kernels.quantize.dispatch import quantize as quantize
