"""Numbers at a byte address, for CUDA kernels that must not care about types of arrays.

Plain loads and stores in LLVM: any kernel may write what another reads later, so these do not go
through the read-only cache as `extensor.kernels.ptx.load128` does.
"""

from typing import Any

from llvmlite import ir
from numba import types

from extensor.kernels.ir import intrinsic, load_at, store_at


def _reader(to: Any, kind: Any) -> Any:
    @intrinsic
    def read(typing: Any, where: Any) -> Any:
        return to(types.uint64), lambda ctx, b, signature, args: load_at(b, args[0], kind)

    return read


def _writer(given: Any, kind: Any) -> Any:
    @intrinsic
    def write(typing: Any, where: Any, value: Any) -> Any:
        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            store_at(b, args[0], args[1])
            return ctx.get_dummy_value()

        return types.void(types.uint64, given), generate

    return write


read_f32 = _reader(types.float32, ir.FloatType())
read_f64 = _reader(types.float64, ir.DoubleType())
read_u8 = _reader(types.uint8, ir.IntType(8))
read_u16 = _reader(types.uint16, ir.IntType(16))
read_i32 = _reader(types.int32, ir.IntType(32))
read_i64 = _reader(types.int64, ir.IntType(64))
write_f32 = _writer(types.float32, ir.FloatType())
write_f64 = _writer(types.float64, ir.DoubleType())
write_u8 = _writer(types.uint8, ir.IntType(8))
write_u16 = _writer(types.uint16, ir.IntType(16))
write_i32 = _writer(types.int32, ir.IntType(32))
write_i64 = _writer(types.int64, ir.IntType(64))
