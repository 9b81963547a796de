"""Table C: what a random rotation does to the variance of a stochastically rounded product.

For vectors a, b of length n, rounded stochastically (3/4, arXiv 2502.20586, algorithm 2), the
normalised variance ``v = Var(<Q(a), Q(b)>) n / (|a|² |b|²)`` does not depend on their scale. After
a rotation it is about 0.05 for whatever data; without one it reaches 1 and more where outliers of
both operands meet in one channel. It is not always a gain: one lone large number costs nothing by
itself.
"""

from typing import Any

import numpy as np

from extensor.formats import MXFP4
from extensor.kernels.front import hadamard
from extensor.lab.options import Options
from extensor.lab.picture import COLOURS, MARKERS, canvas, tidy
from extensor.lab.samples import Doubles, stored
from extensor.lab.table import Table
from extensor.noise import Key, key
from extensor.quantizer import Quantizer, draw_signs

TSENG = Quantizer(MXFP4, scale_rule="floor", prescale=0.75, rounding="stochastic")
WITHIN, ALIGNED = (0.035, 0.07), 0.7
"""After a rotation v lies there for n >= 256; without one it is above 0.7 for M >= 10 aligned."""
COLUMNS = {"data": "", "n": "d", "no_rotation": ".3f", "rotated_64": ".3f", "rotated_128": ".3f",
           "gain": ".2f", "published_without": "", "within": ""}  # fmt: skip


def pairs(kind: str, size: float, n: int, count: int, rng: Any) -> tuple[Doubles, Doubles]:
    """``count`` vectors of each kind, of length n.

    >>> a, b = pairs("aligned", 30, 64, 2, np.random.default_rng(0))
    >>> a.shape, bool(abs(a[:, ::32]).min() > 1)
    ((2, 64), True)
    """
    a, b = rng.standard_normal((2, count, n))
    if kind == "aligned":
        a[:, ::32] *= size
        b[:, ::32] *= size
    elif kind == "one operand":
        a[:, ::32] *= size
    elif kind == "sparse":  # Bernoulli(0.05) N(0, size²)
        for x in (a, b):
            x += (rng.random(x.shape) < 0.05) * rng.standard_normal(x.shape) * size
    elif kind == "lone":
        a[:, 5] *= size
        b[:, -5] *= size
    elif kind == "rare":
        for x in (a, b):
            x += (rng.random(x.shape) < 0.005) * rng.standard_normal(x.shape) * size
    return a, b


def variance(a: Doubles, b: Doubles, rotation: int, draws: int, own: Key) -> float:
    """Mean over all pairs a, b of ``Var(<Q(a), Q(b)>) n / (|a|² |b|²)``, by ``draws`` products.

    Signs are new for every eighth of the draws; the variance is that of the rounding alone.
    """
    n = a.shape[-1]
    norms = np.multiply.outer(np.square(a).sum(1), np.square(b).sum(1))
    parts = []
    for turn in range(8):
        here = own.fold(turn)
        x, y = a.astype(np.float32), b.astype(np.float32)
        if rotation:
            signs = draw_signs(here.fold(2), rotation)
            x, y = hadamard(x, rotation, signs), hadamard(y, rotation, signs)
        copies = [
            stored(np.repeat(v[None], draws // 8, 0), TSENG, here.fold(i))
            for i, v in enumerate((x, y))
        ]
        products = copies[0] @ copies[1].swapaxes(1, 2)
        parts.append(products.var(0, ddof=1))
    return float((np.mean(parts, 0) * n / norms).mean())


CASES: tuple[tuple[str, str, float, int, str], ...] = (
    ("normal", "normal", 0, 64, ".055-.061"),
    ("normal", "normal", 0, 256, ".055-.061"),
    ("normal", "normal", 0, 1024, ".055-.061"),
    ("normal", "normal", 0, 4096, ".055-.061"),
    ("5 % of N(0, 25)", "sparse", 5, 1024, "gain 1.9"),
    ("one channel of 32 x 3, both", "aligned", 3, 1024, ".124"),
    ("one channel of 32 x 10, both", "aligned", 10, 1024, ".81"),
    ("one channel of 32 x 30, both", "aligned", 30, 1024, "1.19"),
    ("one channel of 32 x 100, both", "aligned", 100, 1024, "1.38"),
    ("one channel of 32 x 10, one operand", "one operand", 10, 1024, ".114"),
    ("one channel of 32 x 100, one operand", "one operand", 100, 1024, ".070"),
    ("one number x 100, elsewhere in each", "lone", 100, 64, "less"),
    ("0.5 % of N(0, 10⁴)", "rare", 100, 256, ".043"),
    ("0.5 % of N(0, 10⁴)", "rare", 100, 1024, ".077"),
    ("0.5 % of N(0, 10⁴)", "rare", 100, 4096, ".075"),
)
"""Label, kind, size of outliers, length, and the published v without a rotation (or the gain)."""


def one(case: tuple[str, str, float, int, str], options: Options) -> dict[str, Any]:
    """A row: v without a rotation and with H64 and H128."""
    label, kind, size, n, published = case
    count, draws = (128, 128) if options.full else (48, 64)
    rng = np.random.default_rng([options.seed, n, int(size)])
    a, b = pairs(kind, size, n, count * (4 if n < 1024 else 1), rng)
    plain, *turned = (variance(a, b, h, draws, key(options.seed).fold(h)) for h in (0, 64, 128))
    met: bool | None = None
    if n >= 256:
        met = all(WITHIN[0] <= v <= WITHIN[1] for v in turned)
        if kind == "aligned" and size >= 10:
            met = met and plain >= ALIGNED
    return {
        "data": label,
        "n": n,
        "no_rotation": plain,
        "rotated_64": turned[0],
        "rotated_128": turned[1] if n >= 128 else None,
        "gain": plain / turned[0],
        "published_without": published,
        "within": met,
    }


def tail(n: int, count: int, seed: int) -> dict[str, float]:
    """How often ``max |H s x| > |x| sqrt(2 ln(2 n / ε) / n)``, ε = 5 %: the theorem's bound.

    >>> tail(64, 100, 0)["part"] <= 0.05
    True
    """
    rng = np.random.default_rng(seed)
    signs = rng.choice((-1.0, 1.0), (count, n))
    x = rng.standard_normal((count, n)) * (rng.random((count, n)) < 0.2) + 1e-3
    turned = hadamard(np.float32(x * signs), n)
    bound = np.sqrt(2 * np.log(2 * n / 0.05) / n) * np.linalg.norm(x, axis=1)
    return {"n": float(n), "part": float((np.abs(turned).max(1) > bound).mean())}


def measure(options: Options) -> Table:
    """All data; ``full`` takes more pairs and draws."""
    tails = [tail(n, 20_000 if options.full else 4_000, options.seed) for n in (64, 128)]
    parts = ", ".join(f"{t['part']:.2%} at n = {t['n']:.0f}" for t in tails)
    return Table(
        "hadamard-variance",
        "variance of a stochastically rounded product, v = Var n / (|a|² |b|²), MXFP4 3/4",
        COLUMNS,
        [one(case, options) for case in CASES],
        notes=(
            f"within: rotated {WITHIN[0]} to {WITHIN[1]} for n >= 256, and without a rotation",
            f"at least {ALIGNED} where channels x 10 align.",
            f"beyond the sub-Gaussian bound at ε = 5 %: {parts} (the theorem allows 5 %).",
        ),
        more={"tails": tails},
    )


def draw(table: Table) -> Any:
    """v of every data set, without a rotation and with two."""
    figure = canvas(10, 5.2)
    axes = figure.subplots()
    at = np.arange(len(table.rows))[::-1]
    axes.axvspan(*WITHIN, color="0.9", label="where the rotated ones must be")
    for number, (name, label) in enumerate(
        (("no_rotation", "no rotation"), ("rotated_64", "H64"), ("rotated_128", "H128"))
    ):
        values = [row[name] if row[name] is not None else np.nan for row in table.rows]
        hollow = {"mfc": "none", "mew": 1.6, "ms": 11} if number == 0 else {"ms": 7}
        axes.plot(values, at, MARKERS[number], color=COLOURS[number], label=label, **hollow)
    axes.set_yticks(at, [f"{row['data']}, n = {row['n']}" for row in table.rows], fontsize=9)
    axes.set_xscale("log")
    tidy(axes, xlabel="v = Var n / (|a|² |b|²)", title=table.title)
    axes.legend(frameon=False, loc="lower right")
    return figure
