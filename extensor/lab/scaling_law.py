"""The scaling law fitted to the public losses, and where each kind of FP4 training wins.

Three findings, each beside its published figure: the constants of the law, the efficiencies of the
schemes, and the tokens a parameter from which FP4 in both passes beats FP4 in the backward pass
alone. The fit is NumPy; see `extensor.lab.fit`.
"""

from typing import Any

import numpy as np

from extensor.lab.law import Law, both, efficiency, fit_law, threshold
from extensor.lab.losses import LOSSES, PARAMETERS, runs
from extensor.lab.options import Options
from extensor.lab.picture import COLOURS, DASHES, MARKERS, canvas, tidy
from extensor.lab.table import Table

COLUMNS = {"quantity": "", "fitted": ".6g", "published": ".6g", "tolerance": "", "within": "",
           "runs": "d"}  # fmt: skip
CONSTANTS = {
    "A": (127444.7, 0.01, True), "alpha": (0.57852, 1e-4, False),
    "B": (465834.2, 0.01, True), "beta": (0.53888, 1e-4, False),
    "gamma": (0.27642, 1e-4, False), "E": (1.34085, 1e-4, False),
}  # fmt: skip
"""Published, tolerance, and whether it is a part of the figure."""
COST = 2.1292e-6
EFFICIENCIES: dict[str, float | None] = {
    "forward quest": 0.6452, "forward nearest": 0.606, "forward stochastic": 0.433,
    "backward stochastic": 0.8935, "backward nearest": 0.928, "backward eden": None,
    "backward quest": 0.31,
}  # fmt: skip
THRESHOLDS = {30482560: 86.0, 102777856: 94.0, 10**9: 111.0, 8 * 10**9: 130.0, 70 * 10**9: 152.0}
"""Tokens a parameter above which FP4:FP4 is best, by parameters."""
LOOSE = {"forward stochastic": 0.005, "backward quest": 0.005}
"""Published to two digits only."""


def _row(
    quantity: str, fitted: float, published: float | None, room: float, part: bool, count: int
) -> dict[str, Any]:
    away = None if published is None else abs(fitted - published) / (published if part else 1)
    return {
        "quantity": quantity,
        "fitted": fitted,
        "published": published,
        "tolerance": "" if away is None else f"{room:.0%}" if part else f"{room:g}",
        "within": None if away is None else bool(away <= room),
        "runs": count,
    }


def fitted(full: bool = False) -> tuple[Law, float, dict[str, float]]:
    """The law, the Huber loss of its fit, and the efficiency of every scheme."""
    law, cost = fit_law(full)
    return law, cost, {scheme: efficiency(law, scheme) for scheme in EFFICIENCIES}


def measure(options: Options) -> Table:
    """Fit, and compare; ``full`` starts from a wider grid of constants."""
    law, cost, found = fitted(options.full)
    values = (law.a, law.alpha, law.b, law.beta, law.gamma, law.floor)
    count = len(runs("bf16"))
    rows = [
        _row(name, value, *CONSTANTS[name], count)
        for name, value in zip(CONSTANTS, values, strict=True)
    ]
    rows.append(_row("Huber loss", cost, COST, 0.01, True, count))
    for scheme, published in EFFICIENCIES.items():
        which = "eff_N" if scheme.startswith("forward") else "eff_D"
        room = LOOSE.get(scheme, 0.002)
        name = f"{which} {scheme}"
        rows.append(_row(name, found[scheme], published, room, False, len(runs(scheme))))
    quartet = both(law, found["forward quest"], found["backward stochastic"])
    for size, published in THRESHOLDS.items():
        name = f"FP4 both ways above D/N, {size / 1e6:,.0f} M"
        rows.append(_row(name, threshold(quartet, size), published, 0.03, True, 0))
    constants = dict(zip(CONSTANTS, values, strict=True))
    return Table(
        "scaling-law",
        "loss by parameters N and tokens D under FP4, fitted to public runs",
        COLUMNS,
        rows,
        notes=(
            "L = (A / (N eff_N)^alpha + B / (D eff_D)^beta)^gamma + E; losses: arXiv 2505.14669,",
            "repository IST-DASLab/Quartet. The last rows: budgets in FP8 time, FP4 twice as fast.",
        ),
        more={"law": constants, "efficiencies": found},
    )


def draw(table: Table) -> Any:
    """Left the runs and the law through them, right who wins at which size and budget."""
    from matplotlib.colors import ListedColormap

    more = table.more
    law = Law(*(more["law"][name] for name in CONSTANTS))
    quartet = both(
        law, more["efficiencies"]["forward quest"], more["efficiencies"]["backward stochastic"]
    )
    figure = canvas(12, 5)
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    ratios = np.geomspace(20, 1000, 80)
    for number, (model, size) in enumerate(PARAMETERS.items()):
        for scheme, made, filled in (("bf16", law, True), ("quartet", quartet, False)):
            points = LOSSES[scheme].get(model, {})
            tokens = np.array([steps * 512 * 512 for steps in points])
            colour = COLOURS[number]
            style = {"facecolors": colour if filled else "white", "edgecolors": colour, "zorder": 3}
            marker = MARKERS[number]
            left.scatter(tokens / size, list(points.values()), marker=marker, s=32, **style)
            if points:
                dashes = DASHES[0] if filled else DASHES[1]
                left.plot(ratios, made.loss(size, ratios * size), dashes, color=colour, lw=1.1)
        left.plot([], [], color=COLOURS[number], marker=MARKERS[number], label=f"{model} M")
    left.plot([], [], "-o", color="0.3", label="bf16")
    left.plot([], [], "--o", color="0.3", mfc="white", label="FP4 both ways (Quartet)")
    left.set_xscale("log")
    tidy(left, xlabel="tokens a parameter, D / N", ylabel="validation loss, nats",
         title="runs (dots) and the law (lines)")  # fmt: skip
    left.legend(frameon=False, ncols=2, fontsize=8)
    sizes, budgets = np.geomspace(1e7, 1e11, 160), np.geomspace(10, 1000, 160)
    ends = np.array([threshold(quartet, size) for size in sizes])
    wins = budgets[:, None] > ends[None]
    shades = ListedColormap(["#e9e2d0", "#8ab6d6"])
    right.pcolormesh(sizes, budgets, wins, cmap=shades, shading="auto", rasterized=True)
    right.plot(sizes, ends, color=COLOURS[0], lw=1.8)
    right.plot(list(THRESHOLDS), list(THRESHOLDS.values()), "o", mfc="none", mec="0.1", ms=8,
               label="published")  # fmt: skip
    right.text(2e8, 400, "FP4 in both passes", fontsize=11)
    right.text(2e8, 25, "FP8 forward, FP4 backward", fontsize=11)
    right.set_xscale("log")
    right.set_yscale("log")
    tidy(right, xlabel="parameters N", ylabel="tokens a parameter, D / N",
         title="which is best for the same time")  # fmt: skip
    right.legend(frameon=False, loc="lower right")
    figure.suptitle(table.title)
    return figure
