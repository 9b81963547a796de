"""32-bit index arithmetic for CUDA kernels: division by numbers that are known before the launch.

A GPU has no instruction for integer division; a quotient by a known d is a product with
``m = ceil(2**(31 + l) / d)``, ``l = ceil(log2 d)``, and a shift: exact for n < 2**31.

Source: Granlund and Montgomery, "Division by invariant integers using multiplication", PLDI 1994,
theorem 4.2, with N = 31.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

from extensor.backend import cupy
from extensor.errors import ShapeError
from extensor.kernels.ptx import instruction
from extensor.kernels.window import Pair

LIMIT = 1 << 31
"""Indices stay below this."""

_u32 = types.uint32
# 9.7.1.4 mul.hi: the upper half of the product.
_upper = instruction("mul.hi.u32 $0, $1, $2;", (_u32,), (_u32, _u32))
# 9.7.9.9 ld.global.nc: what no kernel writes; every thread reads it, so it stays in L1.
_load128 = instruction("ld.global.nc.v4.u32 {$0,$1,$2,$3}, [$4];", (_u32,) * 4, (types.uint64,))


def divisor(d: int) -> tuple[int, int, int]:
    """(d, multiplier, shift) of a number 1 <= d < 2**31.

    >>> divisor(1), divisor(3)
    ((1, 2147483648, 0), (3, 2863311531, 2))
    >>> all(2 * n * m >> 32 + s == n // d for d, m, s in map(divisor, (3, 7)) for n in range(99))
    True
    """
    shift = (d - 1).bit_length()
    return d, -(-(1 << (31 + shift)) // d), shift


@njit()
def quotient(n: Any, multiplier: Any, shift: Any) -> Any:
    """``n // d`` of uint32 numbers, n < 2**31."""
    return np.uint32(_upper(np.uint32(n << np.uint32(1)), multiplier) >> shift)


@njit()
def first_window(at: Any, size: Any, multiplier: Any, shift: Any) -> Any:
    """The first window that covers the padded place ``at``: windows start at multiples of a step.

    size
        Of the window. multiplier, shift: those of the step.
    """
    if at < size:
        return np.uint32(0)
    return np.uint32(quotient(np.uint32(at - size), multiplier, shift) + np.uint32(1))


@njit()
def behind_window(at: Any, count: Any, multiplier: Any, shift: Any) -> Any:
    """One more than the last of ``count`` windows that covers the padded place ``at``."""
    return np.uint32(min(np.uint32(quotient(at, multiplier, shift) + np.uint32(1)), count))


@njit()
def row_of(geo: Any, i: Any) -> Any:
    """Row ``i`` of `geometry` at an address."""
    return _load128(geo + np.uint64(16 * i))


@cache
def geometry(
    image: tuple[int, int, int], kernel: Pair, stride: Pair, padding: Pair, out: Pair
) -> Any:
    """What the kernels of windows divide by and compare with: rows of four uint32 on the device.

    The rows are: C kh kw | kh kw | kw | Ho Wo | Wo | H W | W | C, each with its multiplier and
    shift and a fourth number (C, H, kh, Ho, W, sh, sw, 0); then (sh, sw, ph, pw); then the
    multipliers and shifts of sh and of sw. Kept for the life of the process (a captured CUDA graph
    goes on reading it).
    """
    (c, h, w), (kh, kw), (sh, sw), (ho, wo) = image, kernel, stride, out
    divisors = (c * kh * kw, kh * kw, kw, ho * wo, wo, h * w, w, c)
    fourth = (c, h, kh, ho, w, sh, sw, 0)
    rows = [(*divisor(max(d, 1)), e) for d, e in zip(divisors, fourth, strict=True)]
    rows.append((sh, sw, *padding))
    rows.append((*divisor(sh)[1:], *divisor(sw)[1:]))
    return cupy().asarray(np.array(rows, np.uint32))


def spans(op: str, n: int, entries: int, limit: int = LIMIT) -> Iterator[tuple[int, int]]:
    """(first, count) of runs of ``n`` images that have fewer than ``limit`` entries together.

    >>> list(spans("patches", 5, 1 << 30, LIMIT + 1))
    [(0, 2), (2, 2), (4, 1)]
    """
    if entries >= LIMIT:
        raise ShapeError(f"{op}: one image has {entries} entries; allowed: fewer than {LIMIT}")
    step = max((limit - 1) // max(entries, 1), 1)
    for first in range(0, n, step):
        yield first, min(step, n - first)
