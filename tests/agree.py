"""A quantized tensor of the library beside the exact oracle's, along any axis."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import extensor as ex
from tests import oracle_blocks
from tests.oracle_blocks import BlockSpec, Quantized

BLOCKS: dict[str, BlockSpec] = {
    "mxfp4": oracle_blocks.MXFP4,
    "mxfp6_e2m3": oracle_blocks.MXFP6_E2M3,
    "mxfp6_e3m2": oracle_blocks.MXFP6_E3M2,
    "mxfp8_e4m3": oracle_blocks.MXFP8_E4M3,
    "mxfp8_e5m2": oracle_blocks.MXFP8_E5M2,
    "mxint8": oracle_blocks.MXINT8,
    "nvfp4": oracle_blocks.NVFP4,
    "nvfp4_2d": oracle_blocks.NVFP4_2D,
}


def block(name: str) -> ex.Block:
    """The block format of the library with this name."""
    fmt = ex.dtype(name)
    assert isinstance(fmt, ex.Block)
    return fmt


def oracle(
    x: NDArray[Any], spec: BlockSpec, axis: int = -1, key: ex.Key | None = None, **choices: Any
) -> Quantized:
    """What the oracle makes of ``x``: codes in the shape of x, scales with the axis divided.

    With a key, element i draws its word i, computed in Python integers.
    """
    moved = np.moveaxis(x, axis, -1)
    index = np.moveaxis(np.arange(x.size).reshape(x.shape), axis, -1).reshape(-1)
    if key is not None:
        seed, stream = key.seed, key.stream
        choices["words"] = lambda i: oracle_blocks.word(seed, stream, int(index[i]))
    q = oracle_blocks.quantize(moved.reshape(-1, moved.shape[-1]), spec, **choices)
    codes = np.moveaxis(q.codes.reshape(moved.shape), -1, axis)
    if spec.shape[0] > 1:
        return Quantized(codes, q.scales, q.tensor_scale)
    scales = np.moveaxis(q.scales.reshape(*moved.shape[:-1], -1), -1, axis)
    return Quantized(codes, scales, q.tensor_scale)


def check(
    x: NDArray[Any], name: str, axis: int = -1, key: ex.Key | None = None, **choices: Any
) -> None:
    """Raise unless `extensor.quantize` gives the bytes of the oracle.

    choices
        Of `tests.oracle_blocks.quantize`; ``rule`` and ``two_levels`` are translated.
    """
    given = dict(choices)
    if "rule" in given:
        given["scale_rule"] = given.pop("rule")
    if "two_levels" in given:
        given["tensor_scale"] = "auto" if given.pop("two_levels") else None
    q = ex.quantize(x, block(name), axis=axis, key=key, **given)
    wanted = oracle(x, BLOCKS[name], axis, key, **choices)
    differ(q.scales, wanted.scales, f"{name} axis {axis} {given}: scales")
    finite = np.ones(x.shape, bool)
    if not np.isfinite(x).all():
        finite = np.isfinite(ex.dequantize(q).numpy())
    differ(q.codes * finite, wanted.codes * finite, f"{name} axis {axis} {given}: codes")
    if wanted.tensor_scale is not None:
        assert np.float32(q.tensor_scale) == wanted.tensor_scale, "tensor scale"


def differ(found: NDArray[Any], wanted: NDArray[Any], what: str) -> None:
    """Raise unless equal, shape included, naming the first difference."""
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, should be {wanted.shape}"
    wrong = np.argwhere(np.asarray(found) != wanted)
    if len(wrong):
        at = tuple(wrong[0].tolist())
        raise AssertionError(
            f"{what}: {len(wrong)} of {wanted.size} differ, first at {at}: {found[at]}, "
            f"should be {wanted[at]}"
        )
