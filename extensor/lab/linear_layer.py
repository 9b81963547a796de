"""One linear layer under each recipe: how wrong are its output and gradients, and in what way?

For y = x Wᵀ on normal numbers: relative squared errors of y, dx and dW in one step; then the same
batch again with a new key each step, and the error of the mean of all gradients so far. What is
left of it after many steps is bias: rounding to nearest keeps all of its error, stochastic rounding
that part alone that belongs to operands rounded to nearest.
"""

from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from extensor.lab.options import Options, sizes
from extensor.lab.picture import bar, canvas, line, tidy
from extensor.lab.samples import Doubles, normal
from extensor.lab.table import Table
from extensor.noise import key
from extensor.ops.gemm import linear_gemms
from extensor.recipe import NAMED, Recipe, get

STEPS = 16
SHAPES, FULL = "256x256x256", "1024x768x2048,1024x2048x8192,512x4096x14336"
"""T x K x N: quick, and the layers of real models."""
COLUMNS = {"recipe": "", "shape": "", "y": ".2e", "dx": ".2e", "dw": ".2e", "cosine_dw": ".4f",
           "mean_dw": ".2e", "bias_dw": "+.1e", "ms": ".1f"}  # fmt: skip


def chosen(options: Options) -> list[Recipe]:
    """The recipes asked for; else the named ones that quantize forward and backward.

    >>> len(chosen(Options(recipes="nvfp4,mxfp8")))
    2
    """
    if options.recipes:
        return [get(name.strip()) for name in options.recipes.split(",") if name.strip()]
    return [r for r in NAMED.values() if len(r.quantizes) == 3 and not r.name.endswith("-grad")]


def relative(found: Any, exact: Doubles) -> float:
    """``|found - exact|² / |exact|²``.

    >>> relative(np.array([1.0, 0.0]), np.array([1.0, 1.0]))
    0.5
    """
    return float(np.square(found - exact).sum() / np.square(exact).sum())


def one(recipe: Recipe, shape: tuple[int, int, int], steps: int, seed: int) -> dict[str, Any]:
    """A row. ``mean_dw``: error of the mean of dW over all steps; ``bias_dw``: its part along dW
    (negative: too short); ``ms``: the median time of the three products with all their rounding.

    >>> from extensor.recipe import get
    >>> one(get("bf16"), (32, 32, 32), 2, 0)["dw"] < 1e-4
    True
    """
    t, k, n = shape
    x, w, g = normal(seed, t, k), normal(seed + 1, n, k), normal(seed + 2, t, n)
    wide = g.astype(np.float64)
    exact = (x.astype(np.float64) @ w.T, wide @ w, wide.T @ x)
    total, curve, seconds, first = np.zeros_like(exact[2]), [], [], [0.0] * 4
    for step in range(steps):
        start = perf_counter()
        products = linear_gemms(recipe, x, w, g, key=key(seed).fold(step))
        seconds.append(perf_counter() - start)
        y, dx, dw = (p.numpy() if hasattr(p, "numpy") else p for p in products)
        if step == 0:
            first = [relative(a, b) for a, b in zip((y, dx, dw), exact, strict=True)]
            lengths = np.linalg.norm(dw) * np.linalg.norm(exact[2])
            first.append(float((dw * exact[2]).sum() / lengths))
        total += dw
        curve.append(relative(total / (step + 1), exact[2]))
    bias = float((total / steps * exact[2]).sum() / np.square(exact[2]).sum() - 1)
    return {
        "recipe": recipe.name,
        "shape": f"{t}x{k}x{n}",
        "y": first[0],
        "dx": first[1],
        "dw": first[2],
        "cosine_dw": first[3],
        "mean_dw": curve[-1],
        "bias_dw": bias,
        "ms": 1e3 * median(seconds),
        "curve": curve,
    }


def measure(options: Options) -> Table:
    """Every recipe on every shape; ``full`` takes layers of real models, and 64 steps."""
    shapes = sizes(options.shapes or (FULL if options.full else SHAPES))
    steps = 4 * STEPS if options.full else STEPS
    rows = [one(r, shape, steps, options.seed) for shape in shapes for r in chosen(options)]
    return Table(
        "linear-layer",
        "a linear layer under each recipe: relative squared errors of its products",
        COLUMNS,
        rows,
        notes=(
            f"shape: T x K x N. mean dw: error of the mean of dW over {steps} steps on one batch;",
            "bias dw: the part of it along dW. ms: the three products and all rounding, median.",
        ),
        more={"steps": steps},
    )


def _shown(rows: Sequence[Any]) -> list[Any]:
    """At most eight curves, from the largest error that remains to the smallest."""
    ordered = sorted(rows, key=lambda row: -float(row["mean_dw"]))
    keep = np.unique(np.linspace(0, len(ordered) - 1, min(8, len(ordered))).round().astype(int))
    return [ordered[i] for i in keep]


def draw(table: Table) -> Any:
    """Left the errors of one step, right what averaging over steps leaves of that of dW."""
    shape = table.rows[0]["shape"]
    rows = sorted((r for r in table.rows if r["shape"] == shape), key=lambda r: float(r["y"]))
    figure = canvas(12, 5.8)
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    at = np.arange(len(rows))
    for number, (name, label) in enumerate((("y", "output y"), ("dx", "dx"), ("dw", "dW"))):
        place = at + (number - 1) * 0.27
        left.barh(place, [row[name] for row in rows], 0.25, label=label, **bar(number))
    left.set_yticks(at, [row["recipe"] for row in rows], fontsize=9)
    left.set_xscale("log")
    left.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    tidy(left, xlabel="relative squared error of one step", title=f"errors, {shape}")
    steps = np.arange(1, table.more["steps"] + 1)
    for number, row in enumerate(_shown(rows)):
        style = line(number, markevery=max(1, len(steps) // 8))
        right.plot(steps, row["curve"], label=row["recipe"], **style)
    right.plot(steps, rows[-1]["dw"] / steps, ":", color="0.5", label="1 / steps")
    right.set_xscale("log")
    right.set_yscale("log")
    tidy(right, xlabel="steps averaged", ylabel="relative squared error of the mean of dW",
         title="what averaging leaves is bias")  # fmt: skip
    right.legend(
        frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.12)
    )
    figure.suptitle(table.title)
    return figure
