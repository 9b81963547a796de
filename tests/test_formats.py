"""Formats as data: tables, limits, user formats, names, errors, and promotion of every pair."""

from fractions import Fraction
from itertools import product

import ml_dtypes
import numpy as np
import pytest

import extensor as ex
from extensor import formats
from extensor.formats import Element
from tests.promotion import INTEGERS, rule
from tests.scalars import FORMATS

ML = {
    "E2M1": ml_dtypes.float4_e2m1fn,
    "E2M3": ml_dtypes.float6_e2m3fn,
    "E3M2": ml_dtypes.float6_e3m2fn,
    "E4M3": ml_dtypes.float8_e4m3fn,
    "E5M2": ml_dtypes.float8_e5m2,
    "E8M0": ml_dtypes.float8_e8m0fnu,
    "BF16": ml_dtypes.bfloat16,
    "FP16": np.float16,
}
TABLE = {
    # max, min normal, min subnormal, bits: the table of the specification
    "E2M1": (6, 1, 0.5, 4),
    "E2M3": (7.5, 1, 0.125, 6),
    "E3M2": (28, 0.25, 0.0625, 6),
    "E4M3": (448, 2**-6, 2**-9, 8),
    "E5M2": (57344, 2**-14, 2**-16, 8),
    "E8M0": (2.0**127, 2.0**-127, 2.0**-127, 8),
    "UE5M3": (61440, 2**-14, 2**-17, 8),
    "BF16": (3.3895313892515355e38, 2.0**-126, 2.0**-133, 16),
    "FP16": (65504, 2**-14, 2**-24, 16),
}


@pytest.mark.parametrize("name", FORMATS)
def test_values_are_those_of_the_oracle(name: str) -> None:
    fmt, spec = FORMATS[name]
    np.testing.assert_array_equal(fmt.values, spec.values())
    assert Fraction(fmt.max) == spec.max and fmt.bits == spec.bits
    assert fmt.has_nan == (spec.nan_code is not None)
    assert fmt.has_inf == (spec.inf_code is not None)
    assert 2.0**fmt.emax <= fmt.max < 2.0 ** (fmt.emax + 1)


@pytest.mark.parametrize("name", ML)
def test_values_are_those_of_ml_dtypes(name: str) -> None:
    fmt = FORMATS[name][0]
    codes = np.arange(2**fmt.bits, dtype=fmt.storage if fmt.storage.kind == "u" else np.uint16)
    with np.errstate(invalid="ignore"):
        theirs = codes.view(ML[name]).astype(np.float32).astype(np.float64)
    np.testing.assert_array_equal(fmt.values, theirs)


@pytest.mark.parametrize("name", TABLE)
def test_limits(name: str) -> None:
    fmt = FORMATS[name][0]
    assert (fmt.max, fmt.min_normal, fmt.min_subnormal, fmt.bits) == TABLE[name]


def test_a_user_format_needs_no_further_code() -> None:
    """Two facts make a format: encode, decode, quantize, print, compare."""
    mine = ex.Float("mine", exponent=3, mantissa=1, bias=2)
    assert mine.values[:6].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.5]
    assert mine == ex.Float("yours", exponent=3, mantissa=1, bias=2) and mine != ex.float4_e2m1fn
    fmt = ex.Block(mine, (1, 8), ex.float8_e8m0fnu)
    x = np.array([[48.0, -3.0, 0.25, 0.0, 1e-9, 5.0, 40.0, -48.0, 2.0]], np.float32)
    q = ex.quantize(x, fmt)
    assert q.dtype == fmt and q.scales.shape == (1, 2)
    assert np.abs(ex.dequantize(q).numpy() - x).max() <= 8
    assert ex.asarray(x).to(mine).dtype == mine


@pytest.mark.parametrize("a", ex.DTYPES, ids=str)
def test_promotion_of_every_pair(a: ex.DType) -> None:
    for b in ex.DTYPES:
        wanted = rule(a.name, b.name)
        if wanted is None:
            with pytest.raises(ex.DTypeError, match="convert"):
                ex.promote(a, b)
        else:
            assert ex.promote(a, b).name == wanted, (a, b)


def test_promotion_is_symmetric_and_settles() -> None:
    for a, b in product(ex.DTYPES, repeat=2):
        if rule(a.name, b.name) is not None:
            both = ex.promote(a, b)
            assert both == ex.promote(b, a) == ex.promote(both, both)


def test_integers_promote_as_numpy_does_where_it_stays_an_integer() -> None:
    for a, b in product(INTEGERS, repeat=2):
        theirs = np.promote_types(a, b)
        assert rule(a, b) == (theirs.name if theirs.kind in "iub" else None)


def test_names() -> None:
    for fmt in ex.DTYPES:
        assert ex.dtype(fmt.name) is fmt and repr(fmt) == fmt.name
        assert getattr(ex.DType, fmt.name) is fmt
    assert ex.DType.fp4_e2m1 == ex.float4_e2m1fn == ex.dtype("FP4")
    assert ex.dtype(np.float32) == ex.float32 and ex.dtype(ml_dtypes.bfloat16) == ex.bfloat16


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("mxpf4", "mxfp4"), ("nvpf4", "nvfp4"), ("float23", "float32"), ("bflaot16", "bfloat16")],
)
def test_did_you_mean(wrong: str, meant: str) -> None:
    with pytest.raises(ex.DTypeError, match=f"did you mean '{meant}'"):
        ex.dtype(wrong)
    with pytest.raises(AttributeError, match="did you mean"):
        getattr(ex.DType, wrong)


def test_unknown_names_list_what_is_known() -> None:
    with pytest.raises(ex.DTypeError, match="known: float64"):
        ex.dtype("zzzzzzzz")
    with pytest.raises(ex.DTypeError, match="is not a format"):
        ex.dtype(3.5)


def test_block_errors() -> None:
    e2m1, e8m0 = ex.float4_e2m1fn, ex.float8_e8m0fnu
    for shape in ((1, 1), (0, 32), (32,), (1, 2, 3), (1024, 1024)):
        with pytest.raises(ex.DTypeError, match="shape"):
            ex.Block(e2m1, shape, e8m0)  # type: ignore[arg-type]
    with pytest.raises(ex.DTypeError, match="element"):
        ex.Block(ex.bfloat16, (1, 32), e8m0)
    with pytest.raises(ex.DTypeError, match="scale"):
        ex.Block(e2m1, (1, 32), ex.float64)
    with pytest.raises(ex.DTypeError, match="specials"):
        ex.Float("bad", exponent=3, mantissa=1, bias=1, specials="some")  # type: ignore[arg-type]
    with pytest.raises(ex.DTypeError, match="exponent"):
        ex.Float("bad", exponent=0, mantissa=1, bias=1)


def test_equal_facts_are_equal_formats() -> None:
    assert ex.Block(ex.float4_e2m1fn, (1, 32), ex.float8_e8m0fnu) == ex.mxfp4
    assert ex.Block(ex.float4_e2m1fn, (1, 16), ex.float8_e8m0fnu) != ex.nvfp4
    assert hash(ex.Block(ex.float4_e2m1fn, (1, 32), ex.float8_e8m0fnu)) == hash(ex.mxfp4)


@pytest.mark.parametrize("fmt", [d for d in ex.DTYPES if isinstance(d, Element)], ids=str)
def test_facts_are_consistent(fmt: Element) -> None:
    facts = fmt.facts
    assert facts.bits == fmt.bits and facts.max_code < 2**fmt.bits
    assert facts.inf_code in (-1, facts.max_code + 1)
    assert facts.nan_code == -1 or facts.nan_code > facts.max_code


def test_the_public_names_are_the_formats() -> None:
    for name in ("E2M1", "E2M3", "E3M2", "E4M3", "E5M2", "E8M0", "INT8", "UE5M3"):
        assert isinstance(getattr(formats, name), Element)
