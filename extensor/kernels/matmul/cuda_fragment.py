"""Fragments of packed weights: from 4-bit codes in registers to ``mma.sync`` on bf16.

A 32-bit word holds eight E2M1 codes. A 16-bit lane whose sign stands at bit 15 and whose three
magnitude bits stand at the border between a bf16's exponent and mantissa (bits 8 to 6) is the
element times 2**-126, subnormals included; one bf16 product with the scale times 2**126 makes the
weight, exactly. One product of integers copies a code to both places at once, and one mask leaves
the sign and the magnitude:

    code & 0xF, times 2**12 + 2**6, and 0x81C0

A word gives the pairs (0, 4), (1, 5), (2, 6), (3, 7) of its codes; the other operand is laid out in
this order of k (`extensor.kernels.matmul.cuda_skinny`), which a sum over k does not see.

Source: NVIDIA, "Parallel Thread Execution ISA", 9.7.14.5.8 (fragments of mma.m16n8k16).
"""

from typing import Any

from llvmlite import ir
from numba import types

from extensor.kernels.ir import intrinsic
from extensor.kernels.ptx import instruction

_U32, _F32 = ir.IntType(32), ir.FloatType()

UNIT = "0x7E807E80"
"""2**126 twice, in bf16."""

STRIDE = 20
"""Floats from one column of a spilled fragment to the next: 16 rows, and no bank conflicts."""


def pairs(word: str, scale: str, names: list[str], twice: bool) -> list[str]:
    lines = []
    for i, name in enumerate(names):
        if i == 2:
            lines.append(f"shr.u32 v, {word}, 8;")
        source, mask = (word, "v")[i // 2], ("0x000F000F", "0x00F000F0")[i % 2]
        lines += [
            f"and.b32 t, {source}, {mask};",
            f"mul.lo.u32 t, t, {(4160, 260)[i % 2]};",
            "and.b32 t, t, 0x81C081C0;",
            *(["mul.rn.bf16x2 t, t, u;"] if twice else []),
            f"mul.rn.bf16x2 {name}, t, {scale};",
        ]
    return lines


def _assembly(tiles: int, twice: bool) -> str:
    n = 4 * tiles
    word0, word1, scale0, scale1, x = (f"${n + i}" for i in range(5))
    lines = [".reg .b32 t, v, u, p0, p1, p2, p3, q0, q1, q2, q3, x0, x1, x2, x3;"]
    lines += [f".reg .f32 c<{n}>;", f"mov.b32 u, {UNIT};"]
    lines += [f"mov.f32 c{i}, ${n + 5 + i};" for i in range(n)]
    lines += pairs(word0, scale0, ["p0", "p1", "p2", "p3"], twice)
    lines += pairs(word1, scale1, ["q0", "q1", "q2", "q3"], twice)
    for tile in range(tiles):
        c = "{" + ", ".join(f"c{4 * tile + i}" for i in range(4)) + "}"
        lines.append(f"ld.shared.v4.u32 {{x0, x1, x2, x3}}, [{x}+{512 * tile}];")
        for a, b in (("p0, q0, p1, q1", "x0, x1"), ("p2, q2, p3, q3", "x2, x3")):
            lines.append(
                f"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {c}, {{{a}}}, {{{b}}}, {c};"
            )
    lines += [f"mov.f32 ${i}, c{i};" for i in range(n)]
    return "{ " + " ".join(lines) + " }"


def _multiply(twice: bool) -> Any:
    @intrinsic
    def multiply(
        typing: Any, word0: Any, word1: Any, scale0: Any, scale1: Any, x: Any, sums: Any
    ) -> Any:
        """Add the products of 16 rows, 8 codes each a thread, with 8 columns a tile to ``sums``.

        word0, word1
            Eight codes of row g and of row g + 8; g is the lane over 4.
        scale0, scale1
            Their scales times 2**126 (``multiply_any``: the scales themselves), a bf16 pair.
        x
            Shared address of the thread's 16 bytes of the first tile; the next is 512 bytes on.
        sums
            float32, four a tile: (g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1).
        """

        def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
            n = len(signature.args[5])
            parts = [b.extract_value(args[5], i) for i in range(n)]
            kind = ir.LiteralStructType([_F32] * n)
            letters = ",".join(["=f"] * n + ["r"] * 5 + ["f"] * n + ["~{memory}"])
            asm = ir.InlineAsm(
                ir.FunctionType(kind, [_U32] * 5 + [_F32] * n),
                _assembly(n // 4, twice),
                letters,
                side_effect=True,
            )
            value = b.call(asm, [*args[:5], *parts])
            parts = [b.extract_value(value, i) for i in range(n)]
            return ctx.make_tuple(b, signature.return_type, parts)

        word = types.uint32
        return sums(word, word, word, word, word, sums), generate

    return multiply


multiply, multiply_any = _multiply(False), _multiply(True)


@intrinsic
def spill(typing: Any, where: Any, sums: Any) -> Any:
    """Write the sums of a warp to shared memory, column by column, `STRIDE` floats apart.

    where
        Shared address of the thread's first value: column 2 t, row g.
    """

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        n = len(signature.args[1])
        at = [4 * (STRIDE * (8 * (i // 4) + i % 2) + 8 * (i // 2 % 2)) for i in range(n)]
        text = " ".join(f"st.shared.f32 [$0+{offset}], ${i + 1};" for i, offset in enumerate(at))
        kind = ir.FunctionType(ir.VoidType(), [_U32] + [_F32] * n)
        asm = ir.InlineAsm(kind, text, ",".join(["r"] + ["f"] * n + ["~{memory}"]), True)
        b.call(asm, [args[0], *(b.extract_value(args[1], i) for i in range(n))])
        return ctx.get_dummy_value()

    return types.void(types.uint32, sums), generate


@intrinsic
def store_sums(
    typing: Any, where: Any, stride: Any, columns: Any, low: Any, high: Any, factor: Any, sums: Any
) -> Any:
    """Write the sums of a warp, times ``factor``, to global memory: columns of rows.

    where, stride
        Address of the thread's first value (column 2 t, row g); bytes from column to column.
    columns
        How many columns there are from column 2 t on.
    low, high
        Whether rows g and g + 8 exist: 1 or 0.
    """

    def generate(ctx: Any, b: Any, signature: Any, args: Any) -> Any:
        n = len(signature.args[6])
        lines = [".reg .pred l, h, p, q;", ".reg .b64 a;", ".reg .f32 f;"]
        lines += ["setp.ne.u32 l, $3, 0;", "setp.ne.u32 h, $4, 0;"]
        for i in range(0, n, 4):
            for j in (0, 1):
                column = 8 * (i // 4) + j
                lines += [
                    f"mad.lo.u64 a, $1, {column}, $0;",
                    f"setp.gt.and.s32 p, $2, {column}, l;",
                    f"setp.gt.and.s32 q, $2, {column}, h;",
                    f"mul.rn.f32 f, ${6 + i + j}, $5;",
                    "@p st.global.f32 [a], f;",
                    f"mul.rn.f32 f, ${8 + i + j}, $5;",
                    "@q st.global.f32 [a+32], f;",
                ]
        i64 = ir.IntType(64)
        takes = [i64, i64, _U32, _U32, _U32, _F32] + [_F32] * n
        letters = ",".join(["l", "l", "r", "r", "r", "f"] + ["f"] * n + ["~{memory}"])
        text = "{ " + " ".join(lines) + " }"
        asm = ir.InlineAsm(ir.FunctionType(ir.VoidType(), takes), text, letters, True)
        b.call(asm, [*args[:6], *(b.extract_value(args[6], i) for i in range(n))])
        return ctx.get_dummy_value()

    word = types.uint32
    takes = types.uint64, types.uint64, types.int32, word, word, types.float32
    return types.void(*takes, sums), generate


_u32, _u64, _f32 = types.uint32, types.uint64, types.float32

# 9.7.9.7 prmt: byte ``t`` of a word of four scale codes, times 2**126 as a pair of bf16.
pair_scale = instruction(
    "{ .reg .b32 t; prmt.b32 t, $1, 0, $2; add.u32 t, t, 126; mul.lo.u32 $0, t, 0x00800080; }",
    (_u32,),
    (_u32, _u32),
)
permute = instruction("prmt.b32 $0, $1, $2, $3;", (_u32,), (_u32, _u32, _u32))
# Loads that may stay in L1, and shared memory by address.
load128_kept = instruction(
    "ld.global.nc.v4.u32 {$0,$1,$2,$3}, [$4];", (_u32,) * 4, (_u64,), volatile=True
)
store128_shared = instruction(
    "st.shared.v4.u32 [$0], {$1,$2,$3,$4};", (), (_u32,) * 5, volatile=True
)
load_shared = instruction("ld.shared.f32 $0, [$1];", (_f32,), (_u32,), volatile=True)
shared_address = instruction(
    "{ .reg .b64 t; cvta.to.shared.u64 t, $1; cvt.u32.u64 $0, t; }", (_u32,), (_u64,)
)
store_float = instruction("st.global.f32 [$0], $1;", (), (_u64, _f32), volatile=True)
load_float = instruction("ld.global.f32 $0, [$1];", (_f32,), (_u64,), volatile=True)
