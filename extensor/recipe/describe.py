"""A recipe in words: what ``print(recipe)`` shows is the whole experiment."""

from extensor.quantizer import Quantizer
from extensor.recipe.check import GEMMS
from extensor.recipe.operand import show
from extensor.recipe.value import Recipe


def describe(recipe: Recipe) -> str:
    """Name and kept layers, a line a GEMM, then signs, double quantization and phases, if any.

    >>> print(describe(Recipe("mine", keep_last=1, phases=((0.5, Recipe("fp32")),))))
    mine  (keeps the last 1)
      fprop  x: -                                      w: -
      dgrad  g: -                                      w: -
      wgrad  g: -                                      x: -
      from 50 % of the steps on
        fp32
          fprop  x: -                                      w: -
          dgrad  g: -                                      w: -
          wgrad  g: -                                      x: -
    """
    kept = [", ".join(recipe.keep)] if recipe.keep else []
    kept += [f"the first {recipe.keep_first}"] if recipe.keep_first else []
    kept += [f"the last {recipe.keep_last}"] if recipe.keep_last else []
    lines = [recipe.name + (f"  (keeps {', '.join(kept)})" if kept else "")]
    width = max(38, *(len(show(getattr(recipe, gemm)[0])) for gemm in GEMMS))
    for gemm, names in GEMMS.items():
        a, b = tuple(names)
        first, second = (show(q) for q in getattr(recipe, gemm))
        lines.append(f"  {gemm}  {a}: {first:<{width}} {b}: {second}".rstrip())
    lines += _signs(recipe)
    if recipe.requantize:
        lines.append("  w of dgrad and x of wgrad are quantized again, from those of fprop")
    for at, phase in recipe.phases:
        when = f"step {at}" if isinstance(at, int) else f"{100 * at:g} % of the steps"
        lines += [f"  from {when} on"]
        lines += [f"    {line}" for line in str(phase).split("\n")]
    return "\n".join(lines)


def _signs(recipe: Recipe) -> list[str]:
    """The line about the signs, where anything is rotated."""
    turned = dict.fromkeys(g for g, _, q in recipe if isinstance(q, Quantizer) and q.hadamard)
    if not turned:
        return []
    fresh = [g for g in turned if recipe.fresh(g)]
    fixed = [g for g in turned if not recipe.fresh(g)]
    words = [f"fresh in each call of {', '.join(fresh)}"] if fresh else []
    words += [f"fixed in {', '.join(fixed)}"] if fixed else []
    words += ["after H"] if recipe.sign_side == "after" else []
    return [f"  signs  {'; '.join(words)}"]
