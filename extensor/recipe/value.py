"""``Recipe``: the value. Six operands of three GEMMs, which layers, which steps, which signs."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from extensor.errors import FormatError
from extensor.quantizer import Quantizer
from extensor.recipe.check import GEMMS, check_facts
from extensor.recipe.operand import Operand

Pair = tuple[Operand, Operand]


@dataclass(frozen=True)
class Recipe:
    """Three GEMMs, two operands each.

    fprop, dgrad, wgrad
        What stands on (x, w), (g, w) and (g, x): a `Quantizer`, a `PerTensor`, an element format
        (a bare cast) or None.
    keep
        Patterns of layer names that stay as they are, e.g. ``("conv1", "head*")``.
    keep_first, keep_last
        As many layers at either end that stay as they are too. Numbered blocks count as one:
        2 and 8 of arXiv 2509.25149 are blocks of a transformer.
    fresh_signs
        Whether rotations draw new signs for each GEMM of each call (arXiv 2502.20586), or the
        names of the GEMMs that do; else they are fixed (arXiv 2509.25149).
    sign_side
        ``"before"``: x diag(s) H. ``"after"``: x H diag(s), where the signs cancel in the product
        bit for bit, so that errors never average out; published by accident, here to be measured.
    requantize
        Whether the w of dgrad and the x of wgrad are quantized from the already quantized operands
        of fprop ("double quantization": only those need to be kept) and not from the raw ones.
    phases
        Pairs (start, recipe), ascending: what holds from a step on. A whole number is a step, a
        fraction below 1 a share of all steps. Layers kept by this recipe stay kept.
    layer
        The layer that it stands on, set by the model; no fact of the recipe.

    >>> from extensor.recipe import get
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
    fresh_signs: bool | tuple[str, ...] = True
    sign_side: str = "before"
    keep_first: int = 0
    keep_last: int = 0
    requantize: bool = False
    phases: tuple[tuple[float, "Recipe"], ...] = ()
    layer: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keep", tuple(self.keep))
        if isinstance(self.fresh_signs, list):
            object.__setattr__(self, "fresh_signs", tuple(self.fresh_signs))
        object.__setattr__(self, "phases", tuple((at, recipe) for at, recipe in self.phases))
        check_facts(self)
        for gemm, names in GEMMS.items():
            pair = getattr(self, gemm)
            if isinstance(pair, list):
                object.__setattr__(self, gemm, pair := tuple(pair))
            if len(pair) != 2 or not all(isinstance(q, Operand) for q in pair):
                raise FormatError(
                    f"recipe {self.name}: {gemm}={pair!r}; allowed: a pair ({', '.join(names)}) of "
                    "Quantizer, PerTensor, element format or None"
                )
            self._check_pair(gemm, pair)

    def _check_pair(self, gemm: str, pair: Pair) -> None:
        rotated = [q for q in pair if isinstance(q, Quantizer) and q.hadamard]
        turns = {(q.hadamard, None if self.fresh(gemm) else q.signs) for q in rotated}
        if rotated and (len(rotated) != 2 or len(turns) != 1):
            raise FormatError(
                f"recipe {self.name}: {gemm} rotates one operand only, or both by other sizes or "
                "signs; a rotation cancels in the product only when both operands have the same"
            )
        if self.sign_side == "after" and any(q.rounding in ("up", "down") for q in rotated):
            raise FormatError(
                f"recipe {self.name}: {gemm} rounds up or down, which treats signs unequally; "
                "allowed with sign_side='after': roundings of the magnitude"
            )

    def __iter__(self) -> Iterator[tuple[str, str, Operand]]:
        """The six operands: (GEMM, operand, what stands there)."""
        for gemm, names in GEMMS.items():
            for name, q in zip(names, getattr(self, gemm), strict=True):
                yield gemm, name, q

    def fresh(self, gemm: str) -> bool:
        """Whether the rotations of this GEMM draw new signs in each call."""
        fresh = self.fresh_signs
        return fresh if isinstance(fresh, bool) else gemm in fresh

    def keeps(self, layer: str, layers: Sequence[str] = ()) -> bool:
        """Whether the layer of this name stays in high precision.

        layers
            The names of all layers, in order, for ``keep_first`` and ``keep_last``.

        >>> recipe = Recipe(keep=["head"], keep_first=1, keep_last=1)
        >>> names = ["blocks.0.up", "blocks.0.down", "blocks.1.up", "blocks.2.up", "head"]
        >>> [name for name in names if not recipe.keeps(name, names)]
        ['blocks.1.up', 'blocks.2.up']
        """
        if any(fnmatch(layer, pattern) for pattern in self.keep):
            return True
        parts = list(dict.fromkeys(_part(name) for name in layers))
        ends = parts[: self.keep_first] + parts[max(0, len(parts) - self.keep_last) :]
        return _part(layer) in ends if self.keep_last else _part(layer) in parts[: self.keep_first]

    def at(self, step: int, total: int) -> "Recipe":
        """What holds at a step (from 0) of so many: this recipe, or that of a phase.

        >>> late = Recipe("r", phases=((0.75, Recipe("late")), (90, Recipe("last"))))
        >>> [late.at(step, 100).name for step in (0, 74, 75, 89, 90)]
        ['r', 'r', 'late', 'late', 'last']
        """
        now = self
        for at, recipe in self.phases:
            if step >= (at if isinstance(at, int) else at * total):
                now = recipe
        if now is self:
            return replace(self, phases=()) if self.phases else self
        return replace(
            now,
            keep=tuple(dict.fromkeys((*self.keep, *now.keep))),
            keep_first=max(self.keep_first, now.keep_first),
            keep_last=max(self.keep_last, now.keep_last),
        )

    def of_layer(self, layer: str, layers: Sequence[str] = ()) -> "Recipe | None":
        """The recipe of one layer; None where that layer is kept in high precision.

        >>> Recipe(keep=["conv1"]).of_layer("conv1") is None, Recipe().of_layer("fc1").layer
        (True, 'fc1')
        """
        if self.keeps(layer, layers):
            return None
        return replace(self, keep=(), keep_first=0, keep_last=0, phases=(), layer=layer)

    @property
    def quantizes(self) -> tuple[str, ...]:
        """The GEMMs with a quantized operand."""
        return tuple(g for g in GEMMS if any(q is not None for q in getattr(self, g)))

    @property
    def needs_key(self) -> bool:
        """Whether any operand draws random words, or signs."""
        return any(
            isinstance(q, Quantizer) and (q.needs_key or (q.hadamard and self.fresh(gemm)))
            for gemm, _, q in self
        )

    @property
    def looks_back(self) -> bool:
        """Whether the backward products depend on how fprop quantized: ``requantize``, or an
        operand of fprop whose gradient is masked where it was clipped."""
        clips = any(isinstance(q, Quantizer) and q.ste != "pass" for q in self.fprop)
        return (self.requantize or clips) and bool(self.quantizes)

    @property
    def hash(self) -> str:
        """Twelve letters that tell two recipes apart, whatever they are called."""
        facts = json.loads(self.to_json(), object_hook=_unlabelled)
        for own in (facts, *facts.get("phases", ())):
            own.pop("name")
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        from extensor.recipe.describe import describe

        return describe(self)

    def to_json(self) -> str:
        """The recipe as JSON; `from_json` gives an equal one back."""
        from extensor.recipe.text import facts_of

        return json.dumps(facts_of(self), indent=1)

    @staticmethod
    def from_json(text: str) -> "Recipe":
        """The recipe of a JSON text; `FormatError` where it is not one."""
        from extensor.recipe.text import from_facts

        try:
            facts = json.loads(text)
        except ValueError as error:
            raise FormatError(f"recipe: not the JSON of a recipe ({error})") from None
        return from_facts(facts, "JSON")

    def to_toml(self) -> str:
        """The recipe as TOML; `from_toml` gives an equal one back.

        >>> print(Recipe("mine", keep=["conv1"]).to_toml())
        name = "mine"
        keep = ["conv1"]
        fprop = [false, false]
        <BLANKLINE>
        """
        from extensor.recipe.toml import write

        return write(self)

    @staticmethod
    def from_toml(text: str) -> "Recipe":
        """The recipe of a TOML text; `FormatError` where it is not one.

        >>> recipe = Recipe.from_toml('''
        ... name = "mine"
        ... base = "mxfp4-sr"
        ... [fprop]
        ... w = { fmt = "mxfp4", scale_rule = ["cap", 7.25] }
        ... ''')
        >>> print(recipe)
        mine
          fprop  x: mxfp4 even nearest                     w: mxfp4 cap 7.25 nearest
          dgrad  g: mxfp4 rceil stochastic                 w: mxfp4 rceil stochastic
          wgrad  g: mxfp4 rceil stochastic                 x: mxfp4 rceil stochastic
        """
        from extensor.recipe.toml import read

        return read(text)

    def save(self, path: str | Path) -> None:
        """Write a file, TOML or JSON by its ending, that `extensor.recipes.get` reads."""
        from extensor.recipe.file import save

        save(self, Path(path))


def _part(layer: str) -> str:
    """What ``keep_first`` counts: up to the number of a block, or the whole name."""
    words = layer.split(".")
    for i, word in enumerate(words[:-1]):
        if word.isdigit():
            return ".".join(words[: i + 1])
    return layer


def _unlabelled(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts of a format without what it is called, which is no fact."""
    if "element" in facts:
        facts.pop("label")
    elif "exponent" in facts or "fraction" in facts:
        facts.pop("name")
    return facts
