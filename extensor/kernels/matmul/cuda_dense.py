"""Products of native matrices on CUDA, by cuBLASLt: the same as CuPy's, and may be captured.

CuPy refuses cuBLAS while a stream is being captured, so a training step that is to become a CUDA
graph multiplies here. To cuBLAS's column-major eye a row-major product y = a b is yᵀ = bᵀ aᵀ; an
operand whose transpose lies in memory is read as it lies. float32 sums stay float32 (no TF32).
"""

import ctypes
from functools import cache
from typing import Any

import numpy as np

from extensor.backend import contiguous, cupy, pointer, stream_pointer
from extensor.kernels.matmul import cublaslt as lt

R_64F = 1
_COMPUTE = {np.dtype(np.float32): (68, lt.R_32F), np.dtype(np.float64): (70, R_64F)}
"""cublasComputeType_t and cudaDataType_t of sums."""
_TRANSA, _TRANSB = 3, 4
_ALIGNED = 256
"""Bytes: what the choice of an algorithm takes for granted."""


def supported(a: Any, b: Any) -> bool:
    """Whether two arrays are matrices of one type that cuBLASLt multiplies here."""
    return (
        a.ndim == b.ndim == 2
        and a.dtype == b.dtype
        and a.dtype in _COMPUTE
        and a.shape[1] == b.shape[0]
        and 0 not in (*a.shape, *b.shape)
    )


@cache
def _plan(m: int, n: int, k: int, turn_a: bool, turn_b: bool, dtype: Any) -> lt.Product:
    """Description, layouts and algorithm of y (m, n) = a (m, k) b (k, n); ``turn``: by its transpose."""  # noqa: E501
    compute, kind = _COMPUTE[dtype]
    description = ctypes.c_void_p()
    lt.call("cublasLtMatmulDescCreate", ctypes.byref(description), compute, kind)
    lt.set_attribute(description, _TRANSA, ctypes.c_int32(int(turn_b)))
    lt.set_attribute(description, _TRANSB, ctypes.c_int32(int(turn_a)))
    first = lt.layout(kind, *((k, n) if turn_b else (n, k)))
    second = lt.layout(kind, *((m, k) if turn_a else (k, m)))
    answer = lt.layout(kind, n, m)
    chosen = lt.choose(description, first, second, answer, f"({m}, {k}) x ({k}, {n})")
    return lt.Product(description, second, first, answer, chosen)


def _as_it_lies(x: Any) -> tuple[Any, bool]:
    """(an array whose memory is aligned and dense, whether that is the transpose of ``x``)"""
    turned = not x.flags.c_contiguous and x.T.flags.c_contiguous
    lies = x.T if turned else contiguous(x)
    return (lies if int(pointer(lies)) % _ALIGNED == 0 else lies.copy()), turned


def dense(a: Any, b: Any, out: Any = None) -> Any:
    """a (M, K) times b (K, N), float32 or float64 in any memory order: (M, N), C-contiguous.

    out
        Where to write: C-contiguous, of the shape and type of the answer.
    """
    library, dtype = cupy(), a.dtype
    (m, k), n = a.shape, b.shape[1]
    if 0 in (m, k, n):
        return library.zeros((m, n), dtype)
    (a, turn_a), (b, turn_b) = _as_it_lies(a), _as_it_lies(b)
    y = library.empty((m, n), dtype) if out is None else out
    place = y if int(pointer(y)) % _ALIGNED == 0 else library.empty((m, n), dtype)
    plan = _plan(m, n, k, turn_a, turn_b, dtype)
    real = ctypes.c_float if dtype == np.float32 else ctypes.c_double
    one, zero = real(1.0), real(0.0)
    room = library.empty(max(plan.chosen.workspace, 1), np.uint8)
    address = [ctypes.c_void_p(int(pointer(x))) for x in (b, a, place, room)]
    lt.call(
        "cublasLtMatmul",
        lt.handle(), plan.description, ctypes.byref(one), address[0], plan.b,
        address[1], plan.a, ctypes.byref(zero), address[2], plan.y, address[2], plan.y,
        ctypes.byref(plan.chosen), address[3], ctypes.c_size_t(room.nbytes),
        ctypes.c_void_p(stream_pointer()),
    )  # fmt: skip
    if place is not y:
        y[...] = place
    return y
