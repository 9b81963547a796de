"""The claims of the experiments, each held to the published figure with the published tolerance."""

from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extensor.lab import EXPERIMENTS, experiment
from extensor.lab.exact import eden, four_over_six
from extensor.lab.options import Options
from extensor.lab.table import Table

SAMPLED = ("block-size", "quantization-error", "concentration", "hadamard-variance", "witnesses",
           "scaling-law", "operator-snr")  # fmt: skip
"""Those that are held to published figures."""


@cache
def found(name: str, **changed: Any) -> Table:
    """An experiment, run once for all tests that read it."""
    table: Table = experiment(name).measure(Options(**changed))
    return table


@pytest.mark.parametrize("name", SAMPLED)
def test_every_row_meets_the_published_figure(name: str) -> None:
    table = found(name)
    assert not table.outside and not table.missing
    assert sum(row.get("within") is True for row in table.rows) >= len(table.rows) / 3


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", SAMPLED)
def test_at_the_papers_sizes(name: str, seed: int) -> None:
    assert found(name, full=True, seed=seed).outside == []


def test_table_a_is_whole() -> None:
    """All 39 rows, and the order that the papers draw conclusions from."""
    mse = {row["quantizer"]: row["mse"] for row in found("quantization-error").rows}
    assert len(mse) == 39
    assert mse["NVFP4 four over six nearest"] < mse["NVFP4 nearest"] < mse["MXFP4 even nearest"]
    assert mse["MXFP4 even nearest"] < mse["MXFP4 rceil nearest"] < mse["MXFP4 rceil stochastic"]
    assert mse["E1M2 FP32 16 stochastic"] / mse["E1M2 FP32 16 nearest"] == pytest.approx(
        2, abs=0.02
    )


def test_what_must_not_fall_does_not() -> None:
    """Four over six with stochastic rounding and signs on the wrong side have their plateaus."""
    rows = {(r["quantizer"], r["gradient"]): r for r in found("concentration").rows}
    for which in "xw":
        wrong = rows["MXFP4 3/4 nearest, signs on the wrong side", which]
        assert max(wrong["errors"]) == pytest.approx(min(wrong["errors"]), rel=1e-6)
        biased = rows["NVFP4 four over six stochastic", which]
        unbiased = rows["NVFP4 stochastic, scales x 17/16", which]
        assert biased["error"] > 2 * unbiased["error"] and biased["alignment"] > 0.01
        assert unbiased["slope"] == pytest.approx(-1, abs=0.05)


@pytest.mark.nightly
def test_the_plateau_of_four_over_six_at_256_draws() -> None:
    rows = found("concentration", full=True).rows
    for row in rows:
        if row["quantizer"] == "NVFP4 four over six stochastic":
            assert row["errors"][-1] <= 2 * 1.67e-3 and row["errors"][-1] > 0.5 * row["errors"][-2]


def test_a_rotation_is_not_always_a_gain() -> None:
    lone = next(r for r in found("hadamard-variance").rows if r["data"].startswith("one number"))
    assert lone["gain"] < 0.5
    assert all(t["part"] <= 0.05 for t in found("hadamard-variance").more["tails"])


def test_the_exact_witnesses() -> None:
    means = four_over_six()
    assert means["six"] == 1 and means["four"] == 1
    assert means["one coin"] == Fraction(65, 64)
    first, second = eden()
    assert (first, second) == (Fraction(101, 102), Fraction(101, 510))
    assert first + second / 10 == Fraction(101, 100)  # the projection on x is kept


def test_scales_are_what_a_cast_lacks() -> None:
    rows = {(r["data"], r["how"]): r for r in found("cast-or-scale").rows}
    for (data, how), row in rows.items():
        if how == "bare cast" and ("weights" in data or "gradient" in data):
            assert row["zero"] == 1 and row["snr_db"] == 0
        if how.startswith(("MXFP4", "NVFP4")):
            assert row["snr_db"] > 18
    spread = [r["snr_db"] for (data, _), r in rows.items() if data.startswith("rows")]
    assert spread[1] < 2 and spread[2] > 18  # one scale a tensor, one a row


def test_longer_blocks_err_more_unless_their_scale_rounds_down() -> None:
    rows = found("block-size").rows
    for scale in ("FP32", "E4M3", "E8M0 rceil", "E8M0 even"):
        errors = [row["mse"] for row in rows if row["scale"] == scale]
        assert errors == sorted(errors)
    floor = [row["mse"] for row in rows if row["scale"] == "E8M0 floor"]
    assert floor[0] > floor[2]
    assert {row["bits"] for row in rows if (row["scale"], row["length"]) == ("E4M3", 16)} == {4.5}


def test_formats_say_what_their_values_say() -> None:
    rows = {row["letters"]: row for row in found("formats").rows}
    assert rows["E2M1"]["codes"] == 15 and rows["E2M1"]["worst_step"] == pytest.approx(0.2)
    assert rows["E4M3"]["max"] == 448 and rows["E5M2"]["max"] == 57344
    assert rows["E8M0"]["binades"] == 254
    assert rows["E2M1"]["with_scales"].startswith("mxfp4 4.25, nvfp4 4.5")


def test_averaging_removes_noise_and_not_bias() -> None:
    table = found("linear-layer", recipes="mxfp4-naive,mxfp4-sr,mxfp8", shapes="128x256x96")
    naive, drawn, eight = table.rows
    assert naive["mean_dw"] == pytest.approx(naive["dw"], rel=1e-6) and naive["bias_dw"] < -0.03
    assert drawn["dw"] > naive["dw"] and drawn["mean_dw"] < naive["mean_dw"] / 4
    assert abs(drawn["bias_dw"]) < 0.01 and eight["y"] < 2e-3


def test_the_law_predicts_what_others_measured() -> None:
    """Loss gaps of whole recipes that were no part of the fit: arXiv 2601.22813, 30 M parameters,
    98 tokens a parameter: NVIDIA's recipe 78.7, Quartet II 59.1 thousandths of a nat."""
    rows = {r["recipe"]: r for r in found("recommend", parameters=30482560, tokens=3e9).rows}
    assert rows["nvfp4"]["loss_gap"] == pytest.approx(0.0787, abs=0.008)
    assert rows["quartet2"]["loss_gap"] == pytest.approx(0.0591, abs=0.005)


def test_published_gaps_follow_measured_errors() -> None:
    """Forward the plain schemes are in the order of their errors; backward, what averages out."""
    table = found("paper-table")
    rows = {(row["scheme"], row["passes"]): row for row in table.rows}
    plain = [rows[name, "forward"] for name in
             ("NVFP4 1x16, four over six", "NVFP4 1x16", "NVFP4 16x16")]  # fmt: skip
    for column in ("y", "gap_25", "gap_98", "gap_787"):
        assert [row[column] for row in plain] == sorted(row[column] for row in plain)
    right, wrong = (rows[f"MXFP4 3/4 nearest, {how}", "backward"]
                    for how in ("H32", "signs on the wrong side"))  # fmt: skip
    assert right["mean_dw"] < wrong["mean_dw"] / 4 and right["gap_787"] < wrong["gap_787"]
    assert len(table.rows) == 12 and not table.missing


def test_recommendations_follow_from_their_rows() -> None:
    small = found("recommend", parameters=30e6, tokens=1e9)
    large = found("recommend", parameters=8e9, tokens=4e12)
    for table in (small, large):
        best = min(table.rows, key=lambda row: float(row["loss_same_time"]))
        assert table.notes[0].startswith(f"With FP4 units: {best['recipe']},")
    assert any("extrapolation" in note for note in large.notes)
    assert not any("extrapolation" in note for note in small.notes)


@pytest.mark.nightly
def test_the_fit_survives_a_wider_grid_of_starts() -> None:
    from extensor.lab.law import fit_law

    narrow, wide = fit_law(), fit_law(full=True)
    assert wide[1] == pytest.approx(narrow[1], rel=1e-6)
    assert np.allclose(wide[0].alpha, narrow[0].alpha, atol=1e-5)


def test_every_experiment_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{name}"' in text for name in EXPERIMENTS)
