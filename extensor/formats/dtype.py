"""All formats by name, and what two of them make together (promotion)."""

from dataclasses import dataclass

import numpy as np

from extensor.errors import DTypeError
from extensor.formats import block, element
from extensor.formats.base import Book, DType, Kind, find, register
from extensor.formats.element import BF16, FP16, FP32, FP64, Float


@dataclass(frozen=True, repr=False)
class Integer(DType):
    """An integer or truth-value type of NumPy.

    >>> find("int64"), find("bool").is_float
    (int64, False)
    """

    name: str

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        return "native"

    @property
    def storage(self) -> np.dtype[np.generic]:
        return np.dtype(self.name)

    @property
    def bits(self) -> int:
        """The width of a number."""
        return 8 * self.storage.itemsize

    @property
    def is_float(self) -> bool:
        return False


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
    python = {float: "float32", int: "int64", bool: "bool"}
    if isinstance(spec, type) and spec in python:
        return find(python[spec])
    try:
        return from_numpy(np.dtype(spec))  # type: ignore[call-overload]
    except TypeError as error:
        if isinstance(error, DTypeError):
            raise
        raise DTypeError(f"dtype: {spec!r} is not a format; allowed: a DType or a name") from None


def promote(a: DType, b: DType) -> DType:
    """The format in which an op of two formats answers.

    Equal kinds of float: the one that holds both, bfloat16 with float16 being float32. 8-bit and
    narrower elements and blocked formats compute to float32, or to the partner's own format where
    it is a float of 16 bits or more. Integers give way to floats. uint64 with a signed integer
    has no meaning and raises.

    >>> promote(block.MXFP4, FP32), promote(block.MXFP4, BF16), promote(element.E4M3, element.E5M2)
    (float32, bfloat16, float32)
    """
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


def compute(a: DType) -> DType:
    """The format in which an op on ``a`` alone answers: itself, or float32 for narrow formats.

    >>> compute(BF16), compute(element.E2M1), compute(block.NVFP4)
    (bfloat16, float32, float32)
    """
    return FP32 if a.kind != "native" and a != BF16 else a


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
