"""The lattice of promotion: every pair of formats, its rule, and what ops make of it."""

from itertools import combinations_with_replacement, permutations, product
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.formats import RULES, DType, promote_all, rule_of
from tests.ops.table import values_for
from tests.promotion import BLOCKED, COMPLEX, INTEGERS, WIDE, rule

PAIRS = list(product(ex.DTYPES, repeat=2))
USERS = (
    ex.Float("user8", exponent=5, mantissa=2, bias=15, specials="none"),
    ex.Block(ex.float4_e2m1fn, (1, 64), ex.float8_e8m0fnu),
)
"""Formats of a user's own promote as the named ones of their kind."""


def family(dtype: DType) -> str:
    """Where a format stands in the lattice, by its name alone."""
    for name, members in (("wide", WIDE), ("integer", INTEGERS), ("complex", COMPLEX)):
        if dtype.name in members:
            return name
    return "blocked" if BLOCKED.match(dtype.name) else "narrow"


def wanted_rule(a: DType, b: DType) -> str:
    """The rule by the families of the two, written out once more."""
    names, kinds = {a.name, b.name}, {family(a), family(b)}
    if rule(a.name, b.name) is None:
        return "none"
    if len(names) == 1 and not kinds & {"narrow", "blocked"}:
        return "itself"
    if "complex" in kinds:
        return "complex"
    if "integer" in kinds:
        return "integers" if kinds == {"integer"} else "give way"
    if kinds <= {"narrow", "blocked"}:
        return "narrow"
    return "floats" if kinds == {"wide"} else "partner"


def test_every_pair_falls_under_one_rule() -> None:
    seen = {rule_of(a, b) for a, b in PAIRS}
    assert seen == set(RULES)
    for a, b in PAIRS:
        assert rule_of(a, b) == rule_of(b, a) == wanted_rule(a, b), (a, b)


def test_every_pair_is_defined_or_raises_with_a_hint() -> None:
    for a, b in PAIRS:
        if rule_of(a, b) == "none":
            for x, y in ((a, b), (b, a)):
                with pytest.raises(ex.DTypeError, match="convert") as caught:
                    ex.promote(x, y)
                assert a.name in str(caught.value) and b.name in str(caught.value)
                assert "for example" in str(caught.value)
        else:
            assert ex.promote(a, b) == ex.promote(b, a) == ex.dtype(rule(a.name, b.name))


def test_the_answer_holds_what_its_rule_says() -> None:
    for a, b in PAIRS:
        name = rule_of(a, b)
        if name == "none":
            continue
        both = ex.promote(a, b)
        if name == "itself":
            assert both == a
        elif name == "narrow":
            assert both == ex.float32
        elif name == "partner":
            assert both in (a, b) and family(both) == "wide"
        elif name == "floats":
            assert all(np.isin(x, both_holds(x, both)).all() for x in (edge(a), edge(b)))


def edge(dtype: DType) -> np.ndarray:
    """The extremes of a wide float."""
    assert isinstance(dtype, ex.Float)
    step = 1 + 2.0**-dtype.mantissa
    return np.array([dtype.max, dtype.min_subnormal, step])


def both_holds(x: np.ndarray, dtype: DType) -> np.ndarray:
    """The numbers after a cast to a format and back."""
    return np.asarray(ex.asarray(x).to(dtype).numpy(), np.float64)


def test_low_precision_never_widens_silently() -> None:
    """The answer is an operand's own format, unless the rule names another: float32."""
    for a, b in PAIRS:
        if {family(a), family(b)} <= {"wide", "narrow", "blocked"}:
            both = ex.promote(a, b)
            assert both in (a, b) or both == ex.float32, (a, b)
            assert both != ex.float64 or ex.float64 in (a, b)
    x = ex.asarray([1.0, 2.0], "bfloat16")
    assert (x * 2.5 + 1 - x).dtype == ex.bfloat16 and x.exp().dtype == ex.bfloat16
    assert (ex.asarray([1.0], "float16") * 3.0).dtype == ex.float16


def test_the_order_of_operands_does_not_matter() -> None:
    """Three formats together, in all orders; the same with tensors."""
    names = "float64 float32 float16 bfloat16 float8_e4m3fn mxfp4 int8 int64 uint64 bool complex64"
    for formats in combinations_with_replacement(map(ex.dtype, names.split()), 3):
        found: set[DType | None] = set()
        for order in set(permutations(formats)):
            try:
                found.add(promote_all(order))
            except ex.DTypeError:
                found.add(None)
        assert len(found) == 1, formats
    xs = [ex.asarray([1.0], d) for d in ("float8_e4m3fn", "mxfp4", "float16")]
    assert {ex.concat(list(order)).dtype for order in permutations(xs)} == {ex.float16}


@pytest.mark.parametrize("user", USERS, ids=["element", "block"])
def test_formats_of_a_user(user: DType) -> None:
    assert ex.promote(user, user) == ex.promote(user, ex.mxfp4) == ex.float32
    assert ex.promote(user, ex.bfloat16) == ex.bfloat16
    assert rule_of(user, ex.nvfp4) == "narrow" and rule_of(user, ex.int8) == "give way"


@pytest.mark.parametrize("a", ex.DTYPES, ids=str)
def test_ops_follow_the_lattice(a: DType) -> None:
    """``a + b`` for every b: the promised format and the value, or the promised error."""
    x, y = np.array([[1.0, 2.0]]), np.array([[2.0, 1.0]])
    left = ex.asarray(values_for(a, x), a)
    for b in ex.DTYPES:
        right = ex.asarray(values_for(b, y), b)
        if rule_of(a, b) == "none":
            with pytest.raises(ex.DTypeError, match="convert"):
                left + right
            continue
        answer = left + right
        assert answer.dtype == ex.promote(a, b), b
        exact: Any = np.asarray(left.numpy(), np.complex128) + np.asarray(
            right.numpy(), np.complex128
        )
        if a.name == b.name == "bool":
            exact = exact > 0
        np.testing.assert_allclose(np.asarray(answer.numpy(), np.complex128), exact, rtol=2**-8)


BLOCKS = [d for d in ex.DTYPES if d.kind == "blocked"]


@pytest.mark.parametrize("a", BLOCKS, ids=str)
def test_products_of_blocked_operands(a: DType) -> None:
    """blocked x blocked and blocked x native are defined for every pair, by one of the routes."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 33)), rng.standard_normal((33, 3))
    left = ex.quantize(x, a)
    for b in [*BLOCKS, ex.float64, ex.float32, ex.bfloat16]:
        right = ex.quantize(y, b, axis=0) if b.kind == "blocked" else ex.asarray(y, b)
        answer = left @ right
        assert answer.dtype == ex.promote(a, b)
        exact = left.numpy().astype(np.float64) @ np.asarray(right.numpy(), np.float64)
        step = {"bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-24}[answer.dtype.name]
        bound = 33 * step * np.abs(left.numpy()) @ np.abs(np.asarray(right.numpy(), np.float64))
        assert (np.abs(np.asarray(answer.numpy(), np.float64) - exact) <= bound + 1e-12).all(), b
