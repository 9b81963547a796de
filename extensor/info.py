"""What formats are: limits, kinds, what goes into what, and what this namespace can do.

The inspection and data-type functions of the Array API standard, for every number format.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

from extensor.backend import DEVICES, check_device
from extensor.errors import DispatchError, DTypeError
from extensor.formats import (
    DTYPES,
    FP64,
    Block,
    Complex,
    DType,
    Element,
    Fixed,
    Integer,
    dtype,
    lift,
    promote,
    promote_all,
)
from extensor.formats.element import UNSIGNED

KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
}
"""Names of the integer formats of each kind; floats and complex numbers say it themselves."""
_UNIONS = {
    "integral": ("signed integer", "unsigned integer"),
    "numeric": ("signed integer", "unsigned integer", "real floating", "complex floating"),
}


@dataclass(frozen=True)
class FloatInfo:
    """The limits of a format of real numbers; of a complex one those of its parts.

    bits
        The width of a stored number; of a blocked format that of one code.
    eps
        The distance from 1 to the next larger number; of a blocked format that of its elements, in
        units of the block's scale.
    max, min
        The largest and the smallest finite number; of a blocked format the largest element times
        the largest scale of a block (before the tensor scale, where there is one).
    smallest_normal
        The smallest positive number with all its mantissa bits; of a fixed-point format its
        smallest step; of a blocked format that of an element times the smallest positive scale.
    dtype
        The format.
    """

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class IntegerInfo:
    """The limits of an integer format: bits, largest and smallest number, the format itself."""

    bits: int
    max: int
    min: int
    dtype: DType


def _format(x: Any) -> DType:
    """The format of a tensor, or of whatever names one."""
    return x.dtype if hasattr(x, "storage") and hasattr(x, "dtype") else dtype(x)


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a format of real or complex numbers, or of a tensor's; see `FloatInfo`.

    DTypeError for integers: see `iinfo`.

    >>> from extensor.formats import E2M1, MXFP4
    >>> finfo(E2M1).max, finfo("float8_e4m3fn").eps, finfo("float16").smallest_normal
    (6.0, 0.125, 6.103515625e-05)
    >>> finfo(MXFP4).max == 6 * 2.0**127, finfo("complex64").dtype
    (True, float32)
    """
    fmt = _format(type)
    if isinstance(fmt, Complex):
        fmt = fmt.part
    if isinstance(fmt, Block):
        inner, scale = finfo(fmt.element), fmt.scale
        top = inner.max * scale.max
        small = inner.smallest_normal * scale.min_subnormal
        return FloatInfo(fmt.packed_bits, inner.eps, top, -top, small, fmt)
    if not isinstance(fmt, Element):
        raise DTypeError(f"finfo: {fmt} holds no real numbers; see ex.iinfo")
    if isinstance(fmt, Fixed):
        step = fmt.min_subnormal
        return FloatInfo(fmt.bits, step, fmt.max, -fmt.max, step, fmt)
    facts = fmt.facts
    least = -fmt.max if facts.sign != UNSIGNED else fmt.min_normal if facts.origin else 0.0
    return FloatInfo(fmt.bits, 2.0**-facts.mantissa, fmt.max, least, fmt.min_normal, fmt)


def iinfo(type: Any, /) -> IntegerInfo:
    """The limits of an integer format, or of a tensor's. DTypeError for others and for bool.

    >>> iinfo("int8").min, iinfo("uint16").max
    (-128, 65535)
    """
    fmt = _format(type)
    if not isinstance(fmt, Integer) or fmt.name == "bool":
        raise DTypeError(f"iinfo: {fmt} is no integer format; see ex.finfo")
    low, high = fmt.limits
    return IntegerInfo(fmt.bits, high, low, fmt)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a format is of a kind, of one of several (a tuple), or is a format itself.

    kind
        ``"bool"``, ``"signed integer"``, ``"unsigned integer"``, ``"integral"``, ``"real
        floating"`` (narrow and blocked formats too), ``"complex floating"``, ``"numeric"``, a
        format, or a tuple of these. DTypeError for another word.

    >>> isdtype("mxfp4", "real floating"), isdtype("int8", ("bool", "integral"))
    (True, True)
    """
    fmt = _format(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(fmt, k) for k in kind)
    if kind in KINDS:
        return fmt.name in KINDS[kind]
    if kind in _UNIONS:
        return any(isdtype(fmt, k) for k in _UNIONS[kind])
    if kind == "real floating":
        return fmt.is_float
    if kind == "complex floating":
        return fmt.is_complex
    if isinstance(kind, DType):
        return fmt == kind
    known = ", ".join([*KINDS, *_UNIONS, "real floating", "complex floating"])
    raise DTypeError(f"isdtype: kind {kind!r}; allowed: {known}, a format, or a tuple of them")


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The format in which an op of these answers: tensors, formats, and Python numbers, whose kind
    counts and whose width does not. DTypeError where two have no meaning together.

    >>> result_type("bfloat16", "float16"), result_type("int8", 1), result_type("int8", 1.0)
    (float32, int8, float32)
    """
    numbers = [x for x in arrays_and_dtypes if isinstance(x, bool | int | float | complex)]
    formats = [_format(x) for x in arrays_and_dtypes if not any(x is n for n in numbers)]
    if not formats:
        raise DTypeError("result_type: no tensor and no format; give one beside the numbers")
    kinds = [FP64 if isinstance(n, float) else dtype(type(n)) for n in numbers]
    return reduce(lift, kinds, promote_all(formats))


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether a tensor or format goes into another one by promotion alone, that is without losing
    its kind or its range.

    >>> can_cast("float32", "float64"), can_cast("float32", "bfloat16"), can_cast("mxfp4", "mxfp4")
    (True, False, True)
    """
    start, end = _format(from_), _format(to)
    if start == end:
        return True
    try:
        return promote(start, end) == end
    except DTypeError:
        return False


def _answers(device: str) -> bool:
    try:
        check_device(device)
    except DispatchError:
        return False
    return True


class Info:
    """What ``extensor.__array_namespace_info__()`` gives: the inspection functions.

    >>> Info().default_dtypes()["real floating"], Info().default_device()
    (float32, 'cpu')
    """

    def capabilities(self) -> dict[str, Any]:
        """Whether masks and shapes that depend on data work, and how many axes a tensor may have.

        >>> Info().capabilities()["boolean indexing"]
        True
        """
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The device of tensors for which none is named.

        >>> Info().default_device()
        'cpu'
        """
        return "cpu"

    def devices(self) -> list[str]:
        """The devices of this machine.

        >>> "cpu" in Info().devices()
        True
        """
        return [d for d in DEVICES if _answers(d)]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType]:
        """The format of numbers for which none is named, by kind.

        >>> Info().default_dtypes()["integral"]
        int64
        """
        check_device(device)
        names = {
            "real floating": "float32", "complex floating": "complex64", "integral": "int64",
            "indexing": "int64",
        }  # fmt: skip
        return {kind: dtype(name) for kind, name in names.items()}

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, DType]:
        """The standard's own formats by name, all or of a kind (see `isdtype`); `extensor.DTYPES`
        holds the narrow and the blocked ones too.

        >>> Info().dtypes(kind="complex floating")
        {'complex64': complex64, 'complex128': complex128}
        """
        check_device(device)
        names = [n for names in KINDS.values() for n in names]
        names += ["float32", "float64", "complex64", "complex128"]
        found = [d for d in DTYPES if d.name in names]
        return {d.name: d for d in found if kind is None or isdtype(d, kind)}


def __array_namespace_info__() -> Info:
    """The inspection functions of the Array API standard; see `Info`.

    >>> __array_namespace_info__().default_device()
    'cpu'
    """
    return Info()
