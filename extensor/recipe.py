"""Recipes: which operand of the three GEMMs of a linear layer is quantized how.

======= ============ =================== ====================
GEMM    product      blocks run along    operands
======= ============ =================== ====================
fprop   y = x Wᵀ     K, inputs           x, w
dgrad   dx = g W     N, outputs          g, w
wgrad   dW = gᵀ x    T, batch            g, x
======= ============ =================== ====================

Six operands, six independent quantizers (None keeps the operand as it is). A recipe is a value:
``print(recipe)`` is the experiment, JSON holds it, the checkpoint saves it with its hash.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatch
from typing import Any

from extensor.errors import FormatError
from extensor.formats import (
    BF16,
    MXFP4,
    MXFP8_E4M3,
    NVFP4,
    NVFP4_2D,
    DType,
    Element,
)
from extensor.formats.json import from_json as format_from_json
from extensor.formats.json import to_json as format_to_json
from extensor.noise import Key
from extensor.quantizer import Quantizer

Operand = Quantizer | Element | None
"""How an operand is stored: quantized, cast to an element format (bf16), or as it is."""
Pair = tuple[Operand, Operand]
GEMMS = {"fprop": "xw", "dgrad": "gw", "wgrad": "gx"}
"""The GEMMs and their operands, in order."""


@dataclass(frozen=True)
class Recipe:
    """Three GEMMs, two operands each.

    fprop, dgrad, wgrad
        The quantizers of (x, w), (g, w) and (g, x).
    keep
        Patterns of layer names that stay as they are, e.g. ``("conv1", "head*")``.
    fresh_signs
        Whether rotations draw new signs for each GEMM of each call (arXiv 2502.20586); else they
        are fixed (arXiv 2509.25149).

    >>> print(get("mxfp4-sr-grad"))
    mxfp4-sr-grad
      fprop  x: -                                      w: -
      dgrad  g: mxfp4 rceil stochastic                 w: mxfp4 rceil stochastic
      wgrad  g: mxfp4 rceil stochastic                 x: mxfp4 rceil stochastic
    """

    name: str = "custom"
    fprop: Pair = (None, None)
    dgrad: Pair = (None, None)
    wgrad: Pair = (None, None)
    keep: tuple[str, ...] = field(default=())
    fresh_signs: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "keep", tuple(self.keep))
        for gemm, names in GEMMS.items():
            pair = getattr(self, gemm)
            if isinstance(pair, list):
                object.__setattr__(self, gemm, pair := tuple(pair))
            if len(pair) != 2 or not all(isinstance(q, Operand) for q in pair):
                raise FormatError(
                    f"recipe {self.name}: {gemm}={pair!r}; allowed: a pair ({', '.join(names)}) of "
                    "Quantizer, element format or None"
                )
            self._check_pair(gemm, pair)

    def _check_pair(self, gemm: str, pair: Pair) -> None:
        rotated = [q for q in pair if isinstance(q, Quantizer) and q.hadamard]
        turns = {(q.hadamard, None if self.fresh_signs else q.signs) for q in rotated}
        if rotated and (len(rotated) != 2 or len(turns) != 1):
            raise FormatError(
                f"recipe {self.name}: {gemm} rotates one operand only, or both by other sizes or "
                "signs; a rotation cancels in the product only when both operands have the same"
            )

    def keeps(self, layer: str) -> bool:
        """Whether the layer of this name stays in high precision."""
        return any(fnmatch(layer, pattern) for pattern in self.keep)

    @property
    def quantizes(self) -> tuple[str, ...]:
        """The GEMMs with a quantized operand."""
        return tuple(g for g in GEMMS if any(q is not None for q in getattr(self, g)))

    @property
    def needs_key(self) -> bool:
        """Whether any operand draws random words, or signs."""
        operands = [q for g in GEMMS for q in getattr(self, g) if isinstance(q, Quantizer)]
        return any(q.needs_key or (q.hadamard and self.fresh_signs) for q in operands)

    @property
    def hash(self) -> str:
        """Twelve letters that tell two recipes apart, whatever they are called."""
        facts = json.loads(self.to_json(), object_hook=_unlabelled)
        facts.pop("name")
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        lines = [self.name + (f"  (keeps {', '.join(self.keep)})" if self.keep else "")]
        for gemm, names in GEMMS.items():
            a, b = tuple(names)
            first, second = (_show(q) for q in getattr(self, gemm))
            lines.append(f"  {gemm}  {a}: {first:<38} {b}: {second}".rstrip())
        return "\n".join(lines)

    def to_json(self) -> str:
        """The recipe as JSON; `from_json` gives an equal one back."""
        facts: dict[str, Any] = {"name": self.name}
        for gemm in GEMMS:
            facts[gemm] = [_operand_to_json(q) for q in getattr(self, gemm)]
        facts["keep"], facts["fresh_signs"] = list(self.keep), self.fresh_signs
        return json.dumps(facts, indent=1)

    @staticmethod
    def from_json(text: str) -> "Recipe":
        """The recipe of a JSON text; `FormatError` where it is not one."""
        try:
            facts = json.loads(text)
            pairs: dict[str, Any] = {
                g: tuple(_operand_from_json(q) for q in facts[g]) for g in GEMMS
            }
            return Recipe(
                str(facts["name"]), **pairs, keep=tuple(facts["keep"]),
                fresh_signs=bool(facts["fresh_signs"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"recipe: not the JSON of a recipe ({error})") from None


def _unlabelled(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts of a format without what it is called, which is no fact."""
    if "element" in facts:
        facts.pop("label")
    elif "exponent" in facts or "fraction" in facts:
        facts.pop("name")
    return facts


def _show(q: Operand) -> str:
    if not isinstance(q, Quantizer):
        return "-" if q is None else str(q)
    rule = q.scale_rule
    if isinstance(rule, tuple):
        rule = f"cap {rule[1]:g}"
    words = [str(q.fmt), rule or ("rceil" if q.fmt.scale.is_power_of_two else "amax")]
    words.append({"nearest_even": "nearest"}.get(q.rounding, q.rounding))
    words += [f"scales {q.scale_rounding}"] * (q.scale_rounding != "nearest")
    words += [f"H{q.hadamard}"] * bool(q.hadamard)
    words += [f"x{q.prescale:g}"] * (q.prescale != 1.0)
    for name in ("sr_bits", "saturate", "nonfinite", "tensor_scale", "ste"):
        if getattr(q, name) != Quantizer.__dataclass_fields__[name].default:
            words.append(f"{name}={getattr(q, name)}")
    return " ".join(words)


def _operand_to_json(q: Operand) -> Any:
    if q is None or isinstance(q, Element):
        return None if q is None else format_to_json(q)
    facts = {
        name: getattr(q, name)
        for name, known in Quantizer.__dataclass_fields__.items()
        if name not in ("fmt", "signs") and getattr(q, name) != known.default
    }
    if q.signs is not None:
        facts["signs"] = (
            [q.signs.seed, q.signs.stream] if isinstance(q.signs, Key) else list(q.signs)
        )
    return {"fmt": format_to_json(q.fmt), **facts}


def _operand_from_json(facts: Any) -> Operand:
    if facts is None:
        return None
    if isinstance(facts, str) or "fmt" not in facts:
        fmt: DType = format_from_json(facts)
        if not isinstance(fmt, Element):
            raise FormatError(f"recipe: {facts} is not an element format")
        return fmt
    facts = dict(facts)
    fmt = format_from_json(facts.pop("fmt"))
    if isinstance(facts.get("scale_rule"), list):
        facts["scale_rule"] = tuple(facts["scale_rule"])
    signs = facts.get("signs")
    if signs is not None:
        facts["signs"] = Key(*signs) if len(signs) == 2 else tuple(signs)
    return Quantizer(fmt, **facts)  # type: ignore[arg-type]


# the table of the design's numerics page, section 7 ---------------------------------------------
_floor = Quantizer(MXFP4, scale_rule="floor")
_even = Quantizer(MXFP4, scale_rule="even")
_stochastic = Quantizer(MXFP4, scale_rule="rceil", rounding="stochastic")
_tseng = Quantizer(MXFP4, scale_rule="floor", rounding="stochastic", prescale=0.75, hadamard=64)
_mx8 = Quantizer(MXFP8_E4M3)
_nv, _nv_tile = Quantizer(NVFP4), Quantizer(NVFP4_2D)
_nv_gradient = Quantizer(NVFP4, rounding="stochastic", scale_rounding="up")
# One fixed vector for all layers and steps; H16 on both wgrad operands (arXiv 2509.25149, 4.3).
_NV_SIGNS = (1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1)
_nv_wgrad = replace(_nv_gradient, hadamard=16, signs=_NV_SIGNS)
_nv_saved = replace(_nv, hadamard=16, signs=_NV_SIGNS)

NAMED: dict[str, Recipe] = {
    r.name: r
    for r in (
        Recipe("fp32"),
        Recipe("bf16", (BF16, BF16), (BF16, BF16), (BF16, BF16)),
        Recipe("mxfp8", (_mx8, _mx8), (_mx8, _mx8), (_mx8, _mx8)),
        Recipe("mxfp4-naive", (_floor, _floor), (_floor, _floor), (_floor, _floor)),
        Recipe("mxfp4-sr", (_even, _even), (_stochastic,) * 2, (_stochastic,) * 2),
        Recipe("mxfp4-rht-sr", (_even, _even), (_tseng, _tseng), (_tseng, _tseng)),
        Recipe("nvfp4", (_nv, _nv_tile), (_nv_gradient, _nv_tile), (_nv_wgrad, _nv_saved),
               fresh_signs=False),
    )
}  # fmt: skip
NAMED |= {
    f"{r.name}-grad": replace(r, name=f"{r.name}-grad", fprop=(None, None))
    for r in list(NAMED.values())
    if r.name != "fp32"
}


def get(name: str) -> Recipe:
    """The recipe of this name; ``-grad`` recipes quantize the two backward GEMMs only.

    >>> get("fp32").quantizes, get("nvfp4-grad").quantizes
    ((), ('dgrad', 'wgrad'))
    """
    if name in NAMED:
        return NAMED[name]
    near = get_close_matches(name, NAMED, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(NAMED)}"
    raise FormatError(f"recipe: unknown name {name!r}; {hint}")
