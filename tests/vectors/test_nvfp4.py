"""NVFP4 against TransformerEngine's reference: row and column blocks, tiles, rotation, product."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import extensor as ex
from tests.vectors.recorded import Group, check_all, equal, load, nibbles

FILES = [
    "nvfp4/te_ref.npz",
    "nvfp4/te_gemm.npz",
    "nvfp4/inputs.npz",
]


def _check(x: NDArray[Any], q: Any, codes: NDArray[Any], scales: NDArray[Any]) -> None:
    """Codes, but for the sign of a true zero (it is kept here), and scales."""
    codes = nibbles(codes, x.shape[1])  # it drops the last code of an odd row
    found, given = q.codes[:, : codes.shape[1]], x[:, : codes.shape[1]]
    equal(found, codes, "codes", where=given != 0)
    equal(found & 7, codes & 7, "magnitudes")
    own = q.scales
    if q.block_shape[0] == 16:  # it repeats the scale of a tile for each row
        own = np.repeat(own, 16, axis=0)
    rows, blocks = own.shape
    equal(own[: len(scales)], scales[:rows, :blocks], "scales")


def test_te_reference() -> None:
    inputs = load("nvfp4/inputs.npz")
    signs = load("hadamard.npz")["te16_signs"]

    def check(group: Group) -> None:
        fmt = ex.nvfp4_2d if group.mode == "16x16" else ex.nvfp4
        for suffix, x in (("", inputs[group.case]), ("_t", inputs[group.case].T.copy())):
            if f"codes{suffix}" not in group:
                equal(group[f"amax{suffix}"], np.abs(x).max(), "amax")
                continue
            codes, scales = group[f"codes{suffix}"], group[f"scale{suffix}"]
            amax = group[f"amax{suffix}"]
            if group.mode.endswith("rowscaled"):  # each row is a tensor of its own
                for i in range(len(x)):
                    row = x[i : i + 1]
                    _check(row, ex.quantize(row, fmt), codes[i : i + 1], scales[i : i + 1])
                    equal(amax[i], np.abs(row).max(), "amax")
                continue
            if group.mode.endswith("rht") and suffix:
                q = ex.quantize(x, fmt, hadamard=16, signs=signs)
                x = ex.hadamard(x, 16, signs=signs).numpy()
            else:
                q = ex.quantize(x, fmt)
            _check(x, q, codes, scales)
            equal(amax, np.abs(x).max(), "amax", where=not group.mode.endswith("rht"))
            assert q.tensor_scale is not None
            with np.errstate(divide="ignore", over="ignore"):
                encode = np.minimum(np.float32(2688) / np.abs(x).max(), np.finfo(np.float32).max)
            wanted = np.float32(1) / encode if np.abs(x).max() else np.float32(0)
            equal(np.float32(q.tensor_scale), wanted, "tensor scale")

    check_all(FILES[0], check)


def test_quantizing_along_the_other_axis_is_quantizing_the_transpose() -> None:
    for case, x in load("nvfp4/inputs.npz").items():
        across, turned = ex.quantize(x, ex.nvfp4, axis=0), ex.quantize(x.T.copy(), ex.nvfp4)
        equal(across.codes, turned.codes.T, f"{case} codes")
        equal(across.scales, turned.scales.T, f"{case} scales")


def test_every_input_is_used() -> None:
    cases = {key.split("__")[0] for key in load(FILES[0])}
    assert set(load("nvfp4/inputs.npz")) == cases


@pytest.mark.parametrize("exact", [True, False])
def test_te_product(exact: bool) -> None:
    """The reference product, within the rounding of float32 sums of as many blocks."""

    def check(group: Group) -> None:
        x, w = group["x"], group["w"]
        qx, qw = ex.quantize(x, ex.nvfp4), ex.quantize(w, ex.nvfp4)
        for q, codes, scales, amax, given in (
            (qx, group["qx"], group["sx"], group["amax_x"], x),
            (qw, group["qw"], group["sw"], group["amax_w"], w),
        ):
            _check(given, q, codes, scales)
            equal(q.packed[:, : codes.shape[1]], codes, "packed bytes")
            equal(amax, np.abs(given).max(), "amax")
        wx, ww = (ex.dequantize(q, ex.float64).numpy().astype(np.float64) for q in (qx, qw))
        bound = (x.shape[1] // 16 + 3) * 2.0**-23 * (np.abs(wx) @ np.abs(ww).T)
        y = ex.matmul(qx, qw.T, exact=exact).numpy()
        assert (np.abs(y - group["y"].astype(np.float64)) <= bound).all()

    check_all(FILES[1], check, parts=2)
