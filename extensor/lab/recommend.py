"""Which recipe for a model of N parameters and D tokens, and why.

The scaling law says what a scheme costs (``eff_N`` of its forward pass, ``eff_D`` of its backward
pass), the speed of its number formats what it saves. Compared is the loss at equal training time:
``L(N eff_N, D eff_D speed)``, the speed of a step counted against bfloat16 where FP8 is twice and
FP4 four times as fast (an NVIDIA Blackwell GPU's ratio of peaks; without FP4 units nothing is saved
but memory). Efficiencies are fits to public runs of 30 to 800 million parameters on 25 to 1,600
tokens a parameter; outside of that the answer is an extrapolation, and says so.

>>> rows = judged(LAW, 30e6, 3e9)
>>> rows[0]["loss_gap"], rows[0]["recipe"]
(0.0, 'bf16')
"""

from typing import Any, NamedTuple

import numpy as np

from extensor.errors import FormatError
from extensor.lab.law import LAW, Law, both, fit_law, training_speed
from extensor.lab.options import Options
from extensor.lab.picture import canvas, line, tidy
from extensor.lab.table import Table


class Scheme(NamedTuple):
    """A recipe: its efficiencies and their source, speeds of its passes over bfloat16."""

    eff_n: float
    eff_d: float
    forward: float
    backward: float
    bits: float
    source: str


QUARTET, SECOND = "runs of arXiv 2505.14669", "runs of arXiv 2601.22813"
SCHEMES = {
    "bf16": Scheme(1.0, 1.0, 1, 1, 16, "by definition"),
    "mxfp8": Scheme(1.0, 1.0, 2, 2, 8.25, "arXiv 2506.08027: equal to bf16"),
    "tseng": Scheme(1.0, 0.902, 1, 4, 16, SECOND),
    "tseng, forward mxfp8": Scheme(1.0, 0.902, 2, 4, 8.25, SECOND),
    "mxfp4-rht-sr": Scheme(0.606, 0.902, 4, 4, 4.25, "forward " + QUARTET),
    "mxfp4-sr": Scheme(0.606, 0.8935, 4, 4, 4.25, QUARTET),
    "quartet": Scheme(0.6452, 0.8935, 4, 4, 4.25, QUARTET),
    "nvfp4": Scheme(0.697, 0.894, 4, 4, 4.5, SECOND),
    "nvfp4-4over6": Scheme(0.714, 0.894, 4, 4, 4.5, SECOND),
    "quartet2": Scheme(0.765, 0.942, 4, 4, 4.5, SECOND),
}
"""Refits of the public losses: nvfp4 forward with tiles of 16 x 16, backward as if all of its four
operands were stochastic; ``tseng, forward mxfp8`` is a recipe file: tseng with mxfp8's fprop."""
RANGE_N, RANGE_RATIO = (3e7, 8.3e8), (20.0, 1600.0)
"""Of the runs."""
COLUMNS = {"recipe": "", "eff_N": ".3f", "eff_D": ".3f", "loss": ".3f", "loss_gap": "+.3f",
           "speed": ".2f", "loss_same_time": ".3f", "gap_same_time": "+.3f", "bits_kept": ".4g",
           "source": ""}  # fmt: skip


def judged(law: Law, parameters: float, tokens: float) -> list[dict[str, Any]]:
    """A row for every scheme: its loss after the same tokens, and after the same time."""
    rows = []
    base = float(law.loss(parameters, tokens))
    for name, scheme in SCHEMES.items():
        own = both(law, scheme.eff_n, scheme.eff_d)
        speed = training_speed(scheme.forward, scheme.backward)
        loss = float(own.loss(parameters, tokens))
        same_time = float(own.loss(parameters, tokens * speed))
        rows.append({
            "recipe": name,
            "eff_N": scheme.eff_n,
            "eff_D": scheme.eff_d,
            "loss": loss,
            "loss_gap": loss - base,
            "speed": speed,
            "loss_same_time": same_time,
            "gap_same_time": same_time - base,
            "bits_kept": scheme.bits,
            "source": scheme.source,
        })  # fmt: skip
    return rows


def reasons(rows: list[dict[str, Any]], parameters: float, tokens: float) -> list[str]:
    """The recommendation in sentences, from the rows alone.

    >>> print(reasons(judged(LAW, 30e6, 3e9), 30e6, 3e9)[0])
    With FP4 units: tseng, forward mxfp8, the least loss for the same time,
    """
    fast = min(rows, key=lambda row: float(row["loss_same_time"]))
    packed = [row for row in rows if row["bits_kept"] < 8]
    small = min(packed, key=lambda row: float(row["loss"]))
    gentle = next(row for row in rows if row["recipe"] == "tseng")
    lines = [
        f"With FP4 units: {fast['recipe']}, the least loss for the same time,",
        f"{fast['gap_same_time']:+.3f} nats against bf16; a step is {fast['speed']:.2f} x as fast.",
        "Without them (H100, H200, a CPU) FP4 saves memory, not time; the best of those that keep",
        f"operands in FP4: {small['recipe']}, {small['loss_gap']:+.3f} nats after the same tokens.",
        f"FP4 gradients alone cost {gentle['loss_gap']:+.3f} nats (tseng): forward is what costs.",
    ]
    low, high = RANGE_N
    ratio = tokens / parameters
    if not low <= parameters <= high or not RANGE_RATIO[0] <= ratio <= RANGE_RATIO[1]:
        lines += [
            f"An extrapolation: {parameters:.3g} parameters, {ratio:.3g} tokens a parameter;",
            "the runs had 3e7 to 8.3e8 parameters and 20 to 1,600 tokens for each.",
        ]
    return lines


def measure(options: Options) -> Table:
    """The table for ``parameters`` and ``tokens``, and the reasons below it."""
    n, d = options.parameters, options.tokens
    if not (1e3 <= n <= 1e13 and 1e3 <= d <= 1e16):
        raise FormatError(
            f"lab recommend: --parameters {n:g} --tokens {d:g}; allowed: 1e3 to 1e13 parameters, "
            "1e3 to 1e16 tokens"
        )
    law, _ = fit_law()
    rows = judged(law, n, d)
    return Table(
        "recommend",
        f"{n:.3g} parameters, {d:.3g} tokens: what each recipe costs and saves",
        COLUMNS,
        rows,
        notes=reasons(rows, n, d),
        more={"parameters": n, "tokens": d},
    )


def draw(table: Table) -> Any:
    """Gap to bfloat16 by tokens a parameter: after the same tokens, and after the same time."""
    n = table.more["parameters"]
    ratios = np.geomspace(10, 2000, 60)
    figure = canvas(12, 5.2)
    left, right = figure.subplots(1, 2)
    for number, name in enumerate(name for name in SCHEMES if name != "bf16"):
        rows = [next(r for r in judged(LAW, n, n * ratio) if r["recipe"] == name)
                for ratio in ratios]  # fmt: skip
        style = line(number, markevery=8)
        left.plot(ratios, [row["loss_gap"] for row in rows], label=name, **style)
        right.plot(ratios, [row["gap_same_time"] for row in rows], **style)
    for axes in (left, right):
        axes.axhline(0, color="0.2", lw=1)
        axes.axvline(table.more["tokens"] / n, color="0.5", lw=1, ls=":")
        axes.set_xscale("log")
        tidy(axes, xlabel="tokens a parameter, D / N")
    left.set(ylabel="loss above bf16, nats", title="after the same tokens")
    right.set(title="after the same time, with FP4 units")
    figure.legend(frameon=False, fontsize=9, ncols=5, loc="outside lower center")
    figure.suptitle(f"{n / 1e6:,.4g} million parameters (dotted: the tokens asked for)")
    return figure
