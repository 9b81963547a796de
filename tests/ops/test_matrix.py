"""The op x dtype x device matrix: a cell computes what its op means, or raises a typed error."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.backend import DEVICES
from extensor.formats import DTYPES, DType
from extensor.ops.convert import arrays_of, store
from extensor.ops.registry import Op, Sample
from extensor.storage import Native
from tests.ops.cells import WORDS, cell, cells_of, classified, uneven
from tests.ops.table import values_for

each_row = pytest.mark.parametrize("row", ex.OPS.values(), ids=lambda row: row.name)


@each_row
def test_every_cell_of_a_row(row: Op) -> None:
    """Right values in the right format by the route that was named, or the right error."""
    cells = cells_of(row)
    assert [c.dtype for c in cells] == [d.name for d in DTYPES]
    wrong = [f"{c.op} on {c.dtype} ({c.word}): {c.wrong}" for c in cells if c.wrong]
    untested = [f"{c.op} on {c.dtype}" for c in cells if not c.samples]
    assert not wrong, "\n".join(wrong)
    assert not untested, "\n".join(untested)
    assert {c.word for c in cells} <= set(WORDS)
    assert all(bool(c.reason) == (c.word == "raises") for c in cells), "an error says its reason"
    assert not uneven(row, cells), uneven(row, cells)


def test_a_device_that_is_not_here_is_classified_by_the_table() -> None:
    add, matmul = ex.OPS["add"], ex.OPS["matmul"]
    for device in DEVICES:
        words = {d.name: classified(add, d, device).word for d in DTYPES}
        assert words["float32"] == "native" and words["mxfp4"] == "fallback"
        assert classified(matmul, ex.mxfp4, device).word == cell(matmul, ex.mxfp4).word
        assert classified(ex.OPS["flip"], ex.float8_e5m2, device).word == "coded"
        assert classified(ex.OPS["sin"], ex.mxfp4, device).samples == 0


# planted mistakes: each must turn its cell red ---------------------------------------------------
def planted(meaning: Any, **facts: Any) -> Op:
    """A row beside the table."""
    return Op("planted", meaning, None, "x + 1", samples=(Sample(((3, 32),)),), **facts)


def wrong_in(row: Op, dtype: DType) -> str:
    return cell(row, dtype).wrong


def test_a_right_row_is_green() -> None:
    row = planted(lambda x: x + x.dtype.type(1))
    assert not any(c.wrong for c in cells_of(row) if c.dtype != "bool")
    assert Counter(c.word for c in cells_of(row))["fallback"] == len(
        [d for d in DTYPES if d.kind != "native"]
    )


@pytest.mark.parametrize("dtype", [ex.bfloat16, ex.float8_e4m3fn, ex.mxfp4, ex.nvfp4], ids=str)
def test_a_wrong_kernel(dtype: DType) -> None:
    """A kernel on codes or blocks whose answer is one unit in the last place off."""
    row = planted(lambda x: x + x.dtype.type(1))
    to = ex.bfloat16 if dtype == ex.bfloat16 else ex.float32

    @row.kernel(dtype.kind, name="planted")
    def _kernel(x: Any) -> Any:
        return store((arrays_of(x) + np.float32(1)) * np.float32(1.008), to)

    assert "wrong" in wrong_in(row, dtype)
    assert not wrong_in(row, ex.float32)


def test_a_wrong_native_loop() -> None:
    row = planted(lambda x: x + x.dtype.type(1))
    row.kernel("native", name="planted")(lambda x: x + x.dtype.type(1.0001))
    assert "wrong" in wrong_in(row, ex.float32)


def test_a_wrong_format() -> None:
    """An answer in float32 where the promotion rule says bfloat16."""
    row = planted(lambda x: x + x.dtype.type(1))
    row.kernel("coded", name="planted")(lambda x: Native(arrays_of(x) + np.float32(1)))
    assert wrong_in(row, ex.bfloat16) == "answered float32, not bfloat16"


def _refusing(x: Any) -> Any:
    if x.dtype == np.float32:
        raise ex.DTypeError("planted: no float32")
    return x + x.dtype.type(1)


def _failing(x: Any) -> Any:
    if x.dtype == np.float32:
        raise KeyError("planted")
    return x + x.dtype.type(1)


def test_an_op_that_refuses_what_has_a_meaning() -> None:
    assert wrong_in(planted(_refusing), ex.mxfp4).startswith("raised DTypeError")
    assert "no error of ours" in wrong_in(planted(_failing), ex.mxfp4)


def test_an_op_that_answers_what_has_no_meaning() -> None:
    """Complex numbers, of which one half would be lost."""
    row = planted(lambda x: x + x.dtype.type(1))
    row.complex = True
    assert not wrong_in(row, ex.complex64)
    row = planted(lambda x: x.real + 0)
    row._check_complex = lambda storages: None  # type: ignore[method-assign]
    assert "answered, where it must raise" in wrong_in(row, ex.complex64)


def test_a_row_that_is_uneven_or_untested() -> None:
    def even(x: Any) -> Any:
        if x.dtype == np.int16:
            raise TypeError("planted: no int16")
        return x + x.dtype.type(1)

    assert "raises for int16" in uneven(planted(even), cells_of(planted(even)))
    bare = Op("bare", np.negative, None, "no samples")
    assert {c.samples for c in cells_of(bare)} == {0}


def test_make_matrix_is_red_for_a_planted_cell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that CI runs: its totals, its table, and its exit status."""
    from ci import matrix

    row = planted(lambda x: x + x.dtype.type(1))
    monkeypatch.setattr(ex, "OPS", {"sin": ex.OPS["sin"]})
    assert matrix.main() == 0
    text = capsys.readouterr().out
    assert f"1 ops x {len(DTYPES)} dtypes x {len(DEVICES)} devices" in text
    assert "0 untested, 0 wrong" in text
    row.kernel("blocked", name="planted")(lambda x: Native(np.zeros(x.shape, np.float32)))
    monkeypatch.setattr(ex, "OPS", {"planted": row})
    assert matrix.main() == 1
    assert "planted on mxfp4, cpu (packed): 0.0 at (0, 0)" in capsys.readouterr().out
    monkeypatch.setattr(ex, "OPS", {"bare": Op("bare", np.negative, None, "no samples")})
    assert matrix.main() == 1
    assert f"{len(DTYPES)} untested" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_explain_says_what_runs(dtype: DType) -> None:
    x = ex.asarray(values_for(dtype, np.ones((2, 32))), dtype)
    text = ex.explain("add", x, x)
    assert f"add({dtype}, {dtype})" in text
    assert ("numpy" in text) if dtype.kind == "native" else ("fallback" in text)
