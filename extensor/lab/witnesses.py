"""Table D: counterexamples and identities that hold exactly, in fractions and bit for bit.

Each row is a claim, what was found and what it must be (published, or worked out by hand). Rows
that average over draws of the kernels say how far the mean may be off.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from extensor.formats import MXFP4, NVFP4, NVFP4_2D
from extensor.kernels.front import hadamard
from extensor.lab.exact import eden, four_over_six
from extensor.lab.nesting import again, both_ways
from extensor.lab.options import Options
from extensor.lab.picture import COLOURS, canvas, tidy
from extensor.lab.samples import Floats, made, normal, octave, stored
from extensor.lab.table import Table
from extensor.noise import key
from extensor.ops import matmul
from extensor.quantizer import Quantizer, draw_signs

COLUMNS = {"witness": "", "found": "", "expected": "", "off_by_at_most": "", "within": ""}
THREE = Quantizer(MXFP4, scale_rule="floor", prescale=0.75)
FOUR_SIX = {"scale_rule": "four_over_six", "rounding": "stochastic", "headroom": 16 / 17}


def exactly(witness: str, found: Any, expected: Any) -> dict[str, Any]:
    """A row that is met by equality alone."""
    return {
        "witness": witness, "found": str(found), "expected": str(expected),
        "off_by_at_most": "0", "within": bool(found == expected),
        "value": float(found) if isinstance(found, (int, float, Fraction)) else None,
    }  # fmt: skip


def about(witness: str, found: float, expected: float, room: float) -> dict[str, Any]:
    """A row that is met within ``room``."""
    return {
        "witness": witness, "found": f"{found:.5g}", "expected": f"{expected:.5g}",
        "off_by_at_most": f"{room:.2g}", "within": bool(abs(found - expected) <= room),
        "value": found,
    }  # fmt: skip


def four_six_rows(draws: int, seed: int) -> Iterator[dict[str, Any]]:
    """The best of two unbiased roundings is biased (arXiv 2512.02010 with stochastic rounding)."""
    found = four_over_six()
    name = "four over six, stochastic, of (1, 0, ...): "
    yield exactly(name + "mean under 6", found["six"], Fraction(1))
    yield exactly(name + "mean under 4", found["four"], Fraction(1))
    yield exactly(name + "the better one, one coin", found["one coin"], Fraction(65, 64))
    yield exactly(name + "the better one, own coins", found["own coins"], Fraction(143, 136))
    quantizer = made(lambda: Quantizer(NVFP4, **FOUR_SIX))  # type: ignore[arg-type]
    if quantizer is not None:
        x = np.zeros((draws, 16), np.float32)
        x[:, 0] = 1
        mean = float(stored(x, quantizer, key(seed))[:, 0].mean())
        room = 4 * 0.14 / draws**0.5
        yield about(name + "the kernels", mean, float(found["own coins"]), room)


def eden_rows(draws: int, seed: int) -> Iterator[dict[str, Any]]:
    """MS-EDEN keeps the projection on x and is biased across it (arXiv 2601.22813, corollary)."""
    first, second = eden()
    name = "MS-EDEN of e0 + e1/10: "
    yield exactly(name + "mean of the first entry", first, Fraction(101, 102))
    yield exactly(name + "mean of the second entry", second, Fraction(101, 510))
    yield exactly(name + "<mean, x> / <x, x>", (first + second / 10) / Fraction(101, 100), 1)
    bias = ((first - 1) ** 2 + (second - Fraction(1, 10)) ** 2) / Fraction(101, 100)
    yield exactly(name + "squared relative bias", bias, Fraction(5, 51) ** 2)
    quantizer = made(lambda: Quantizer(NVFP4, scale_rule="eden", hadamard=128))
    if quantizer is not None:
        x = np.zeros((draws, 128), np.float32)
        x[:, :2] = 1, 0.1
        back = hadamard(stored(x, quantizer, key(seed)), 128).mean(0)
        yield about(name + "the kernels, first entry", float(back[0]), float(first), 3e-3)
        yield about(name + "the kernels, second entry", float(back[1]), float(second), 3e-3)


def prescale_rows(draws: int, seed: int) -> Iterator[dict[str, Any]]:
    """The mean of products of 3/4 x and 3/4 y is 9/16 of what is meant (arXiv 2502.20586, 3.1)."""
    a, b = normal(seed, 24, 64), normal(seed + 1, 24, 64)
    quantizer = Quantizer(MXFP4, scale_rule="floor", prescale=0.75, rounding="stochastic")
    copies = [
        0.75 * stored(np.repeat(x[None], draws, 0), quantizer, key(seed).fold(i)).mean(0)
        for i, x in enumerate((a, b))
    ]
    wanted = a.astype(np.float64) @ b.T
    slope = float((copies[0] @ copies[1].T * wanted).sum() / np.square(wanted).sum())
    yield about("3/4 stochastic: slope of the mean product", slope, 9 / 16, 0.003)


def sign_rows(seed: int) -> Iterator[dict[str, Any]]:
    """Signs after H cancel, code by code; signs before it do not."""
    x, y = normal(seed, 32, 64), normal(seed + 1, 24, 64)
    signs = np.resize(np.array(draw_signs(key(seed), 32), np.float32), 64)

    def product(a: Floats, b: Floats) -> Any:
        return matmul(THREE(a), THREE(b).T, exact=True).numpy()

    after = [hadamard(v, 32) * signs for v in (x, y)]
    before = [hadamard(v, 32, tuple(signs[:32])) for v in (x, y)]
    plain = product(hadamard(x, 32), hadamard(y, 32))
    differ = int((product(*after) != plain).sum())
    yield exactly("signs after H: entries of the product that differ from no signs", differ, 0)
    differ = bool((product(*before) != plain).mean() > 0.9)
    yield exactly("signs before H: over 90 % of them differ", differ, True)


def rotation_rows(seed: int) -> Iterator[dict[str, Any]]:
    """Rotations cancel in exact arithmetic; tiles transpose exactly, rows do not."""
    n = 128
    signs = np.array(draw_signs(key(seed), n), np.float64)
    h = np.sign(hadamard(np.eye(n, dtype=np.float32), n)).astype(np.float64) / n**0.5
    x, y = (normal(seed + i, 16, n).astype(np.float64) for i in range(2))
    off = np.abs((x * signs @ h) @ (y * signs @ h).T - x @ y.T).max()
    size = np.linalg.norm(x, axis=1).max() * np.linalg.norm(y, axis=1).max()
    yield about("(x s H)(y s H)ᵀ - x yᵀ in float64, of the norms", float(off / size), 0, 1e-12)
    w = normal(seed, 64, 48)
    for name, fmt, wanted in (("16x16", NVFP4_2D, True), ("1x16", NVFP4, False)):
        quantizer = Quantizer(fmt)
        turned = np.ascontiguousarray(w.T)
        same = np.array_equal(quantizer(w).numpy().T, quantizer(turned).numpy())
        yield exactly(f"NVFP4 {name}: Q(W)ᵀ = Q(Wᵀ)", bool(same), wanted)


def clip_rows() -> Iterator[dict[str, Any]]:
    """Scales x 17/16 never clip down to 2^-14 of the tensor's amax; below, subnormal scales do."""

    def largest(ratios: Any) -> float:
        x = np.zeros((len(ratios) + 1, 16), np.float32)
        x[0, 0], x[1:, 0] = 1, ratios
        q = Quantizer(NVFP4, headroom=16 / 17)(x)
        scales = q.scales.numpy() if hasattr(q.scales, "numpy") else q.scales
        values = NVFP4.scale.values[np.asarray(scales)[:, 0]] * float(q.tensor_scale)
        with np.errstate(divide="ignore"):
            return float((x[1:, 0] / values[1:]).max())

    safe = bool(largest(np.exp2(-14 * np.linspace(0, 1, 20001))) <= 6)
    yield exactly("NVFP4 x 17/16: nothing clips from 2^-14 of amax on", safe, True)
    below = largest(np.array([2.0**-16 * (1 - 2.0**-20)]))
    yield about("NVFP4 x 17/16: largest |x| / scale just below 2^-16", below, 6.59, 0.005)


def measure(options: Options) -> Table:
    """All witnesses; ``full`` averages over more draws and larger matrices."""
    seed, draws = options.seed, 65536 if options.full else 8192
    rows = [
        *four_six_rows(draws, seed),
        *eden_rows(draws, seed),
        *prescale_rows(draws // 8, seed),
        *sign_rows(seed),
        *rotation_rows(seed),
        *clip_rows(),
    ]
    x = octave(seed, 1024, 1024)
    twice = again(x)
    rows += [exactly(f"again: blocks that change, {n}", twice[n], 0) for n in twice if n != "3/4"]
    changed = twice["3/4"] / (x.size // 32)
    rows.append(about("again: part of the blocks that change, 3/4", changed, 0.26, 0.02))
    rows += [
        about(f"rows, then columns: error in thousandths, {name}", found, known, 0.02 * known)
        for name, (found, known) in both_ways(x, seed).items()
    ]
    return Table(
        "witnesses",
        "what holds exactly, and what fails exactly",
        COLUMNS,
        rows,
        notes=("again: a quantized tensor quantized once more along the same axis.",),
    )


def draw(table: Table) -> Any:
    """The two counterexamples: outcomes of four over six, and the mean of MS-EDEN beside x."""
    figure = canvas(11, 4.4)
    left, right = figure.subplots(1, 2)
    found = four_over_six()
    names = ("six", "four", "one coin", "own coins")
    left.bar(
        range(4), [float(found[n]) - 1 for n in names], color=[COLOURS[0]] * 2 + [COLOURS[1]] * 2
    )
    for i, n in enumerate(names):
        left.text(i, float(found[n]) - 1 + 0.001, str(found[n]), ha="center")
    left.set_xticks(range(4), ["max 6", "max 4", "the better,\none coin", "the better,\nown coins"])
    tidy(left, ylabel="mean - 1", title="(1, 0, ...) rounded stochastically", ylim=(0, 0.062))
    first, second = (float(v) for v in eden())
    right.annotate(
        "", (1, 0.1), (0, 0), arrowprops={"arrowstyle": "->", "color": COLOURS[0], "lw": 2}
    )
    dashed = {"arrowstyle": "->", "color": COLOURS[1], "lw": 2, "ls": "--"}
    right.annotate("", (first, second), (0, 0), arrowprops=dashed)
    right.plot([1, first], [0.1, second], ":", color="0.3")
    right.text(1.01, 0.09, "x = (1, 1/10)", color=COLOURS[0], va="top")
    right.text(first + 0.01, second + 0.005, "its mean (101/102, 101/510)", color=COLOURS[1])
    tidy(right, xlabel="first entry", ylabel="second entry", xlim=(0, 1.75), ylim=(0, 0.28),
         title="MS-EDEN keeps the projection, and is biased across it")  # fmt: skip
    figure.suptitle(table.title)
    return figure
