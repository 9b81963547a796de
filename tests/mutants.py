"""Planted bugs, each with the check that must turn red. The list behind `tests.test_mutants`.

A plant replaces one function for the length of a test; a check passes on the library as it is and
raises AssertionError on the mutant. Rows: (name, plant, check).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from pytest import MonkeyPatch

from extensor import quantizer
from extensor.kernels.hadamard import hadamard as _rotate
from extensor.kernels.quantize import dispatch
from extensor.kernels.quantize import quantize as _rows
from extensor.ops import gemm, operands
from extensor.ops.linear import matmul
from tests import checks

Plant = Callable[[MonkeyPatch], None]
_gemm_of = operands.gemm_of


class Mutant(NamedTuple):
    """A bug, how it is planted, and the check that sees it."""

    name: str
    plant: Plant
    check: Callable[[], None]


def _wrap_rows(change: Callable[..., Any]) -> Plant:
    """Plant ``change(x, fmt, choice, key, ...)`` in place of the quantizing kernel."""
    return lambda patch: patch.setattr(quantizer, "quantize_rows", change)


def _wrap_choice(**changed: Any) -> Plant:
    """The kernel is given a choice with some fields changed."""
    return _wrap_rows(
        lambda x, fmt, choice, *rest: _rows(x, fmt, replace(choice, **changed), *rest)
    )


def _no_undo(patch: MonkeyPatch) -> None:
    def product(a: Any, b: Any, exact: bool) -> Any:
        return matmul.run((a, b), {"exact": exact}).array

    patch.setattr(gemm, "product", product)


def _prescale_first(x: Any, fmt: Any, choice: Any, *rest: Any) -> Any:
    return _rows(x * x.dtype.type(choice.prescale), fmt, replace(choice, prescale=1.0), *rest)


def _one_draw(patch: MonkeyPatch) -> None:
    def gemm_of(recipe: Any, name: str, key: Any) -> Any:
        found = _gemm_of(recipe, name, key)
        return found._replace(keys=(found.keys[0], found.keys[0]))

    patch.setattr(gemm, "gemm_of", gemm_of)


def _rotate_every_second(patch: MonkeyPatch) -> None:
    calls = []

    def rotate(x: Any, n: int, signs: Any) -> Any:
        calls.append(n)
        return _rotate(x, n, signs) if len(calls) % 2 else np.ascontiguousarray(x, np.float32)

    patch.setattr(dispatch, "rotate", rotate)


def _signs_after(patch: MonkeyPatch) -> None:
    def rotate(x: Any, n: int, signs: Any) -> Any:
        turned = np.asarray(_rotate(x, n, ())).copy()
        length = turned.shape[-1]
        if len(signs):
            turned *= np.tile(np.array(signs, np.float32), -(-length // n))[:length]
        return turned

    patch.setattr(dispatch, "rotate", rotate)


def _swap_nibbles(x: Any, fmt: Any, choice: Any, *rest: Any) -> Any:
    packed = _rows(x, fmt, choice, *rest)
    if fmt.packed_bits != 4:
        return packed
    return packed._replace(codes=(packed.codes >> 4 | packed.codes << 4).astype(np.uint8))


def _tail_past_its_end(x: Any, fmt: Any, choice: Any, *rest: Any) -> Any:
    """The amax of a tail takes in what follows in memory: the start of the next row."""
    good = _rows(x, fmt, choice, *rest)
    matrices, rows, length = x.shape
    spare = fmt.blocks(length) * fmt.length - length
    flat = np.concatenate([x.reshape(-1), np.zeros(spare, x.dtype)])
    starts = np.arange(matrices * rows) * length
    longer = np.stack([flat[s : s + length + spare] for s in starts])
    return good._replace(
        scales=_rows(longer.reshape(matrices, rows, -1), fmt, choice, *rest).scales
    )


def _tail_cut(x: Any, fmt: Any, choice: Any, *rest: Any) -> Any:
    """Only whole blocks are quantized; the tail stays zero."""
    whole = x.shape[-1] // fmt.length * fmt.length
    return _rows(np.where(np.arange(x.shape[-1]) < whole, x, 0).astype(x.dtype), fmt, choice, *rest)


def _scale_off_by_one(x: Any, fmt: Any, choice: Any, *rest: Any) -> Any:
    packed = _rows(x, fmt, choice, *rest)
    return packed._replace(scales=np.maximum(packed.scales, 1) - 1)


def _zero_without_sign(x: Any, fmt: Any, choice: Any, *rest: Any) -> Any:
    return _rows(x + x.dtype.type(0), fmt, choice, *rest)


def _float32_first(x: Any, fmt: Any, choice: Any, *rest: Any) -> Any:
    return _rows(np.asarray(x, np.float32), fmt, choice, *rest)


def _word_of_memory(x: Any, fmt: Any, choice: Any, key: Any, strides: Any, *rest: Any) -> Any:
    """The random word follows the order of the rows, not the logical index."""
    return _rows(x, fmt, choice, key, None, *rest)


MUTANTS = [
    Mutant("missing 16/9", _no_undo, checks.product_has_slope_one),
    Mutant("prescale before amax", _wrap_rows(_prescale_first), checks.prescale),
    Mutant("one draw for two operands", _one_draw, checks.operands_draw_apart),
    Mutant("Hadamard on one operand", _rotate_every_second, checks.rotation_cancels),
    Mutant("signs after H", _signs_after, checks.signs_come_first),
    Mutant(
        "nearest E4M3 scales with stochastic elements",
        _wrap_choice(scale_rounding="nearest"),
        checks.stochastic_operands_never_clip,
    ),
    Mutant("nibbles swapped", _wrap_rows(_swap_nibbles), checks.packing),
    Mutant("tail read past its end", _wrap_rows(_tail_past_its_end), checks.boundaries),
    Mutant("tail cut", _wrap_rows(_tail_cut), checks.boundaries),
    Mutant("scale exponent off by one", _wrap_rows(_scale_off_by_one), checks.boundaries),
    Mutant("ties away from zero", _wrap_choice(rounding="nearest_away"), checks.ties),
    Mutant("ties toward zero", _wrap_choice(rounding="nearest_zero"), checks.ties),
    Mutant("sign of zero lost", _wrap_rows(_zero_without_sign), checks.sign_of_zero),
    Mutant("float64 rounded twice", _wrap_rows(_float32_first), checks.one_rounding),
    Mutant("random words in memory order", _wrap_rows(_word_of_memory), checks.words),
    Mutant("another default rule", _wrap_choice(scale_rule="floor"), checks.never_clips),
    Mutant("floor is even", _wrap_choice(scale_rule="even"), partial(checks.rule, "floor")),
    Mutant("even is floor", _wrap_choice(scale_rule="floor"), partial(checks.rule, "even")),
    Mutant("ceil is rceil", _wrap_choice(scale_rule="rceil"), partial(checks.rule, "ceil")),
    Mutant(
        "cap is not strict", _wrap_choice(scale_rule=("cap", 8.0)), partial(checks.rule, "floor")
    ),
]
"""The eight of the issue first."""
