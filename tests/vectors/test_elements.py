"""Casts of single elements, all float16 patterns and near ties, against six implementations."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import extensor as ex
from tests.scalars import FORMATS, encode_all
from tests.vectors.recorded import Group, check_all, equal, load

FILES = [
    "elem/f16_exhaustive_codes.npz",
    "elem/f16_exhaustive_values.npz",
    "elem/near_ties.npz",
    "elem/decode_tables.npz",
]
NAMES = {"e2m1": "E2M1", "e3m2": "E3M2", "e2m3": "E2M3", "e4m3fn": "E4M3", "e5m2": "E5M2"}
NAMES |= {"e8m0": "E8M0", "int8": "INT8"}
HALF = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def _rounding(name: str, peer: str) -> str:
    if name == "e8m0" and not peer.startswith("gfloat"):
        return "nearest_away"  # ml_dtypes and PyTorch take the larger power at 1.5 * 2^k
    if "rna" in peer or "nearest" in peer:
        return "nearest_away"
    return "toward_zero" if "rtz" in peer or "floor" in peer else "nearest_even"


def _saturates(name: str, peer: str) -> bool:
    """ml_dtypes overflows where the format has a code for it, PyTorch only in E5M2."""
    overflowing = {"ml_dtypes": ("e4m3fn", "e5m2", "e8m0"), "torch_f32": ("e5m2", "e8m0")}
    return "nosat" not in peer and name not in overflowing.get(peer, ())


def _check(name: str, x: NDArray[Any], peer: str, recorded: NDArray[Any]) -> None:
    """One peer's codes (or values, ``_val``) of finite numbers in the format's domain."""
    fmt, spec = FORMATS[NAMES[name]]
    wide = x.astype(np.float64)
    keep = np.isfinite(wide)
    if name == "e8m0":
        # Below its least value gfloat wraps around; float32 subnormals trouble the others.
        keep &= wide >= (2.0**-127 if peer.startswith("gfloat") else 2.0**-126)
    wide, recorded = wide[keep], recorded[keep]
    codes = encode_all(fmt, wide, _rounding(name, peer), saturate=_saturates(name, peer))
    if peer.endswith("_val"):
        equal(np.array(spec.values())[codes], recorded, peer)
        return
    here = np.ones(wide.size, bool)
    if peer.startswith(("te_", "modelopt")):
        here = wide != 0  # they drop the sign of zero, which is kept here
    if name == "e4m3fn" and peer == "gfloat_rne_nosat":
        here = codes & 0x7F != 0x7F  # its overflow NaN has the sign bit always, ours x's sign
        equal(recorded[~here] & 0x7F, 0x7F, f"{peer} overflow")
    equal(codes, recorded, peer, where=here)


@pytest.mark.parametrize("file", FILES[:2])
def test_all_float16(file: str) -> None:
    def check(group: Group) -> None:
        for peer in [key.split("__")[1] for key in load(file) if key.startswith(f"{group.case}__")]:
            _check(group.case, HALF, peer, group[peer])

    check_all(file, check, parts=2)


def test_near_ties() -> None:
    def check(group: Group) -> None:
        x = group["x"]
        prefix = f"{group.case}__{group.mode}__"
        for peer in [k[len(prefix) :] for k in load(FILES[2]) if k.startswith(prefix)]:
            if peer in group and peer != "x":
                _check(group.case, x, peer, group[peer])

    check_all(FILES[2], check)


def test_decode_tables() -> None:
    for name, table in load(FILES[3]).items():
        fmt, spec = FORMATS[NAMES[name]]
        equal(fmt.values.astype(np.float32), table, f"{name} table of the format")
        equal(np.array(spec.values(), np.float32), table, f"{name} table of the oracle")
        codes = np.arange(table.size, dtype=np.uint8)
        equal(ex.dequantize(ex.from_codes(codes, None, fmt)).numpy(), table, f"{name} from_codes")


@pytest.mark.parametrize("name", ["e2m1", "e3m2", "e2m3", "e4m3fn", "e5m2"])
def test_the_cast_of_a_tensor_is_the_recorded_one(name: str) -> None:
    """`x.to` from float16, float32 and float64 gives gfloat's saturating codes."""
    recorded = load(FILES[0])[f"{name}__gfloat_rne_sat"]
    finite = np.isfinite(HALF)
    for dtype in (np.float16, np.float32, np.float64):
        codes = ex.asarray(HALF[finite].astype(dtype)).to(FORMATS[NAMES[name]][0]).codes
        equal(codes, recorded[finite], f"{name} from {np.dtype(dtype)}")
