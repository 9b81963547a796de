"""The arithmetic of optimizers on CUDA: `extensor.kernels.update` on flat float32 device arrays.

Same bits: each product is rounded, then each sum; division and square root are the IEEE ones. A
coefficient is a Python float, rounded to float32 once, or a float32 device array of shape (1,),
read by the kernel itself: then a captured CUDA graph can be replayed with a new learning rate. A
beta of `adam` that lives on the device gives ``1 - beta`` from its float32, not from a float64.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.backend import device_of, pointer
from extensor.errors import DTypeError
from extensor.kernels import ptx
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.memory import read_f32, write_f32
from extensor.kernels.square_sum_cuda import square_sum

__all__ = ["adam", "add_scaled", "clamp", "momentum", "nesterov", "scale", "square_sum"]

THREADS = 256
_u64, _i64, _f32 = types.uint64, types.int64, types.float32
# 9.7.3.13 sqrt, 9.7.3.8 div: rounded to nearest, subnormals kept.
_sqrt = ptx.instruction("sqrt.rn.f32 $0, $1;", (_f32,), (_f32,))
_div = ptx.instruction("div.rn.f32 $0, $1, $2;", (_f32,), (_f32, _f32))


@njit()
def _number(value: Any, where: Any) -> Any:
    """A coefficient: the float32 at an address, or the given one where there is no address."""
    return read_f32(where) if where != np.uint64(0) else value


@njit()
def _rest(beta: Any, where: Any, given: Any) -> Any:
    """``1 - beta``, rounded once from float64."""
    return np.float32(1.0 - np.float64(beta)) if where != np.uint64(0) else given


@cuda_kernel(_u64, _u64, _i64, _f32, _u64)
def add_scaled_all(y: Any, x: Any, n: Any, c: Any, at: Any):  # type: ignore[no-untyped-def]
    """``y += c * x``"""
    i = cuda.grid(1)
    if i < n:
        here = np.uint64(4 * i)
        product = ptx.mul(_number(c, at), read_f32(x + here))
        write_f32(y + here, ptx.add(read_f32(y + here), product))


@cuda_kernel(_u64, _i64, _f32, _u64)
def scale_all(y: Any, n: Any, c: Any, at: Any):  # type: ignore[no-untyped-def]
    """``y *= c``"""
    i = cuda.grid(1)
    if i < n:
        here = y + np.uint64(4 * i)
        write_f32(here, ptx.mul(read_f32(here), _number(c, at)))


@cuda_kernel(_u64, _i64, _f32, _u64)
def clamp_all(y: Any, n: Any, limit: Any, at: Any):  # type: ignore[no-untyped-def]
    """``y = min(max(y, -limit), limit)``; NaN stays NaN."""
    i = cuda.grid(1)
    if i < n:
        here, top = y + np.uint64(4 * i), _number(limit, at)
        v = read_f32(here)
        above, below = v > top, v < -top  # not min and max, which drop NaN on a GPU
        write_f32(here, top if above else np.float32(-top) if below else v)


@cuda_kernel(_u64, _u64, _i64, _f32, _u64, _i64)
def momentum_all(m: Any, u: Any, n: Any, mu: Any, at: Any, ahead: Any):  # type: ignore[no-untyped-def]
    """``m = mu * m + u``, then ``u = m``, or ``u = u + mu * m`` with ``ahead``."""
    i = cuda.grid(1)
    if i < n:
        here, a = np.uint64(4 * i), _number(mu, at)
        g = read_f32(u + here)
        v = ptx.add(ptx.mul(a, read_f32(m + here)), g)
        write_f32(m + here, v)
        write_f32(u + here, ptx.add(g, ptx.mul(a, v)) if ahead != 0 else v)


@cuda_kernel(
    _u64, _u64, _u64, _i64,
    _f32, _u64, _f32, _f32, _u64, _f32, _f32, _u64, _f32, _u64, _f32, _u64,
)  # fmt: skip
def adam_all(  # type: ignore[no-untyped-def]
    m: Any, v: Any, u: Any, n: Any,
    beta1: Any, beta1_at: Any, rest1: Any, beta2: Any, beta2_at: Any, rest2: Any,
    fix1: Any, fix1_at: Any, fix2: Any, fix2_at: Any, eps: Any, eps_at: Any,
):  # fmt: skip
    """See `extensor.kernels.update.adam`. rest: 1 - beta, where beta is given as a number."""
    i = cuda.grid(1)
    if i < n:
        here = np.uint64(4 * i)
        b1, b2 = _number(beta1, beta1_at), _number(beta2, beta2_at)
        c1, c2 = _rest(b1, beta1_at, rest1), _rest(b2, beta2_at, rest2)
        g = read_f32(u + here)
        first = ptx.add(ptx.mul(b1, read_f32(m + here)), ptx.mul(c1, g))
        second = ptx.add(ptx.mul(b2, read_f32(v + here)), ptx.mul(c2, ptx.mul(g, g)))
        write_f32(m + here, first)
        write_f32(v + here, second)
        below = ptx.add(ptx.mul(_sqrt(second), _number(fix2, fix2_at)), _number(eps, eps_at))
        write_f32(u + here, _div(ptx.mul(first, _number(fix1, fix1_at)), below))


def _coefficient(c: Any) -> tuple[np.float32, np.uint64]:
    """(value, address): one of the two says what the coefficient is."""
    if not hasattr(c, "dtype") or device_of(c) == "cpu":
        return np.float32(c), np.uint64(0)
    if c.dtype != np.float32 or c.size != 1:
        raise DTypeError(
            f"update: a coefficient is {c.dtype} of shape {c.shape}; allowed: a Python float, or a "
            "float32 device array of shape (1,)"
        )
    return np.float32(0), pointer(c)


def _beta(c: Any) -> tuple[np.float32, np.uint64, np.float32]:
    """`_coefficient` and 1 - beta; 0 for one on the device."""
    value, at = _coefficient(c)
    return value, at, np.float32(0) if at else np.float32(1.0 - c)


def _run(kernel: Any, n: int, *args: Any) -> None:
    kernel.launch(blocks_for(n, THREADS), THREADS, *args)


def add_scaled(y: Any, x: Any, c: Any) -> None:
    """`extensor.kernels.update.add_scaled` of device arrays."""
    _run(add_scaled_all, y.size, pointer(y), pointer(x), y.size, *_coefficient(c))


def scale(y: Any, c: Any) -> None:
    """`extensor.kernels.update.scale` of a device array."""
    _run(scale_all, y.size, pointer(y), y.size, *_coefficient(c))


def clamp(y: Any, limit: Any) -> None:
    """`extensor.kernels.update.clamp` of a device array."""
    _run(clamp_all, y.size, pointer(y), y.size, *_coefficient(limit))


def momentum(m: Any, u: Any, mu: Any) -> None:
    """`extensor.kernels.update.momentum` of device arrays."""
    _run(momentum_all, u.size, pointer(m), pointer(u), u.size, *_coefficient(mu), 0)


def nesterov(m: Any, u: Any, mu: Any) -> None:
    """`extensor.kernels.update.nesterov` of device arrays."""
    _run(momentum_all, u.size, pointer(m), pointer(u), u.size, *_coefficient(mu), 1)


def adam(m: Any, v: Any, u: Any, beta1: Any, beta2: Any, fix1: Any, fix2: Any, eps: Any) -> None:
    """`extensor.kernels.update.adam` of device arrays."""
    _run(
        adam_all, u.size, pointer(m), pointer(v), pointer(u), u.size,
        *_beta(beta1), *_beta(beta2), *_coefficient(fix1), *_coefficient(fix2), *_coefficient(eps),
    )  # fmt: skip
