"""LLVM vector IR inside Numba: the few words that our SIMD kernels are written in.

Numba leaves vectorisation to LLVM, which picks 256-bit registers and often gives up on bit tricks
and register tiles. A ``numba.extending.intrinsic`` may emit the vector instructions itself; this
module is the vocabulary for that. Everything here is portable IR (no instruction of one CPU).

Conventions: ``b`` is the ``llvmlite.ir.IRBuilder``; ``n`` a number of lanes; ``t`` an IR scalar
type; ``index`` a 64-bit element index (not bytes) into the data of a C-contiguous array, in units
of the array's own element; nothing checks bounds. Vectors may be any number of lanes: LLVM splits
what the machine's registers cannot hold.

An intrinsic reads like this::

    @intrinsic
    def add_one(typing, x, i):
        def generate(ctx, b, signature, args):
            v = vload(ctx, b, signature.args[0], args[0], args[1], vector(F32, 16), 4)
            v = b.fadd(v, const(F32, 16, 1.0))
            vstore(ctx, b, signature.args[0], args[0], args[1], v, 4)
            return ctx.get_dummy_value()
        return types.void(x, types.intp), generate

>>> str(vector(F32, 16)), str(const(I32, 4, 7))
('<16 x float>', '<4 x i32> <i32 7, i32 7, i32 7, i32 7>')
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import extending

I8, I16, I32, I64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
F32 = ir.FloatType()

intrinsic: Callable[[Any], Any] = extending.intrinsic
"""Numba's decorator, with a type that lets the file that uses it be checked."""


def vector(t: Any, n: int) -> Any:
    """The type of ``n`` lanes of ``t``."""
    return ir.VectorType(t, n)


def const(t: Any, n: int, value: float) -> Any:
    """The constant vector with ``value`` in each of ``n`` lanes."""
    return ir.Constant(vector(t, n), [value] * n)


def const_each(t: Any, values: Sequence[float]) -> Any:
    """The constant vector with these lanes.

    >>> str(const_each(I32, range(3)))
    '<3 x i32> <i32 0, i32 1, i32 2>'
    """
    return ir.Constant(vector(t, len(values)), list(values))


def i32(value: int) -> Any:
    """A 32-bit scalar constant."""
    return ir.Constant(I32, value)


def i64(value: int) -> Any:
    """A 64-bit scalar constant (an index)."""
    return ir.Constant(I64, value)


def splat(b: Any, s: Any, n: int) -> Any:
    """The scalar ``s`` in each of ``n`` lanes."""
    t = vector(s.type, n)
    undefined = ir.Constant(t, ir.Undefined)
    first = b.insert_element(undefined, s, i32(0))
    return b.shuffle_vector(first, undefined, const(I32, n, 0))


def lanes(b: Any, v: Any, start: int, n: int) -> Any:
    """Lanes ``start .. start + n`` of a vector."""
    undefined = ir.Constant(v.type, ir.Undefined)
    return b.shuffle_vector(v, undefined, const_each(I32, range(start, start + n)))


def join(b: Any, low: Any, high: Any) -> Any:
    """Two vectors of one type, one after the other."""
    n = low.type.count
    return b.shuffle_vector(low, high, const_each(I32, range(2 * n)))


def data_pointer(ctx: Any, b: Any, arrty: Any, arr: Any) -> Any:
    """The pointer to the first element of a Numba array value."""
    from numba.np.arrayobj import make_array  # costs 60 ms, and only a compilation needs it

    view: Any = make_array
    return view(arrty)(ctx, b, arr).data


def address(ctx: Any, b: Any, arrty: Any, arr: Any, index: Any, t: Any) -> Any:
    """A pointer to ``t`` at element ``index`` of a Numba array value."""
    data = data_pointer(ctx, b, arrty, arr)
    return b.bitcast(b.gep(data, [index]), t.as_pointer())


def vload(ctx: Any, b: Any, arrty: Any, arr: Any, index: Any, t: Any, align: int = 1) -> Any:
    """Read a ``t`` (vector or scalar) that starts at element ``index``; ``align`` in bytes."""
    value = b.load(address(ctx, b, arrty, arr, index, t))
    value.align = align
    return value


def vstore(ctx: Any, b: Any, arrty: Any, arr: Any, index: Any, value: Any, align: int = 1) -> None:
    """Write ``value`` from element ``index`` on; ``align`` in bytes."""
    b.store(value, address(ctx, b, arrty, arr, index, value.type)).align = align


def load_at(b: Any, where: Any, t: Any) -> Any:
    """Read a ``t`` at a byte address (a 64-bit integer), aligned to 4 bytes or to one."""
    value = b.load(b.inttoptr(where, t.as_pointer()))
    value.align = _alignment(t)
    return value


def store_at(b: Any, where: Any, value: Any) -> None:
    """Write ``value`` to a byte address (a 64-bit integer)."""
    b.store(value, b.inttoptr(where, value.type.as_pointer())).align = _alignment(value.type)


def _alignment(t: Any) -> int:
    return 1 if getattr(t, "element", t) in (I8, I16) else 4


def call(b: Any, name: str, ret: Any, args: Sequence[Any], fastmath: tuple[str, ...] = ()) -> Any:
    """Call an LLVM intrinsic by its full name; it is declared on first use."""
    fn = b.module.globals.get(name)
    if fn is None:
        fn = ir.Function(b.module, ir.FunctionType(ret, [a.type for a in args]), name)
    return b.call(fn, args, fastmath=fastmath)


def suffix(t: Any) -> str:
    """How LLVM's intrinsic names spell a type.

    >>> suffix(vector(F32, 16)), suffix(I32)
    ('v16f32', 'i32')
    """
    if isinstance(t, ir.VectorType):
        return f"v{t.count}{suffix(t.element)}"
    return "f32" if t == F32 else f"i{t.width}"


def fma(b: Any, x: Any, y: Any, z: Any) -> Any:
    """x · y + z, rounded once, lane by lane."""
    return call(b, f"llvm.fma.{suffix(z.type)}", z.type, [x, y, z])


def select(b: Any, condition: Any, x: Any, y: Any) -> Any:
    """x where the condition's lane is set, else y."""
    return b.select(condition, x, y)


def smax(b: Any, x: Any, y: Any) -> Any:
    """The larger of two signed integers, lane by lane."""
    return b.select(b.icmp_signed(">", x, y), x, y)


def smin(b: Any, x: Any, y: Any) -> Any:
    """The smaller of two signed integers, lane by lane."""
    return b.select(b.icmp_signed("<", x, y), x, y)


def reduce_smax(b: Any, v: Any) -> Any:
    """The largest lane of a vector of signed integers.

    Floats ≥ +0 order like their bit patterns, so this is also their maximum.
    """
    return call(b, f"llvm.vector.reduce.smax.{suffix(v.type)}", v.type.element, [v])


def reduce_add(b: Any, v: Any) -> Any:
    """The sum of the float lanes in a fixed tree: halves are added until one lane is left.

    The number of lanes is a power of two. The order is written out, so every CPU gives the same
    bits (``llvm.vector.reduce.fadd`` with reassociation may not).
    """
    n = v.type.count
    while n > 1:
        n //= 2
        v = b.fadd(lanes(b, v, 0, n), lanes(b, v, n, n))
    return b.extract_element(v, i32(0))
