"""``matmul`` and ``matmul_native`` for operands on a GPU: which kernel runs, and how near it is.

- ``exact``: the order of `reference`, the CPU's bits (`cuda_exact`); any format, any shape.
- compute capability 12.x, two MXFP4 or two NVFP4 operands: the block-scaled tensor cores
  (`cuda_blackwell`), which no machine of ours had: assembled, never run, their error not measured.
- two MXFP4 or two NVFP4 operands that are thin somewhere: `cuda_narrow` reads both packed.
- one side of at most 64 rows (and pieces, below), the other packed MXFP4: `cuda_plan` reads the
  packed weight once, on tensor cores.
- else cuBLASLt (`cuda_large`): FP8 for two MXFP4 operands (made again from the packed ones where
  their scales span too many codes), else bf16.
- small products, and GPUs before Hopper: the exact kernels, whose bound is the CPU's.

Everything that tensor cores are given is exact: weights in bf16 (or three bf16, where scales have
many bits), float32 rows as three bf16, float16 as two. So the bound is that of the sums,

    |y - meaning| <= (n u + 2**-22) sum |a_k| |b_k| + K 2**-132 (max |a| + max |b|)

with n = 3 K + 2 and u = 2**-23 on bf16, n = K / 32 + 2 and u = 2**-13 on FP8; the last term is what
bf16 cannot hold at all.
"""

from typing import Any

from extensor.backend import contiguous, cupy
from extensor.errors import DTypeError, ShapeError
from extensor.kernels.matmul.cuda_exact import blocked_exact, native_exact
from extensor.kernels.matmul.cuda_pieces import PIECES, decoded, pieces_of, rounded
from extensor.kernels.packed import Packed

FEW = 64
"""Columns (rows of the small side times its pieces) that the skinny kernel takes."""
SMALL = 1 << 18
"""Multiply-adds below which a product is not worth a staging kernel."""


def final_scale(*operands: Packed) -> Any:
    """The float32 product of the tensor scales, (1,) on the device; None where none has one."""
    scales = [p.tensor_scale for p in operands if p.tensor_scale is not None]
    if not scales:
        return None
    library = cupy()
    flat = [library.asarray(s, "float32").reshape(1) for s in scales]
    return flat[0] if len(flat) == 1 else flat[0] * flat[1]


def capability() -> int:
    """The compute capability of the device: 90 for 9.0."""
    return int(cupy().cuda.Device().compute_capability)


def hopper() -> bool:
    """Whether the device has the bf16 instructions that the tensor-core kernels use."""
    return capability() >= 90


def _exactly(exact: bool, m: int, n: int, k: int) -> bool:
    return exact or m * n * k < SMALL or not hopper()


def weight_bound(a: Packed, b: Packed) -> bool:
    """Whether a product is a few rows times a large weight, which `cuda_plan` streams faster."""
    few, many = sorted((a.rows, b.rows))
    return few <= FEW and many >= 1024 and a.length >= 1024 and many * a.length >= 1 << 22


def matmul(a: Packed, b: Packed, exact: bool = False) -> Any:
    """The product of two packed operands, deq(a) @ deq(b).T: float32 (rows of a, rows of b).

    The arrays of both live on the current device. Results repeat from run to run; with ``exact``
    they equal the CPU's. The tolerance without stands above. NaN scales give NaN.

    Raises ShapeError where the lengths differ, DispatchError where cuBLASLt is missing.
    """
    if a.length != b.length:
        raise ShapeError(
            f"matmul: rows of {a.length} and of {b.length} elements; allowed: equal lengths "
            "(both operands blocked along the axis that is summed)"
        )
    if 0 in (a.rows, b.rows, a.length):
        return cupy().zeros((a.rows, b.rows), "float32")
    final = final_scale(a, b)
    if _exactly(exact, a.rows, b.rows, a.length):
        return blocked_exact(a, b, final)
    from extensor.kernels.matmul.cuda_blackwell import block_scaled, block_scaled_product, trusted
    from extensor.kernels.matmul.cuda_large import large_blocked
    from extensor.kernels.matmul.cuda_plan import skinny, skinny_product
    from extensor.kernels.matmul.cuda_thin import thin, thin_product

    if block_scaled(a, b, capability()) and trusted(a.fmt):
        return block_scaled_product(a, b, final)
    if thin(a, b) and not weight_bound(a, b):
        return thin_product(a, b, final)
    if a.rows * pieces_of(a) <= FEW and skinny(b, a.rows, pieces_of(a)):
        return skinny_product(*decoded(a), b, final)
    if b.rows * pieces_of(b) <= FEW and skinny(a, b.rows, pieces_of(b)):
        return contiguous(skinny_product(*decoded(b), a, final).T)
    return large_blocked(a, b, final)


def matmul_native(x: Any, b: Packed, exact: bool = False) -> Any:
    """The product of native rows with a packed operand, x @ deq(b).T: float32 (M, rows of b).

    x
        (M, K) float32, float16 or bfloat16 on the device, any memory order. bfloat16 is the
        fastest: float32 costs the three-fold work on tensor cores, but loses nothing.

    Raises DTypeError for other types (exact: all but float32), ShapeError where lengths differ.
    """
    allowed = ("float32",) if exact else tuple(PIECES)
    if x.dtype.name not in allowed:
        raise DTypeError(f"matmul: {x.dtype} with a blocked operand; allowed: {', '.join(allowed)}")
    if x.ndim != 2 or x.shape[1] != b.length:
        raise ShapeError(
            f"matmul: shape {x.shape} and rows of {b.length} elements; allowed: (M, {b.length})"
        )
    if 0 in (*x.shape, b.rows):
        return cupy().zeros((x.shape[0], b.rows), "float32")
    final, m = final_scale(b), x.shape[0]
    if _exactly(exact, m, b.rows, b.length):
        return native_exact(contiguous(x.astype("float32", copy=False)), b, final)
    from extensor.kernels.matmul.cuda_large import large_native
    from extensor.kernels.matmul.cuda_plan import skinny, skinny_product

    if m * PIECES[x.dtype.name] <= FEW and skinny(b, m, PIECES[x.dtype.name]):
        return skinny_product(*rounded(x), b, final)
    return large_native(x, b, final)
