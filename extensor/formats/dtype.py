"""All formats by name, and what two of them make together (promotion)."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from extensor.errors import DTypeError
from extensor.formats import block, element
from extensor.formats.base import Book, DType, find, register
from extensor.formats.element import BF16, FP16, FP32, FP64, Float
from extensor.formats.numbers import Complex, Integer

C64, C128 = Complex("complex64", FP32), Complex("complex128", FP64)
register(FP64, "fp64", "double", "f64")
register(FP32, "fp32", "float", "single", "f32")
register(FP16, "fp16", "half", "f16")
register(BF16, "bf16")
register(element.E4M3, "fp8_e4m3", "e4m3", "e4m3fn", "float8_e4m3", "fp8")
register(element.E5M2, "fp8_e5m2", "e5m2")
register(element.E3M2, "fp6_e3m2", "e3m2", "float6_e3m2")
register(element.E2M3, "fp6_e2m3", "e2m3", "float6_e2m3")
register(element.E2M1, "fp4_e2m1", "e2m1", "fp4", "float4_e2m1")
register(element.E8M0, "fp8_e8m0", "e8m0", "float8_e8m0", "ue8m0")
register(element.UE5M3, "ue5m3")
register(element.INT8, "fixed8")
for _name in ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]:
    register(Integer(_name), *(["si" + _name[3:]] if _name[0] == "i" else []))
Book.aliases["bool_"] = "bool"
register(C64, "cfloat", "c64")
register(C128, "cdouble", "c128")
register(block.MXFP8_E4M3, "mxfp8")
register(block.MXFP8_E5M2)
register(block.MXFP6_E3M2, "mxfp6")
register(block.MXFP6_E2M3)
register(block.MXFP4, "fp4_mxfp4")
register(block.MXINT8)
register(block.NVFP4, "fp4_nvfp4")
register(block.NVFP4_2D)

DTYPES: tuple[DType, ...] = tuple(Book.formats.values())
"""Every named format, scalar ones first."""

_BY_NUMPY = {d.storage: d for d in DTYPES if d.kind == "native"}


def from_numpy(array_type: np.dtype[np.generic]) -> DType:
    """The format of a NumPy (or ml_dtypes) array type.

    >>> from_numpy(np.dtype(np.float32))
    float32
    """
    if array_type in _BY_NUMPY:
        return _BY_NUMPY[array_type]
    if array_type.name in Book.formats:
        return Book.formats[array_type.name]
    raise DTypeError(
        f"asarray: NumPy type {array_type} has no format here; allowed: "
        f"{', '.join(d.name for d in DTYPES if d.kind == 'native')} and ml_dtypes' own"
    )


def dtype(spec: object) -> DType:
    """A format from a `DType`, a name, a NumPy type or a Python number type.

    >>> dtype("mxfp4"), dtype(np.float16), dtype(int)
    (mxfp4, float16, int64)
    """
    if isinstance(spec, DType):
        return spec
    if isinstance(spec, str):
        return find(spec)
    python = {float: "float32", int: "int64", bool: "bool", complex: "complex64"}
    if isinstance(spec, type) and spec in python:
        return find(python[spec])
    try:
        return from_numpy(np.dtype(spec))  # type: ignore[call-overload]
    except TypeError as error:
        if isinstance(error, DTypeError):
            raise
        raise DTypeError(f"dtype: {spec!r} is not a format; allowed: a DType or a name") from None


RULES: dict[str, str] = {
    "itself": "A format of 16 bits or more with itself is itself.",
    "floats": "Two of float64, float32, float16 and bfloat16: the smallest of the four that holds "
    "every value of both, which for float16 with bfloat16 is float32.",
    "narrow": "Two formats of which each has elements of 8 bits or fewer, or blocks: float32, "
    "which holds every product of two of their elements. A narrow format with itself too: only "
    "`quantize` and `to` encode again, in silence nothing is.",
    "partner": "A narrow or blocked format with a float of 16 bits or more: the partner's format.",
    "integers": "Two integers: the smallest integer that holds both, as in NumPy and the Array API "
    "standard; truth values give way to integers.",
    "give way": "An integer with a float: the float, which for narrow and blocked formats is "
    "float32.",
    "complex": "A complex format with another one, or with a real scalar format: complex128 where "
    "one of the two has parts of 64 bits, else complex64.",
    "none": "uint64 with a signed integer (no integer holds both), and a blocked format with a "
    "complex one (a block's scale is for real numbers), have no meaning: DTypeError, with what to "
    "convert.",
}
"""The lattice of promotion, rule by rule; `rule_of` says which one a pair falls under."""


def rule_of(a: DType, b: DType) -> str:
    """The rule of `RULES` that decides what ``a`` with ``b`` makes; the order does not matter.

    >>> rule_of(block.MXFP4, block.NVFP4), rule_of(BF16, FP16), rule_of(FP32, block.MXFP4)
    ('narrow', 'floats', 'partner')
    """
    if a.is_complex or b.is_complex:
        return "none" if "blocked" in (a.kind, b.kind) else "itself" if a == b else "complex"
    if a.is_float != b.is_float:
        return "give way"
    if not a.is_float:
        if "uint64" in (a.name, b.name) and "i" in (a.storage.kind, b.storage.kind):
            return "none"
        return "itself" if a == b else "integers"
    narrow = [compute(d) is not d for d in (a, b)]
    if any(narrow):
        return "narrow" if all(narrow) else "partner"
    return "itself" if a == b else "floats"


def promote(a: DType, b: DType) -> DType:
    """The format in which an op of two formats answers; the rules are those of `RULES`.

    Low precision never widens silently: bfloat16 and float16 stay, and what is narrower computes
    to float32 (or to its partner's format) and stays there until it is encoded again by name.
    DTypeError, with a hint, for a pair without a meaning.

    >>> promote(block.MXFP4, FP32), promote(block.MXFP4, BF16), promote(element.E4M3, element.E5M2)
    (float32, bfloat16, float32)
    """
    if a.is_complex or b.is_complex:
        return _promote_complex(a, b)
    wide_a, wide_b = compute(a), compute(b)
    if a.is_float != b.is_float:
        return wide_a if a.is_float else wide_b
    if not a.is_float:
        return _promote_integers(a, b)
    narrow_a, narrow_b = wide_a is not a, wide_b is not b
    if narrow_a != narrow_b:
        return wide_b if narrow_a else wide_a
    if wide_a == wide_b:
        return wide_a
    order = {FP64: 3, FP32: 2, BF16: 1, FP16: 1}
    rank_a, rank_b = order[_float(wide_a)], order[_float(wide_b)]
    if rank_a == rank_b:
        return FP32
    return wide_a if rank_a > rank_b else wide_b


def promote_all(formats: Sequence[DType]) -> DType:
    """The format in which an op of several formats answers, in whatever order they come.

    Two narrow formats make float32, and one beside a float16 gives way to it; so that the order
    does not matter, complex formats and floats of 16 bits or more are taken together first, then
    what is narrower, then integers.

    >>> promote_all([element.E4M3, block.MXFP4, FP16]), promote_all([FP16, element.E4M3, FP64])
    (float16, float64)
    """
    if len(formats) == 2:
        return promote(*formats)
    return reduce(promote, sorted(formats, key=_turn))


def _turn(a: DType) -> int:
    """When a format is asked for its word: floats, narrow formats, integers."""
    return 0 if a.is_complex else 3 if not a.is_float else 2 if compute(a) is not a else 1


def compute(a: DType) -> DType:
    """The format in which an op on ``a`` alone answers: itself, or float32 for narrow formats.

    >>> compute(BF16), compute(element.E2M1), compute(block.NVFP4)
    (bfloat16, float32, float32)
    """
    return FP32 if a.kind != "native" and a != BF16 else a


def lift(common: DType, number: DType) -> DType:
    """The format of a tensor with a Python number: its kind counts, its width does not.

    >>> lift(BF16, FP64), lift(find("int8"), FP64), lift(FP64, C128)
    (bfloat16, float32, complex128)
    """
    if number.is_complex:
        return common if common.is_complex else promote(common, C64)
    if number.is_float:
        return common if common.is_float or common.is_complex else FP32
    return find("int64") if common.name == "bool" and number.name != "bool" else common


def complex_of(a: DType) -> Complex:
    """The complex format with parts as wide as ``a``: complex128 for float64, else complex64.

    >>> complex_of(FP64), complex_of(BF16), complex_of(find("int64"))
    (complex128, complex64, complex64)
    """
    return C128 if a in (FP64, C128) else C64


def _promote_complex(a: DType, b: DType) -> DType:
    if "blocked" in (a.kind, b.kind):
        raise DTypeError(
            f"promotion: {a.name} with {b.name} has no meaning: the scale of a block is for real "
            "numbers; convert the blocked one, for example ex.dequantize(q)"
        )
    wide = C128 in (complex_of(a), complex_of(b))
    return C128 if wide else C64


def _float(a: DType) -> Float:
    assert isinstance(a, Float)
    return a


def _promote_integers(a: DType, b: DType) -> DType:
    result = np.promote_types(a.storage, b.storage)
    if result.kind == "f":
        raise DTypeError(
            f"promotion: {a.name} with {b.name} has no common integer type; convert one of them, "
            "for example x.to(ex.int64)"
        )
    return _BY_NUMPY[result]
