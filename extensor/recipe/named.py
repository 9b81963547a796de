"""The recipes by name: the table of the design's numerics page, section 7."""

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from extensor.errors import FormatError
from extensor.formats import (
    BF16,
    E2M1,
    E4M3,
    E5M2,
    E8M0,
    FP32,
    MXFP4,
    MXFP6_E3M2,
    MXFP8_E4M3,
    NVFP4,
    NVFP4_2D,
    Block,
)
from extensor.quantizer import Quantizer
from extensor.recipe.file import ENDINGS, load
from extensor.recipe.operand import PerTensor
from extensor.recipe.value import Recipe

# MXFP4 ------------------------------------------------------------------------------------------
MXFP4_TILE = Block(E2M1, (32, 32), E8M0, label="mxfp4_tile")
"""MXFP4 with one scale for 32 x 32: a transpose quantizes alike."""
_rceil = Quantizer(MXFP4, scale_rule="rceil")
_floor = Quantizer(MXFP4, scale_rule="floor")
_even = Quantizer(MXFP4, scale_rule="even")
_tile = Quantizer(MXFP4_TILE, scale_rule="rceil")
_stochastic = replace(_rceil, rounding="stochastic")
_h16, _h32 = replace(_rceil, hadamard=16), replace(_rceil, hadamard=32)
# arXiv 2502.20586, algorithms 2 and 3: 3/4 of each operand, so that floor does not clip.
_tseng = Quantizer(MXFP4, scale_rule="floor", rounding="stochastic", prescale=0.75, hadamard=64)
_tseng32 = replace(_tseng, hadamard=32)
# arXiv 2505.14669. Scales rounded where its table has its error (1.32e-2); its public kernel rounds
# them down (2.2e-2). What was clipped gets no gradient.
_quest = Quantizer(MXFP4, scale_rule=("quest", 4 / 3), hadamard=32, ste="trust")

# NVFP4 ------------------------------------------------------------------------------------------
_nv, _nv_tile = Quantizer(NVFP4), Quantizer(NVFP4_2D)
_nv_gradient = Quantizer(NVFP4, rounding="stochastic", scale_rounding="up")
# One fixed vector for all layers and steps; H16 on both wgrad operands (arXiv 2509.25149, 4.3).
_NV_SIGNS = (1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1)
_nv_wgrad = replace(_nv_gradient, hadamard=16, signs=_NV_SIGNS)
_nv_saved = replace(_nv, hadamard=16, signs=_NV_SIGNS)
# Max 4 or 6, whichever errs less (arXiv 2512.02010); to nearest only: with a draw it is biased.
_46, _46_tile = (replace(q, scale_rule="four_over_six") for q in (_nv, _nv_tile))
# MS-EDEN (arXiv 2601.22813, algorithm 1): the scales draw, the elements do not.
_eden = replace(_nv, scale_rule="eden", hadamard=128)

# FP8, FP6 ---------------------------------------------------------------------------------------
_mx8 = Quantizer(MXFP8_E4M3)
# MXFP6 as arXiv 2310.10537 trains with it: E3M2 for all, the scale rule of the OCP text.
_mx6 = Quantizer(MXFP6_E3M2, scale_rule="floor")
FP8_ROW = Block(E4M3, (1, 128), FP32, label="fp8_1x128")
FP8_TILE = Block(E4M3, (128, 128), FP32, label="fp8_128x128")
"""Activations and gradients by 128 along the product, weights by tiles (arXiv 2412.19437, 3.3)."""
_row, _square = Quantizer(FP8_ROW), Quantizer(FP8_TILE)
_e4m3, _e5m2 = PerTensor(E4M3), PerTensor(E5M2)


def _table() -> tuple[Recipe, ...]:
    return (
        Recipe("fp32"),
        Recipe("bf16", (BF16, BF16), (BF16, BF16), (BF16, BF16)),
        # E4M3 forward, E5M2 for gradients, one scale a tensor (arXiv 2209.05433).
        Recipe("fp8", (_e4m3, _e4m3), (_e5m2, _e4m3), (_e5m2, _e4m3)),
        Recipe("fp8-deepseek", (_row, _square), (_row, _square), (_row, _row)),
        Recipe("mxfp8", (_mx8, _mx8), (_mx8, _mx8), (_mx8, _mx8)),
        Recipe("mxfp6", (_mx6, _mx6), (_mx6, _mx6), (_mx6, _mx6)),
        Recipe("mxfp4-naive", (_floor, _floor), (_floor, _floor), (_floor, _floor)),
        Recipe("mxfp4-sr", (_even, _even), (_stochastic,) * 2, (_stochastic,) * 2),
        Recipe("mxfp4-rht-sr", (_even, _even), (_tseng, _tseng), (_tseng, _tseng)),
        Recipe("tseng", (BF16, BF16), (_tseng, _tseng), (_tseng, _tseng)),
        # arXiv 2502.20853: powers of two nest, so that only packed operands need be kept.
        Recipe("tetrajet", (_rceil, _rceil), (_stochastic,) * 2, (_stochastic,) * 2,
               requantize=True),
        Recipe("quartet", (_quest, _quest), (_tseng32, _tseng32), (_tseng32, _tseng32),
               fresh_signs=("dgrad", "wgrad"), requantize=True),
        # ALTO (AMD 2026): weights by tiles, H32 on the pair of wgrad.
        Recipe("mx-1d2d", (_rceil, _tile), (_stochastic, _tile),
               (replace(_stochastic, hadamard=32), _h32)),
        # arXiv 2605.09825: nothing is drawn; H16 without signs on all three.
        Recipe("amd-det", (_h16, _h16), (_h16, _h16), (_h16, _h16), fresh_signs=False),
        Recipe("nvfp4", (_nv, _nv_tile), (_nv_gradient, _nv_tile), (_nv_wgrad, _nv_saved),
               fresh_signs=False),
        Recipe("nvfp4-4over6", (_46, _46_tile), (_nv_gradient, _46_tile), (_nv_wgrad, _nv_saved),
               fresh_signs=False),
        Recipe("quartet2", (_46, _46), (_eden, _eden), (_eden, _eden), requantize=True),
        # arXiv 2505.19115: stochastic on g, and on the x of wgrad.
        Recipe("fp4-all-the-way", (_nv, _nv), (_nv_gradient, _nv), (_nv_gradient, _nv_gradient)),
    )  # fmt: skip


NAMED: dict[str, Recipe] = {recipe.name: recipe for recipe in _table()}
"""All recipes by name."""


NAMED |= {
    f"{r.name}-grad": replace(r, name=f"{r.name}-grad", fprop=(None, None), requantize=False)
    for r in list(NAMED.values())
    if r.name != "fp32"
}


def get(name: str) -> Recipe:
    """The recipe of this name, or of this file (``.toml``, ``.json``).

    Names ending in ``-grad`` quantize the two backward GEMMs only. FormatError for another name.

    >>> get("fp32").quantizes, get("nvfp4-grad").quantizes
    ((), ('dgrad', 'wgrad'))
    """
    if name in NAMED:
        return NAMED[name]
    if Path(name).suffix in ENDINGS:
        return load(Path(name))
    near = get_close_matches(name, NAMED, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(NAMED)}"
    raise FormatError(f"recipe: unknown name {name!r}; {hint}, or a file {', '.join(ENDINGS)}")
