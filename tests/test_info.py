"""Limits and kinds of every format, against its table of values and against ml_dtypes."""

from inspect import signature
from itertools import product
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import extensor as ex
from extensor.formats import DTYPES, Block, Element, Integer

FLOATS = [d for d in DTYPES if d.is_float]


@pytest.mark.parametrize("fmt", [d for d in DTYPES if d.kind == "coded"], ids=str)
def test_limits_of_a_coded_format(fmt: ex.DType) -> None:
    assert isinstance(fmt, Element)
    info, values = ex.finfo(fmt), fmt.values[np.isfinite(fmt.values)]
    assert info.max == values.max() and info.bits == fmt.bits and info.dtype == fmt
    if fmt.name == "mx_int8":  # the most negative code is read, never written
        assert info.min == -info.max and info.smallest_normal == values[values > 0].min()
    else:
        assert info.min == values.min()
    above = values[values > 1].min()
    assert info.eps == above - 1
    known = getattr(ml_dtypes, fmt.name, None)
    if known is not None and fmt.name != "float8_e8m0fnu":
        theirs: Any = ml_dtypes.finfo(known)  # type: ignore[no-untyped-call]
        assert info.smallest_normal == float(theirs.smallest_normal)
        assert (info.eps, info.max) == (float(theirs.eps), float(theirs.max))


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "complex64", "complex128"])
def test_limits_of_a_native_format(name: str) -> None:
    info, theirs = ex.finfo(name), np.finfo(name)
    assert (info.bits, info.eps, info.max, info.min) == (
        theirs.bits, float(theirs.eps), float(theirs.max), float(theirs.min),
    )  # fmt: skip
    assert info.smallest_normal == float(theirs.smallest_normal)
    assert info.dtype == ex.dtype(theirs.dtype) and ex.finfo(ex.ones(1, dtype=name)) == info


@pytest.mark.parametrize("fmt", [d for d in DTYPES if isinstance(d, Block)], ids=str)
def test_limits_of_a_blocked_format(fmt: Block) -> None:
    info, element = ex.finfo(fmt), ex.finfo(fmt.element)
    scales = fmt.scale.values[np.isfinite(fmt.scale.values)]
    assert info.max == element.max * scales.max() == -info.min
    assert info.smallest_normal == element.smallest_normal * scales[scales > 0].min()
    assert info.eps == element.eps and info.bits == fmt.packed_bits and info.dtype == fmt


@pytest.mark.parametrize("fmt", [d for d in DTYPES if isinstance(d, Integer)], ids=str)
def test_limits_of_integers(fmt: Integer) -> None:
    if fmt.name == "bool":
        with pytest.raises(ex.DTypeError, match="iinfo"):
            ex.iinfo(fmt)
        return
    info, theirs = ex.iinfo(fmt), np.iinfo(fmt.name)
    assert (info.bits, info.max, info.min, info.dtype) == (
        theirs.bits, theirs.max, theirs.min, fmt,
    )  # fmt: skip
    with pytest.raises(ex.DTypeError, match="finfo"):
        ex.finfo(fmt)


def test_kinds() -> None:
    kinds = ["bool", "signed integer", "unsigned integer", "real floating", "complex floating"]
    for fmt in DTYPES:
        assert sum(ex.isdtype(fmt, k) for k in kinds) == 1
        assert ex.isdtype(fmt, tuple(kinds)) and ex.isdtype(fmt, fmt)
        assert ex.isdtype(fmt, "numeric") == (fmt.name != "bool")
    assert ex.isdtype(ex.int8, "integral") and not ex.isdtype(ex.int8, ex.int16)
    with pytest.raises(ex.DTypeError, match="allowed"):
        ex.isdtype(ex.int8, "integer")


def test_what_goes_into_what() -> None:
    for a, b in product(DTYPES, DTYPES):
        try:
            common = ex.result_type(a, b)
        except ex.DTypeError:
            assert not ex.can_cast(a, b) or a == b
        else:
            assert ex.can_cast(a, b) == (common == b or a == b)
            assert common == ex.promote(a, b)
    assert ex.result_type(ex.ones(1, dtype="int8"), 2) == ex.int8
    assert ex.result_type("bool", 2) == ex.int64 and ex.result_type("float16", 2.0) == ex.float16
    assert ex.result_type("float64", 1j) == ex.complex128
    with pytest.raises(ex.DTypeError, match="no tensor"):
        ex.result_type(1, 2.0)


def test_the_namespace_says_what_it_can() -> None:
    info = ex.__array_namespace_info__()
    assert ex.__array_api_version__ == "2024.12" and info.capabilities()["boolean indexing"] is True
    assert info.default_device() in info.devices()
    assert info.default_dtypes(device="cpu")["real floating"] == ex.asarray(1.0).dtype
    assert info.default_dtypes()["complex floating"] == ex.asarray(1j).dtype
    assert len(info.dtypes()) == 13 and info.dtypes(kind="bool") == {"bool": ex.bool}
    assert set(info.dtypes(kind=("integral", "bool"))) >= {"int8", "uint64", "bool"}


def test_signatures_of_rows() -> None:
    assert str(signature(ex.hypot)) == "(x1, x2, /)"
    assert str(signature(ex.clip)) == "(x, /, min=None, max=None)"
    assert list(signature(ex.sum).parameters) == ["x", "axis", "keepdims", "dtype"]
    assert ex.divide is ex.div and ex.multiply is ex.mul and ex.negative is ex.neg


@pytest.mark.parametrize("fmt", [d for d in DTYPES if d.kind == "coded"], ids=str)
def test_the_next_number_of_a_format(fmt: ex.DType) -> None:
    """From every code towards every other one (of bfloat16: some)."""
    assert isinstance(fmt, Element)
    codes = np.arange(2**fmt.bits)
    if fmt.bits > 8:
        codes = np.random.default_rng(0).integers(0, 2**fmt.bits, 300)
    values = fmt.values[codes]
    a, b = (ex.from_codes(codes.reshape(shape), None, fmt) for shape in ((-1, 1), (1, -1)))
    line = np.unique(fmt.values[~np.isnan(fmt.values)])
    va, vb = values[:, None], values[None, :]
    at = np.searchsorted(line, np.nan_to_num(va, posinf=np.inf, neginf=-np.inf))
    up, down = line[np.minimum(at + 1, len(line) - 1)], line[np.maximum(at - 1, 0)]
    wanted = np.where(vb > va, up, np.where(vb < va, down, vb))
    wanted = np.where(np.isnan(va) | np.isnan(vb), np.nan, wanted)
    np.testing.assert_array_equal(ex.nextafter(a, b).numpy().astype(np.float64), wanted)


def test_the_next_number_of_two_formats() -> None:
    assert ex.nextafter(ex.ones(1), 2.0).item() == 1 + 2**-23
    assert ex.nextafter(ex.ones(1, dtype="float16"), 2.0).item() == 1 + 2**-10
    assert ex.nextafter(ex.ones(1, dtype="float64"), ex.zeros(1)).item() == 1 - 2**-53
    assert ex.nextafter(ex.ones(32, dtype="mxfp4"), 2.0).dtype == ex.float32
    with pytest.raises(ex.DTypeError, match="nextafter"):
        ex.nextafter(ex.asarray([1]), ex.asarray([2]))
