"""Telemetry says what an independent computation says, of every kind of operand."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.ops.operands import operand
from extensor.recipe import Operand, PerTensor
from extensor.telemetry import ELEMENTS, Telemetry, histogram, statistics
from tests.recipes.steps import normal


def judged(x: Any, q: Operand, axis: int = 1) -> dict[str, Any]:
    stored = operand(x, q, axis, ex.key(0))
    return statistics(x, q, stored)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("fmt", [ex.mxfp4, ex.nvfp4, ex.nvfp4_2d, ex.mxfp8_e4m3])
def test_by_hand(fmt: ex.Block, axis: int) -> None:
    x = normal(1, 48, 64)
    x[5, 7], x[2] = 90, 1e-4
    rule = "floor" if fmt is ex.mxfp4 else None
    how = ex.Quantizer(fmt, scale_rule=rule)
    q = ex.quantize(x, how, axis=axis)
    values = q.numpy().astype(np.float64)
    row = judged(x, how, axis)
    norm = np.sqrt((x.astype(np.float64) ** 2).sum())
    assert row["gain"] == pytest.approx((x * values).sum() / norm**2, rel=1e-5)
    cosine = (x * values).sum() / norm / np.sqrt((values**2).sum())
    assert row["cosine"] == pytest.approx(cosine, rel=1e-5)
    assert row["bias"] == pytest.approx((values - x).mean() / norm * np.sqrt(x.size), rel=1e-4)
    noise = ((values - x) ** 2).sum()
    assert row["sqnr_db"] == pytest.approx(10 * np.log10(norm**2 / noise), rel=1e-5)
    assert row["underflowed"] == pytest.approx(((values == 0) & (x != 0)).mean(), rel=1e-5)
    if fmt is ex.mxfp4:
        wide = np.repeat(ex.float8_e8m0fnu.values[q.scales], 32, axis=axis)
        scales = wide[:48, :64]
        clipped = (np.abs(x) > 6 * scales).mean()
        assert row["clipped"] == pytest.approx(clipped, rel=1e-5) and clipped > 0
        counts = np.bincount(q.scales.reshape(-1))
        assert row["scales"] == {str(b - 127): int(counts[b]) for b in np.flatnonzero(counts)}
    assert sum(row["scales"].values()) == q.scales.size


def test_rotated_and_prescaled() -> None:
    """In the rotated basis: an orthogonal turn and an undone prescale change no statistic."""
    x = normal(2, 64, 128)
    how = ex.Quantizer(ex.mxfp4, hadamard=64, prescale=0.75, signs=ex.key(4), scale_rule="floor")
    row = judged(x, how)
    assert row["clipped"] == 0 and 17 < row["sqnr_db"] < 20 and 0.98 < row["gain"] < 1.01
    assert judged(x, ex.Quantizer(ex.mxfp4, scale_rule="floor"))["clipped"] > 0.01


def test_casts() -> None:
    x = normal(3, 32, 32)
    assert judged(x, ex.bfloat16)["sqnr_db"] > 50 and judged(x, ex.bfloat16)["scales"] == {}
    row = judged(1e-9 * x, PerTensor(ex.float8_e4m3fn))
    assert 28 < row["sqnr_db"] < 36 and list(row["scales"].values()) == [1]
    assert judged(1e-9 * x, ex.float8_e4m3fn)["underflowed"] == 1


def test_what_has_no_number_is_none() -> None:
    row = judged(np.zeros((4, 32), np.float32), ex.Quantizer(ex.mxfp4))
    assert row["cosine"] is None and row["sqnr_db"] is None and row["clipped"] == 0
    broken = np.full((4, 32), np.nan, np.float32)
    row = judged(broken, ex.Quantizer(ex.mxfp4))
    assert row["gain"] is None and row["scales"] == {}
    zero = operand(np.zeros((1, 16), np.float32), ex.Quantizer(ex.nvfp4), 1, None)
    assert histogram(zero) == {"zero": 1}


def test_large_operands_are_judged_by_a_part() -> None:
    x = normal(4, 2048, 512)
    assert x.size > 8 * ELEMENTS
    row = judged(x, ex.Quantizer(ex.mxfp4))
    assert 18 < row["sqnr_db"] < 19.5
    assert sum(row["scales"].values()) == x.size // 32


def test_flips_of_codes() -> None:
    """Of weights rounded to nearest: the share of codes that changed since the sample before."""
    layer = ex.nn.Linear(32, 4, recipe=ex.recipes.get("mxfp4-naive"), bias=False)
    layer.weight.storage.array[...] = 2.4  # type: ignore[union-attr]
    layer.weight.storage.array[:, 0] = 6  # type: ignore[union-attr]
    telemetry = Telemetry(every=1)
    for step in range(3):
        with telemetry.watching(step):
            layer(np.ones((2, 32), np.float32)).sum().backward()
        if step == 0:
            layer.weight.storage.array[:2, 1:3] = 2.6  # type: ignore[union-attr]
    flips = {r["step"]: r["flipped"] for r in telemetry.rows if r["operand"] == "w"}
    assert flips == {1: None, 2: 4 / 128, 3: 0.0}
    assert {r["flipped"] for r in telemetry.rows if r["operand"] != "w"} == {None}


@pytest.mark.parametrize("every", [0, -1, 2.0, True])
def test_every_is_a_number_of_steps(every: Any) -> None:
    with pytest.raises(ex.FormatError, match="allowed: 1 or more"):
        Telemetry(every)
