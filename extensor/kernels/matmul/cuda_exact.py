"""``exact=True`` on CUDA: one thread adds up 2 x 2 results in the order of `reference`.

A block of 16 x 16 threads makes 32 x 32 results. 32 elements of each of its rows are decoded into
shared memory at a time; the sums then go over k one by one, and wherever a block of either operand
ends the dot is scaled and added. Nothing is fused: the bits are those of the CPU.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import cupy, pointer
from extensor.kernels import ptx
from extensor.kernels.cuda import cuda_kernel
from extensor.kernels.matmul.cuda_operand import OPERAND, element, operand, scale
from extensor.kernels.packed import Packed

SIDE, PADDED, THREADS, DEPTH = 32, 33, 256, 32
"""Rows of a tile (and one against bank conflicts), threads of a block, elements of K decoded at a
time."""


@njit()
def _close(total: Any, dot: Any, scale_a: Any, scale_b: Any) -> Any:
    return ptx.add(total, ptx.mul(dot, ptx.mul(scale_a, scale_b)))


@njit()
def _finish(y: Any, row: Any, column: Any, rows: Any, columns: Any, value: Any, final: Any) -> None:
    if row < rows and column < columns:
        value = value if final == np.uint64(0) else _scaled(value, final)
        ptx.store32(y + np.uint64(row * columns + column) * np.uint64(4), ptx.bits32(value))


@njit()
def _scaled(value: Any, final: Any) -> Any:
    return ptx.mul(value, ptx.float32_of(ptx.load32(final)))


@cuda_kernel(OPERAND, OPERAND, types.uint64, types.uint64, types.int64, types.int64)
def exact_blocked(a: Any, b: Any, y: Any, final: Any, rows: Any, columns: Any) -> None:
    """y (rows, columns) = deq(a) deq(b).T; ``final``: address of the last factor, or 0."""
    left = cuda.shared.array((DEPTH, PADDED), types.float32)
    right = cuda.shared.array((DEPTH, PADDED), types.float32)
    thread = np.int64(cuda.threadIdx.x)
    across = (columns + SIDE - 1) // SIDE
    row0 = np.int64(cuda.blockIdx.x) // across * SIDE
    column0 = np.int64(cuda.blockIdx.x) % across * SIDE
    i, j = thread >> 4, thread & 15
    r0, r1 = min(row0 + i, rows - 1), min(row0 + i + 16, rows - 1)
    c0, c1 = min(column0 + j, columns - 1), min(column0 + j + 16, columns - 1)
    zero = np.float32(0)
    t00, t01, t10, t11 = zero, zero, zero, zero
    d00, d01, d10, d11 = zero, zero, zero, zero
    length, base = a.length, np.int64(0)
    block_a, block_b = np.int64(0), np.int64(0)
    cut = min(min(a.block, b.block), length)
    while base < length:
        count = min(np.int64(DEPTH), length - base)
        k = thread & 31
        if k < count:
            for r in range(thread >> 5, SIDE, THREADS >> 5):
                left[k, r] = element(a, min(row0 + r, rows - 1), base + k)
                right[k, r] = element(b, min(column0 + r, columns - 1), base + k)
        cuda.syncthreads()
        k = np.int64(0)
        while k < count:
            stop = min(count, cut - base)
            while k < stop:
                x0, x1, w0, w1 = left[k, i], left[k, i + 16], right[k, j], right[k, j + 16]
                d00 = ptx.add(d00, ptx.mul(x0, w0))
                d01 = ptx.add(d01, ptx.mul(x0, w1))
                d10 = ptx.add(d10, ptx.mul(x1, w0))
                d11 = ptx.add(d11, ptx.mul(x1, w1))
                k += 1
            if base + k == cut:
                p0, p1 = scale(a, r0, block_a), scale(a, r1, block_a)
                q0, q1 = scale(b, c0, block_b), scale(b, c1, block_b)
                t00, t01 = _close(t00, d00, p0, q0), _close(t01, d01, p0, q1)
                t10, t11 = _close(t10, d10, p1, q0), _close(t11, d11, p1, q1)
                d00, d01, d10, d11 = zero, zero, zero, zero
                block_a, block_b = cut // a.block, cut // b.block
                cut = min(min((block_a + 1) * a.block, (block_b + 1) * b.block), length)
        cuda.syncthreads()
        base += DEPTH
    _finish(y, row0 + i, column0 + j, rows, columns, t00, final)
    _finish(y, row0 + i, column0 + j + 16, rows, columns, t01, final)
    _finish(y, row0 + i + 16, column0 + j, rows, columns, t10, final)
    _finish(y, row0 + i + 16, column0 + j + 16, rows, columns, t11, final)


@cuda_kernel(types.uint64, OPERAND, types.uint64, types.uint64, types.int64, types.int64)
def exact_native(x: Any, b: Any, y: Any, final: Any, rows: Any, columns: Any) -> None:
    """y (rows, columns) = x deq(b).T for float32 x, k ascending, a product and a sum each."""
    left = cuda.shared.array((DEPTH, PADDED), types.float32)
    right = cuda.shared.array((DEPTH, PADDED), types.float32)
    thread = np.int64(cuda.threadIdx.x)
    across = (columns + SIDE - 1) // SIDE
    row0 = np.int64(cuda.blockIdx.x) // across * SIDE
    column0 = np.int64(cuda.blockIdx.x) % across * SIDE
    i, j = thread >> 4, thread & 15
    zero = np.float32(0)
    t00, t01, t10, t11 = zero, zero, zero, zero
    length, base = b.length, np.int64(0)
    while base < length:
        count = min(np.int64(DEPTH), length - base)
        k = thread & 31
        if k < count:
            block = (base + k) // b.block
            for r in range(thread >> 5, SIDE, THREADS >> 5):
                at = min(row0 + r, rows - 1) * length + base + k
                left[k, r] = ptx.float32_of(ptx.load32(x + np.uint64(at * 4)))
                c = min(column0 + r, columns - 1)
                right[k, r] = ptx.mul(element(b, c, base + k), scale(b, c, block))
        cuda.syncthreads()
        for n in range(count):
            x0, x1, w0, w1 = left[n, i], left[n, i + 16], right[n, j], right[n, j + 16]
            t00 = ptx.add(t00, ptx.mul(x0, w0))
            t01 = ptx.add(t01, ptx.mul(x0, w1))
            t10 = ptx.add(t10, ptx.mul(x1, w0))
            t11 = ptx.add(t11, ptx.mul(x1, w1))
        cuda.syncthreads()
        base += DEPTH
    _finish(y, row0 + i, column0 + j, rows, columns, t00, final)
    _finish(y, row0 + i, column0 + j + 16, rows, columns, t01, final)
    _finish(y, row0 + i + 16, column0 + j, rows, columns, t10, final)
    _finish(y, row0 + i + 16, column0 + j + 16, rows, columns, t11, final)


def _blocks(rows: int, columns: int) -> int:
    return -(-rows // SIDE) * -(-columns // SIDE)


def _address(final: Any) -> np.uint64:
    return np.uint64(0) if final is None else pointer(final)


def blocked_exact(a: Packed, b: Packed, final: Any) -> Any:
    """deq(a) deq(b).T in the order of `reference.exact_product`: float32 (rows of a, rows of b).

    final
        The product of the tensor scales, a (1,) float32 array on the device, or None.
    """
    y = cupy().empty((a.rows, b.rows), "float32")
    (left, kept), (right, kept_too) = operand(a), operand(b)
    exact_blocked.launch(
        _blocks(a.rows, b.rows), THREADS, left, right, pointer(y), _address(final), a.rows, b.rows
    )
    del kept, kept_too
    return y


def native_exact(x: Any, b: Packed, final: Any) -> Any:
    """x deq(b).T in the order of `reference.exact_native`: float32 (M, rows of b)."""
    y = cupy().empty((x.shape[0], b.rows), "float32")
    right, kept = operand(b)
    exact_native.launch(
        _blocks(len(x), b.rows),
        THREADS,
        pointer(x),
        right,
        pointer(y),
        _address(final),
        len(x),
        b.rows,
    )
    del kept
    return y
