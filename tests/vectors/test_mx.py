"""MX formats: scales, codes and values of six implementations, with tails and along other axes."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import extensor as ex
from tests.agree import block
from tests.vectors.recorded import Group, check_all, equal, load, nibbles

FORMATS = ["mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2", "mxint8"]
PEERS = {
    "gfloat": FORMATS,
    "microxcaling": FORMATS,
    "torchao": FORMATS[:5],
    "triton_kernels": ["mxfp4", "mxfp8_e4m3", "mxfp8_e5m2"],
    "modelopt": ["mxfp4", "mxfp8_e4m3"],
    "compressed_tensors": ["mxfp4"],
    "gguf": ["mxfp4"],
}
QUANTIZED = [f"{fmt}/{peer}.npz" for peer, found in PEERS.items() for fmt in found]
FILES = QUANTIZED + [f"{fmt}/inputs.npz" for fmt in FORMATS]
RULES = {"round_up": "rceil", "round_down": "floor"}
ROUNDINGS = {"nearest": "nearest_away", "floor": "toward_zero", "even": "nearest_even"}
LOG2 = ("torchao", "modelopt")
"""Their `rceil` takes log2: one too low where amax is 1 ulp above max * 2^k."""


def _mode(peer: str, mode: str) -> tuple[int, str, str]:
    """(axis, scale rule, rounding) of a recorded mode such as ``axis-2_floor_even``."""
    axis = -1
    if mode.startswith("axis"):
        axis, mode = int(mode[4:6]), mode[7:]
    rounding = ROUNDINGS[mode.split("_")[1]] if peer == "microxcaling" else "nearest_even"
    if peer == "gguf":
        rounding = "nearest_zero"
    return axis, RULES.get(mode) or mode.split("_")[0], rounding


def _spread(per_block: Any, axis: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """One entry a block as one an element."""
    wide = np.repeat(np.asarray(per_block), 32, axis=axis)
    return np.take(wide, np.arange(shape[axis]), axis=axis)


def _gguf(blocks: NDArray[np.uint8], shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """GGML's blocks as scales and codes: a scale byte, then byte j = elements j and j + 16."""
    each = blocks.reshape(-1, 17)
    codes = np.concatenate([each[:, 1:] & 15, each[:, 1:] >> 4], axis=1)
    return {"scale": each[:, 0].reshape(shape[0], -1), "codes": codes.reshape(shape)}


@pytest.mark.parametrize("file", QUANTIZED)
def test_quantized_tensors(file: str) -> None:
    """Scale bytes, codes and decoded values are equal, outside what the manifest excepts."""
    name, peer = file.removesuffix(".npz").split("/")
    inputs = load(f"{name}/inputs.npz")

    def check(group: Group) -> None:
        x = inputs[group.case]
        axis, rule, rounding = _mode(peer, group.mode)
        q = ex.quantize(x, ex.dtype(name), axis=axis, scale_rule=rule, rounding=rounding)
        scales = q.scales
        exact = np.ones(x.shape, bool)
        if peer in ("torchao", "triton_kernels"):
            exact = _spread(scales != 0, axis, x.shape)  # they flush subnormal scales
        if peer == "compressed_tensors":
            amax = np.abs(x).reshape(*scales.shape, 32).max(axis=-1)
            exact = _spread(amax < 2.0**127, axis, x.shape)  # above, its scale overflows
        recorded = {f: group[f] for f in ("scale", "codes", "dq") if f in group}
        if "blocks" in group:
            recorded |= _gguf(group["blocks"], x.shape)
        if "scale" in recorded:
            recorded["scale"] = recorded["scale"].reshape(scales.shape)
            if peer in LOG2 and rule == "rceil":
                low = recorded["scale"].astype(int) == scales.astype(int) - 1
                amax = np.abs(x).reshape(*scales.shape, 32).max(axis=-1).astype(np.float64)
                assert (_above_power(amax[low] / block(name).element.max) < 2.0**-18).all()
                exact &= ~_spread(low, axis, x.shape)
            here = np.take(exact, np.arange(0, x.shape[axis], 32), axis=axis)
            equal(scales, recorded["scale"], "scales", where=here)
        if "codes" in recorded:
            codes = recorded["codes"]
            if codes.shape != x.shape:
                codes = nibbles(codes, x.shape[axis], axis)
            where = exact & ~_other_convention(peer, name, x, codes)
            equal(q.codes, codes, "codes", where=where)
        if "dq" in recorded:
            values, dq = ex.dequantize(q).numpy(), recorded["dq"]
            if name == "mxint8" and peer == "gfloat":
                dq = np.where(codes == 0x80, values, dq)
            if peer == "triton_kernels":  # it alone saturates instead of overflowing to Inf
                dq = np.where(np.abs(dq) == np.finfo(np.float32).max, values, dq)
            equal(values, dq, "values", where=exact)

    check_all(file, check)


def _above_power(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far above a power of two a number is, relative to it."""
    return np.asarray(np.frexp(ratio)[0] * 2 - 1)


def _other_convention(
    peer: str, name: str, x: NDArray[Any], codes: NDArray[Any]
) -> NDArray[np.bool_]:
    """Where a peer's code differs by decision: the sign of zero, -128 in MXINT8, a tie."""
    if peer == "modelopt" and name == "mxfp4":
        return np.asarray((codes & 7) == 0) | _ties_of(x)
    if peer == "compressed_tensors":
        return np.asarray(x == 0)
    if peer == "gguf":
        return np.asarray(codes == 0)
    return np.asarray((codes == 0x80) & (name == "mxint8"))


def _ties_of(x: NDArray[Any]) -> NDArray[np.bool_]:
    """Where the significand of x ends so soon that x may be a midpoint of E2M1."""
    mantissa = np.frexp(np.abs(x))[0] * 16
    return np.asarray(mantissa == np.round(mantissa))


@pytest.mark.parametrize("name", FORMATS)
def test_every_input_is_used(name: str) -> None:
    cases = {key.split("__")[0] for key in load(f"{name}/microxcaling.npz")}
    assert set(load(f"{name}/inputs.npz")) == cases
