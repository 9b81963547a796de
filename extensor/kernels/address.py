"""Memory by address, for kernels that must not care about the type of an array.

A kernel that takes a byte address and strides is compiled once, whatever the memory order of its
input is, and whether it may be written to. The caller keeps the array alive. Inside a kernel an
array dies with its last use by name, and its address is none: take it in the loop that needs it.
"""

from typing import Any

from llvmlite import ir as llvm
from numba import types

from extensor.jit import kernel
from extensor.kernels.ir import F32, I8, I32, I64, data_pointer, intrinsic, load_at, store_at


@intrinsic
def address_of(typing: Any, x: Any) -> Any:
    """The byte address of the first element of an array, inside of a kernel."""

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        return b.ptrtoint(data_pointer(ctx, b, signature.args[0], args[0]), I64)

    return types.int64(x), generate


@intrinsic
def get_int32(typing: Any, where: Any) -> Any:
    """The int32 at a byte address."""
    return types.int32(types.int64), lambda ctx, b, signature, args: load_at(b, args[0], I32)


@intrinsic
def put_int32(typing: Any, where: Any, value: Any) -> Any:
    """Write an int32 to a byte address."""

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        store_at(b, args[0], args[1])
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int32), generate


@intrinsic
def put_byte(typing: Any, where: Any, value: Any) -> Any:
    """Write the low byte of an integer to a byte address."""

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        store_at(b, args[0], b.trunc(args[1], I8))
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def get_byte(typing: Any, where: Any) -> Any:
    """The byte at an address, as an int64."""

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        return b.zext(load_at(b, args[0], I8), I64)

    return types.int64(types.int64), generate


@intrinsic
def float_from(typing: Any, bits: Any) -> Any:
    """The float32 with these bits, an int32."""
    return types.float32(types.int32), lambda ctx, b, signature, args: b.bitcast(args[0], F32)


@intrinsic
def bits_from(typing: Any, x: Any) -> Any:
    """The bits of a float32 as an int32."""
    return types.int32(types.float32), lambda ctx, b, signature, args: b.bitcast(args[0], I32)


@intrinsic
def zero_bytes(typing: Any, where: Any, count: Any) -> Any:
    """Write ``count`` zero bytes."""

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        name = "llvm.memset.p0.i64"
        flag, pointer = llvm.IntType(1), I8.as_pointer()
        fn = b.module.globals.get(name) or llvm.Function(
            b.module, llvm.FunctionType(llvm.VoidType(), [pointer, I8, I64, flag]), name
        )
        zero = llvm.Constant(I8, 0)
        b.call(fn, [b.inttoptr(args[0], pointer), zero, args[1], llvm.Constant(flag, 0)])
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@kernel()
def address(x: Any) -> Any:
    """The byte address of the first element of an array, for the Python that launches a kernel.

    >>> import numpy as np
    >>> x = np.zeros(4, np.float32)
    >>> address(x[1:]) - address(x)
    4
    """
    return address_of(x)
