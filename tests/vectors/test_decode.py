"""Every scale byte with element codes, decoded by six implementations and from the fractions."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

import extensor as ex
from tests import oracle, oracle_blocks
from tests.vectors.recorded import equal, load, nibbles

FILES = ["mxfp4/decode_all_scales.npz", "mxfp8_6_decode_all_scales.npz"]
EIGHT = {"e4m3": "mxfp8_e4m3", "e5m2": "mxfp8_e5m2", "e3m2": "mxfp6_e3m2", "e2m3": "mxfp6_e2m3"}
NOT_NAN = ("transformers_f32", "transformers_bf16", "gguf", "modelopt")
"""They take scale byte 255 for a power of two; here and in OCP MX it is NaN."""


def _compare(values: NDArray[np.float32], peer: str, recorded: NDArray[np.float32]) -> None:
    where = np.ones(values.shape, bool)
    if peer in NOT_NAN:
        where[255] = False
    if peer == "triton_kernels":  # flushes byte 0, saturates what overflows
        where[0] = False
        where &= (np.abs(recorded) < np.finfo(np.float32).max) & np.isfinite(recorded)
    equal(values, recorded, peer, where)


def test_mxfp4() -> None:
    arrays = load(FILES[0])
    scale = arrays.pop("scale").reshape(256, 1)
    codes = nibbles(arrays.pop("packed"), 32)
    blocks = arrays.pop("gguf_blocks")
    equal(np.concatenate([blocks[:, 1:] & 15, blocks[:, 1:] >> 4], axis=1), codes, "GGML codes")
    equal(blocks[:, 0], scale[:, 0], "GGML scales")
    values = ex.dequantize(ex.from_codes(codes, scale, ex.mxfp4)).numpy()
    assert len(arrays) == 7
    for peer, recorded in arrays.items():
        _compare(values, peer, recorded)


@pytest.mark.parametrize("name", EIGHT)
def test_eight_and_six_bits(name: str) -> None:
    arrays = load(FILES[1])
    assert {key.split("__")[0] for key in arrays} == {"scale", *EIGHT}
    scale = arrays["scale"].reshape(256, 1)
    values = ex.dequantize(
        ex.from_codes(arrays[f"{name}__codes"], scale, ex.dtype(EIGHT[name]))
    ).numpy()
    for key, recorded in arrays.items():
        if key.startswith(f"{name}__") and not key.endswith("__codes"):
            _compare(values, key.split("__")[1], recorded)


BLOCKS = {
    "mxfp4": oracle_blocks.MXFP4,
    "mxfp6_e3m2": oracle_blocks.MXFP6_E3M2,
    "mxfp6_e2m3": oracle_blocks.MXFP6_E2M3,
    "mxfp8_e4m3": oracle_blocks.MXFP8_E4M3,
    "mxfp8_e5m2": oracle_blocks.MXFP8_E5M2,
    "mxint8": oracle_blocks.MXINT8,
    "nvfp4": oracle_blocks.NVFP4,
}


@pytest.mark.parametrize("name", BLOCKS)
def test_all_codes_times_all_scales(name: str) -> None:
    """Each product is the exact one, rounded to float32 (float64 holds it exactly)."""
    spec, fmt = BLOCKS[name], ex.dtype(name)
    count, size = 2**spec.element.bits, spec.shape[1]
    codes = np.tile((np.arange(max(count, size)) % count).astype(np.uint8), (256, 1))
    scales = np.repeat(np.arange(256, dtype=np.uint8)[:, None], codes.shape[1] // size, axis=1)
    elements = np.array(spec.element.values())[codes]
    factors = np.repeat(np.array(spec.scale.values())[scales], size, axis=1)
    with np.errstate(over="ignore"):
        exact = (elements * factors).astype(np.float32)
    for tensor_scale in (None, 1.0, 0.1, 2.0**-120) if spec.tensor_scale else (None,):
        q = ex.from_codes(codes, scales, fmt, tensor_scale=tensor_scale)
        wanted = exact if tensor_scale is None else exact * np.float32(tensor_scale)
        values = ex.dequantize(q).numpy()
        equal(values, wanted, f"{name} times {tensor_scale}")
        number = ~np.isnan(wanted)
        equal(np.signbit(values[number]), np.signbit(wanted[number]), "signs")
        equal(q.codes, codes, "codes")
        equal(q.scales, scales, "scales")


def test_a_product_in_float64_is_the_exact_one() -> None:
    """What the test above takes for exact: no element times scale needs more than 53 bits."""
    for spec in BLOCKS.values():
        for code in range(0, 2**spec.element.bits, 5):
            for byte in range(0, 255, 31):
                a, b = oracle.decode(spec.element, code), oracle.decode(spec.scale, byte)
                if np.isfinite(a * b):
                    assert Fraction(a) * Fraction(b) == Fraction(a * b)
