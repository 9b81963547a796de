"""The scaling law of FP4 training: loss by parameters N and tokens D, and what a scheme costs.

``L(N, D) = (A / (N eff_N)^α + B / (D eff_D)^β)^γ + E`` (arXiv 2505.14669, section 4.1): A, α, B,
β, γ and E belong to bfloat16; a scheme that quantizes the forward pass acts like a model of
``eff_N`` times the parameters, one that quantizes the backward pass like ``eff_D`` times the
tokens.

>>> round(LAW.loss(30482560, 2861 * 512 * 512), 2)
3.4
"""

from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from extensor.lab.fit import huber, least, smallest
from extensor.lab.losses import runs
from extensor.lab.samples import Doubles

DELTA = 1e-4
"""Where the Huber loss of log residuals turns linear, as in the paper."""


@dataclass(frozen=True)
class Law:
    """The constants: A, α, B, β, γ, E; and the two efficiencies of a scheme (1: bfloat16)."""

    a: float
    alpha: float
    b: float
    beta: float
    gamma: float
    floor: float
    eff_n: float = 1.0
    eff_d: float = 1.0

    def loss(self, n: Any, d: Any) -> Any:
        """Nats a token after training n parameters on d tokens."""
        size = self.a / (n * self.eff_n) ** self.alpha
        data = self.b / (d * self.eff_d) ** self.beta
        return (size + data) ** self.gamma + self.floor


LAW = Law(127444.7, 0.57852, 465834.2, 0.53888, 0.27642, 1.34085)
"""What an independent fit of the same runs found; the experiment fits anew and compares."""


def _arrays(scheme: str) -> tuple[Doubles, Doubles, Doubles]:
    n, d, loss = np.array(runs(scheme)).T
    return n, d, np.log(loss)


def _law(p: Any) -> Law:
    """From (log A, α, log B, β, log γ, log E)."""
    return Law(
        float(np.exp(min(p[0], 500))), float(p[1]), float(np.exp(min(p[2], 500))), float(p[3]),
        float(np.exp(min(p[4], 50))), float(np.exp(min(p[5], 50))),
    )  # fmt: skip


@cache
def fit_law(full: bool = False) -> tuple[Law, float]:
    """The six constants of the bfloat16 runs, from many starts; and the Huber loss left.

    full
        A wider grid of starts.
    """
    n, d, wanted = _arrays("bf16")

    def residuals(p: Doubles) -> Doubles:
        with np.errstate(all="ignore"):
            found = np.log(_law(p).loss(n, d)) - wanted
        return np.where(np.isfinite(found), found, 1e3)

    exponents, gammas = ((0.3, 0.5, 0.7), (0.2, 0.5, 1.0)) if full else ((0.4, 0.6), (0.25, 0.6))
    best: tuple[Doubles, float] | None = None
    for alpha, beta, gamma, floor in product(exponents, exponents, gammas, (1.0, 1.8)):
        # sizes that make both terms about one half of 1^(1/γ) at the middle of the data
        start = np.array([
            alpha * 18 + np.log(0.5) + np.log(1.7) / gamma, alpha,
            beta * 22.5 + np.log(0.5) + np.log(1.7) / gamma, beta, np.log(gamma), np.log(floor),
        ])  # fmt: skip
        found = least(residuals, start, DELTA)
        if best is None or found[1] < best[1]:
            best = found
    assert best is not None
    return _law(best[0]), best[1]


def efficiency(law: Law, scheme: str) -> float:
    """``eff_N`` of a scheme that quantizes forward, ``eff_D`` of one that quantizes backward."""
    n, d, wanted = _arrays(scheme)
    which = "eff_n" if scheme.startswith("forward") else "eff_d"

    def cost(value: float) -> float:
        scaled = replace(law, **{which: value})
        return huber(np.log(scaled.loss(n, d)) - wanted, DELTA)

    return smallest(cost, 0.05, 1.3)


def both(law: Law, forward: float, backward: float) -> Law:
    """The law of a scheme of these two efficiencies.

    >>> both(LAW, 0.6, 0.9).eff_n
    0.6
    """
    return replace(law, eff_n=forward, eff_d=backward)


def training_speed(forward: float, backward: float) -> float:
    """How much faster a step is, whose forward GEMM and whose two backward GEMMs are.

    >>> round(training_speed(2, 1), 3), training_speed(2, 2)
    (1.2, 2.0)
    """
    return 1 / (1 / 3 / forward + 2 / 3 / backward)


def threshold(law: Law, parameters: float) -> float:
    """Tokens a parameter above which FP4 both ways beats FP4 backward only, at equal time.

    Budgets in units of FP8 (efficiency 1, speed 1): FP4 is twice as fast in the pass that uses it.
    A faster forward pass allows more parameters at the same cost of inference, a faster step more
    tokens at the same cost of training: compared are ``L(N s_f, D s_train / s_f)``.
    """
    own = law.eff_n, law.eff_d

    def gain(log_ratio: float) -> float:
        d = parameters * np.exp(log_ratio)
        speeds = training_speed(2, 2), training_speed(1, 2)
        forward = both(law, *own).loss(parameters * 2, d * speeds[0] / 2)
        backward = both(law, 1.0, own[1]).loss(parameters, d * speeds[1])
        return float(backward - forward)

    low, high = np.log(1.0), np.log(1e5)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if gain(middle) > 0 else (middle, high)
    return float(np.exp((low + high) / 2))
