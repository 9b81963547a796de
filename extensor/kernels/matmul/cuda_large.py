"""Large products on CUDA through cuBLASLt: FP8 for two MXFP4 operands, else bfloat16.

Tolerance, |y - meaning| <= n u sum |a_k| |b_k|:

- bf16: pieces are exact, products of pieces are exact in float32, so only sums round: n = P K + 2
  for P products of pieces, u = 2**-23 (tensor cores cut sums off instead of rounding them);
- FP8: a Hopper tensor core adds 32 products with about 14 bits, and cuBLASLt carries the sum to
  float32 now and then, so n = K / 32 + 2, u = 2**-13.
"""

from typing import Any

from extensor.backend import cupy
from extensor.formats import E4M3, E5M2
from extensor.kernels.matmul import cublaslt
from extensor.kernels.matmul.cuda_fold import Folded, foldable, folded
from extensor.kernels.matmul.cuda_pieces import decoded, rounded
from extensor.kernels.matmul.cuda_thin import repair
from extensor.kernels.packed import Packed

_KIND = {E4M3: cublaslt.E4M3, E5M2: cublaslt.E5M2}


def bf16_product(
    a: Any, a_pieces: int, b: Any, b_pieces: int, rows: int, columns: int, final: Any
) -> Any:
    """The product of two matrices given as pieces: float32 (rows, columns).

    Each piece of one is multiplied with each of the other, but pairs below 2**-24 of the largest.
    """
    y = cupy().empty((rows, columns), "float32")
    pairs = [(i, j) for i in range(a_pieces) for j in range(b_pieces) if i + j < 3]
    for n, (i, j) in enumerate(sorted(pairs, key=sum, reverse=True)):
        left, right = a[i * rows : (i + 1) * rows], b[j * columns : (j + 1) * columns]
        kinds = cublaslt.R_16BF, cublaslt.R_16BF
        cublaslt.multiply(left, right, y, kinds, factor=final, add=n > 0)
    return y


def fp8_multiply(a: Folded, b: Folded, final: Any) -> Any:
    """The product of two folded operands: float32 (rows of a, rows of b)."""
    y = cupy().empty((a.codes.shape[0], b.codes.shape[0]), "float32")
    kinds = _KIND[a.element], _KIND[b.element]
    cublaslt.multiply(a.codes, b.codes, y, kinds, scales=(a.scale, b.scale), factor=final)
    return y


def fp8_product(a: Packed, b: Packed, final: Any) -> Any:
    """The product of two MXFP4 operands on FP8 tensor cores; exact operands whatever their scales.

    The first becomes E5M2, which folds scales over 29 codes (the gradient is first in the products
    that have one), the second E4M3 (15 codes). Where a number did not fit, `cuda_narrow`, queued
    behind, writes the product again, from the packed operands; else its blocks end at once. So
    nothing waits for the GPU, and a CUDA graph may hold the product.
    """
    state = cupy().zeros((2, 8), "uint32")
    left, right = folded(a, E5M2, state[0]), folded(b, E4M3, state[1])
    y = fp8_multiply(left, right, final)
    repair(y, a, b, final, state)
    return y


def capable(a: Packed, b: Packed) -> bool:
    """Whether both operands fold, and the shapes are aligned."""
    if not (foldable(a) and foldable(b)) or a.rows % 16 or b.rows % 16:
        return False
    return int(cupy().cuda.Device().compute_capability) >= 89


def large_blocked(a: Packed, b: Packed, final: Any) -> Any:
    """deq(a) deq(b).T: float32 (rows of a, rows of b)."""
    if capable(a, b):
        return fp8_product(a, b, final)
    (left, i), (right, j) = decoded(a), decoded(b)
    return bf16_product(left, i, right, j, a.rows, b.rows, final)


def large_native(x: Any, b: Packed, final: Any) -> Any:
    """x deq(b).T for bfloat16, float16 or float32 rows x: float32 (M, rows of b)."""
    (left, i), (right, j) = rounded(x), decoded(b)
    return bf16_product(left, i, right, j, x.shape[0], b.rows, final)
