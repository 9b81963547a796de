"""Named profiles against the recorded peers: equal bits but for the exceptions that they name."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import extensor as ex
from extensor.profiles import EXCEPTIONS, NAMED, Profile
from tests.vectors.recorded import equal, load, nibbles

# profile: recorded file and mode of each format
MX = ["mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2", "mxint8"]
RECORDED = {
    "ocp": [(fmt, "gfloat", "floor_rne_f64") for fmt in MX],
    "nvidia": [("nvfp4", "te_ref", "1x16"), ("nvfp4_2d", "te_ref", "16x16"),
               ("mxfp8_e4m3", "modelopt", "rceil")],
    "torchao": [(fmt, "torchao", "floor") for fmt in MX[:5]] + [("nvfp4", "torchao", "two_level")],
    "triton": [(fmt, "triton_kernels", "round_up") for fmt in (MX[0], *MX[3:5])]
    + [("nvfp4", "triton_kernels", "single")],
    "microxcaling": [(fmt, "microxcaling", "floor_nearest") for fmt in MX],
    "gguf": [("mxfp4", "gguf", "floor")],
    "modelopt": [("mxfp4", "modelopt", "rceil"), ("nvfp4", "modelopt", "two_level")],
    "compressed_tensors": [("mxfp4", "compressed_tensors", "even"),
                           ("nvfp4", "compressed_tensors", "two_level")],
    "quartet": [("mxfp4", "quartet_triton", "identity_quest"),
                ("mxfp4", "quartet_triton", "hadamard32_quest")],
    "qutlass": [("mxfp4", "qutlass_ref", "quest")],
}  # fmt: skip
CASES = [(name, *row) for name, rows in RECORDED.items() for row in rows]


class Made(NamedTuple):
    """Input, our tensor, and what the peer gave, all one an element or one a block."""

    case: str
    x: NDArray[Any]
    q: Any
    scales: NDArray[Any]
    length: int

    def spread(self, per_block: Any) -> NDArray[Any]:
        """One entry a block as one an element."""
        wide = np.repeat(np.asarray(per_block), self.length, axis=-1)[..., : self.x.shape[-1]]
        return np.broadcast_to(wide, self.x.shape)

    @property
    def amax(self) -> NDArray[np.float32]:
        """Of each block."""
        pad = -self.x.shape[-1] % self.length
        blocks = np.pad(np.abs(self.x), ((0, 0), (0, pad))).reshape(len(self.x), -1, self.length)
        return np.asarray(blocks.max(axis=-1))


def _beside_power(m: Made, top: float) -> NDArray[np.bool_]:
    """Blocks whose amax / top is within 2^-18 of a power of two."""
    part = np.frexp(m.amax.astype(np.float64) / top)[0]
    return np.asarray((part < 0.5 + 2.0**-18) | (part > 1 - 2.0**-18))


# exception: the elements that it takes out, as a function of what was made
WHERE: dict[str, Callable[[Made], Any]] = {
    "not-finite": lambda m: m.spread(~np.isfinite(m.amax)),
    "scale-code-0": lambda m: m.spread(m.q.scales == 0),
    "variance-overflow": lambda m: m.spread(m.amax >= 2.0**63),
    "tiny-wraps": lambda m: m.spread(m.q.scales < 3),
    "zero-tensor": lambda m: np.full(m.x.shape, not m.x.any()),
    "subnormal-scale": lambda m: m.spread(m.q.scales < 8),
    "zero-scale": lambda m: m.spread((m.q.scales == 0) | (m.scales == 56)),
    "half-ulp": lambda m: np.full(
        m.x.shape, m.case in ("near_ties", "overflow_zone", "amax_traps", "huge")
    ),
}


def _without(profile: Profile, m: Made, name: str) -> NDArray[np.bool_]:
    """Elements on which the peer must be equal."""
    keep = np.ones(m.x.shape, bool)
    for exception in profile.exceptions:
        if exception == "log2":
            top = {"gguf": 1.0, "modelopt": 6.0}.get(profile.name, 448.0)
            if name.startswith("mx"):
                keep &= ~m.spread(_beside_power(m, top))
        elif exception == "huge-scale":
            keep &= ~m.spread(m.amax >= 2.0**127)
        elif exception in WHERE and (exception != "subnormal-scale" or name.startswith("nv")):
            keep &= ~WHERE[exception](m)
    return keep


def _gguf(blocks: NDArray[np.uint8], shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    each = blocks.reshape(-1, 17)
    codes = np.concatenate([each[:, 1:] & 15, each[:, 1:] >> 4], axis=1)
    return {"scale": each[:, 0].reshape(shape[0], -1), "codes": codes.reshape(shape)}


@pytest.mark.parametrize(("profile", "name", "peer", "mode"), CASES)
def test_profile(profile: str, name: str, peer: str, mode: str) -> None:
    """Scales, codes, values and trust masks, of every recorded case with whole blocks."""
    how = NAMED[profile]
    folder = "nvfp4" if name.startswith("nv") else name
    arrays, inputs = load(f"{folder}/{peer}.npz"), load(f"{folder}/inputs.npz")
    changes: dict[str, Any] = {"hadamard": 32} if mode.startswith("hadamard") else {}
    checked = 0
    for case, x in inputs.items():
        found = {
            k.split("__")[2]: v for k, v in arrays.items() if k.startswith(f"{case}__{mode}__")
        }
        if not found or x.ndim != 2:
            continue
        quantizer = how(name, **changes)
        q = quantizer(x)
        scales = q.scales
        if q.block_shape[0] > 1:
            scales = np.repeat(scales, q.block_shape[0], axis=0)[: len(x)]
        found |= _gguf(found["blocks"], x.shape) if "blocks" in found else {}
        given = np.asarray(found.get("scale", scales))
        given = given[: len(x), : scales.shape[1]].reshape(scales.shape) if given.ndim == 2 else (
            given.reshape(scales.shape))  # fmt: skip
        made = Made(case, x, _View(q.codes, scales), given, q.block_shape[1])
        keep = _without(how, made, name)
        blocks = np.add.reduceat(keep, np.arange(0, x.shape[1], made.length), axis=1) > 0
        equal(scales, given, f"{case} scales", where=blocks)
        signless = "zero-sign" in how.exceptions
        if "codes" in found:
            codes = found["codes"]
            if codes.shape != x.shape:
                codes = nibbles(codes, x.shape[1])
            shown = made.q.codes[:, : codes.shape[1]]
            zero = (shown & (2 ** (quantizer.fmt.element.bits - 1) - 1)) == 0
            where = keep[:, : codes.shape[1]] & ~(zero & signless)
            if "minus-128" in how.exceptions and name == "mxint8":
                where &= codes != 0x80
            equal(shown, codes, f"{case} codes", where=where)
        if "dq" in found:
            values, dq = ex.dequantize(q).numpy(), found["dq"]
            where = keep & ~((made.q.codes == 0x81) & (name == "mxint8"))
            if "decode-overflow" in how.exceptions:
                where &= np.abs(dq) < np.finfo(np.float32).max
            equal(values, dq, f"{case} values", where=where)
        if "tensor_scale" in found and x.any():
            equal(np.float32(q.tensor_scale or 0), found["tensor_scale"], f"{case} tensor scale")
        mask = found.get("mask", found.get("clipmask"))
        if mask is not None:
            if mask.dtype == np.uint8:
                mask = np.unpackbits(mask, axis=-1, bitorder="little").astype(bool)
            equal(quantizer.mask(x), mask.reshape(x.shape), f"{case} mask", where=keep)
        checked += int(keep.sum())
    assert checked > 500


class _View(NamedTuple):
    codes: NDArray[Any]
    scales: NDArray[Any]


@pytest.mark.parametrize("error", ["mae", "mse"])
def test_four_over_six_of_transformer_engine(error: str) -> None:
    """Codes and scales of both orientations, equal but for the sign of zero."""
    arrays, inputs = load("nvfp4/te_ref.npz"), load("nvfp4/inputs.npz")
    count = 0
    for fmt, tile in ((ex.nvfp4, "1x16"), (ex.nvfp4_2d, "16x16")):
        mode = f"{tile}_4over6_{error}"
        for case, x in inputs.items():
            for suffix, y in (("", x), ("_t", x.T.copy())):
                key = f"{case}__{mode}__codes{suffix}"
                if key not in arrays:
                    continue
                q = ex.profiles.nvidia(fmt, scale_rule=("four_over_six", error))(y)
                codes = nibbles(arrays[key], y.shape[1])
                equal(q.codes[:, : codes.shape[1]] & 7, codes & 7, f"{key} magnitudes")
                given = arrays[f"{case}__{mode}__scale{suffix}"]
                own = np.repeat(q.scales, 16, axis=0) if tile == "16x16" else q.scales
                rows = min(len(own), len(given))
                equal(own[:rows], given[:rows, : own.shape[1]], f"{key} scales")
                count += 1
    assert count >= 22


def test_a_scale_a_row_of_transformer_engine() -> None:
    """Its row-scaled mode is ``tensor_scale="row"``."""
    arrays, inputs = load("nvfp4/te_ref.npz"), load("nvfp4/inputs.npz")
    count = 0
    for case, x in inputs.items():
        key = f"{case}__1x16_rowscaled__"
        if f"{key}codes" in arrays:
            q = ex.profiles.nvidia(ex.nvfp4, tensor_scale="row")(x)
            codes = nibbles(arrays[f"{key}codes"], x.shape[1])
            equal(q.codes[:, : codes.shape[1]] & 7, codes & 7, f"{key} magnitudes")
            scales = arrays[f"{key}scale"][: len(x), : q.scales.shape[1]]
            equal(q.scales[: len(scales)], scales, f"{key} scales")
            count += 1
    assert count >= 11


def test_three_quarters_of_quartet() -> None:
    """Its prescale is ours: values of the stored tensor times 4/3 are its values."""
    arrays, inputs = load("mxfp4/quartet_triton.npz"), load("mxfp4/inputs.npz")
    for case in ("normal_1", "normal_0.001", "normal_10000", "lognormal", "rowscales", "ties"):
        q = ex.quantize(
            inputs[case], ex.mxfp4, scale_rule="floor", prescale=0.75, rounding="nearest_zero"
        )
        wanted = arrays[f"{case}__identity_absmax34__dq"]
        assert np.allclose(ex.dequantize(q).numpy() / 0.75, wanted, rtol=1e-6, atol=0)


def test_every_exception_is_explained_and_used() -> None:
    used = {name for profile in NAMED.values() for name in profile.exceptions}
    assert used == set(EXCEPTIONS) and set(RECORDED) == set(NAMED)


def test_unknown_formats_and_names_raise() -> None:
    with pytest.raises(ex.FormatError, match="recorded for mxfp4"):
        ex.profiles.gguf("nvfp4")
    with pytest.raises(ex.FormatError, match="known: ocp"):
        ex.profiles.get("none")
