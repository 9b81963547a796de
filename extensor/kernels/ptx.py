"""Inline PTX for Numba CUDA kernels: one factory, and the few instructions all kernels share.

An instruction is a line of assembly with operands ``$0 $1 ...``: the results first, then the
arguments. ``volatile`` keeps what has effects beyond its results (stores, barriers, loads of
memory that others write).

Source: NVIDIA, "Parallel Thread Execution ISA", the section named beside each instruction.
"""

from inspect import Parameter, Signature
from typing import Any

from llvmlite import ir
from numba import types

from extensor.kernels.ir import intrinsic

_LLVM: dict[Any, Any] = {
    types.uint16: ir.IntType(16),
    types.int32: ir.IntType(32),
    types.uint32: ir.IntType(32),
    types.int64: ir.IntType(64),
    types.uint64: ir.IntType(64),
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
}
_LETTER: dict[Any, str] = {
    types.uint16: "h",
    types.int32: "r",
    types.uint32: "r",
    types.int64: "l",
    types.uint64: "l",
    types.float32: "f",
    types.float64: "d",
}

_tuple: Any = types.UniTuple
_POSITIONAL = Parameter.POSITIONAL_OR_KEYWORD


def instruction(
    assembly: str, results: tuple[Any, ...], takes: tuple[Any, ...], volatile: bool = False
) -> Any:
    """A device function that is this assembly; several results come as a tuple of one type."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        gives = [_LLVM[t] for t in results]
        if not gives:
            kind: Any = ir.VoidType()
        else:
            kind = gives[0] if len(gives) == 1 else ir.LiteralStructType(gives)
        letters = ["=" + _LETTER[t] for t in results] + [_LETTER[t] for t in takes]
        constraints = ",".join([*letters, "~{memory}"] if volatile else letters)
        function = ir.FunctionType(kind, [_LLVM[t] for t in takes])
        value = builder.call(
            ir.InlineAsm(function, assembly, constraints, side_effect=volatile), list(args)
        )
        if not gives:
            return context.get_dummy_value()
        if len(gives) == 1:
            return value
        parts = [builder.extract_value(value, i) for i in range(len(gives))]
        return context.make_tuple(builder, signature.return_type, parts)

    if not results:
        answer: Any = types.void
    else:
        answer = results[0] if len(results) == 1 else _tuple(results[0], len(results))
    signature = answer(*takes)

    def typed(typing: Any, *arguments: Any) -> Any:
        return signature, codegen

    names = ["typing", *(f"a{i}" for i in range(len(takes)))]
    typed.__signature__ = Signature([Parameter(n, _POSITIONAL) for n in names])  # type: ignore[attr-defined]
    return intrinsic(typed)


_u32, _u64, _f32 = types.uint32, types.uint64, types.float32

# 9.7.9.8 ld.global.nc: read-only data, not kept in L1; 16 bytes a thread, aligned to 16.
load128 = instruction(
    "ld.global.nc.L1::no_allocate.v4.u32 {$0,$1,$2,$3}, [$4];", (_u32,) * 4, (_u64,), volatile=True
)
load64 = instruction(
    "ld.global.nc.L1::no_allocate.v2.u32 {$0,$1}, [$2];", (_u32,) * 2, (_u64,), volatile=True
)
load32 = instruction("ld.global.nc.u32 $0, [$1];", (_u32,), (_u64,), volatile=True)
load8 = instruction(
    "{ .reg .b16 t; ld.global.nc.u8 t, [$1]; cvt.u32.u16 $0, t; }", (_u32,), (_u64,), volatile=True
)
# 9.7.9.11 st.global
store128 = instruction(
    "st.global.v4.u32 [$0], {$1,$2,$3,$4};", (), (_u64, _u32, _u32, _u32, _u32), volatile=True
)
store64 = instruction("st.global.v2.u32 [$0], {$1,$2};", (), (_u64, _u32, _u32), volatile=True)
store32 = instruction("st.global.u32 [$0], $1;", (), (_u64, _u32), volatile=True)
store8 = instruction(
    "{ .reg .b16 t; cvt.u16.u32 t, $1; st.global.u8 [$0], t; }", (), (_u64, _u32), volatile=True
)
# Arithmetic that must not be fused: 9.7.3.5 mul, 9.7.3.3 add.
mul = instruction("mul.rn.f32 $0, $1, $2;", (_f32,), (_f32, _f32))
add = instruction("add.rn.f32 $0, $1, $2;", (_f32,), (_f32, _f32))
sub = instruction("sub.rn.f32 $0, $1, $2;", (_f32,), (_f32, _f32))
# Bits of a float32 and back.
bits32 = instruction("mov.b32 $0, $1;", (_u32,), (_f32,))
float32_of = instruction("mov.b32 $0, $1;", (_f32,), (_u32,))


def shared_room(name: str, size: int) -> Any:
    """A device function that gives the shared address (uint32) of ``size`` bytes, aligned to 16.

    name
        Of the variable in the module; one name is one room.
    """

    @intrinsic
    def room(typing: Any) -> Any:
        def generate(context: Any, b: Any, signature: Any, args: Any) -> Any:
            kind = ir.ArrayType(ir.IntType(8), size)
            found = b.module.globals.get(name)
            if found is None:
                found = ir.GlobalVariable(b.module, kind, name, addrspace=3)
                found.linkage, found.align = "internal", 16
                found.initializer = ir.Constant(kind, ir.Undefined)
            return b.ptrtoint(found, ir.IntType(32))

        return types.uint32(), generate

    return room
