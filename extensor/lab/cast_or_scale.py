"""Why one cannot just cast: numbers have their own scale, and seldom one for all of a tensor.

>>> x = np.array([[1e-3, 2e-3], [1e3, 3e3]], np.float32)
>>> cast(x).tolist()
[[0.0, 0.0], [6.0, 6.0]]
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from extensor.formats import E2M1, FP32, MXFP4, NVFP4, Block
from extensor.kernels.front import decode_elements, encode_elements
from extensor.lab.options import Options
from extensor.lab.picture import bar, canvas, tidy
from extensor.lab.samples import Doubles, Floats, decibel, normal, stored
from extensor.lab.table import Table
from extensor.quantizer import Quantizer

ROWS, LENGTH = 256, 1024
COLUMNS = {"data": "", "how": "", "scales": "d", "bits": ".3f", "snr_db": ".2f", "zero": ".2%",
           "clipped": ".2%"}  # fmt: skip


def tensors(seed: int) -> dict[str, Floats]:
    """What one meets in training: weights, a gradient, activations with an outlier channel, and
    rows of very different size; each (256, 1024)."""
    x = normal(seed, ROWS, LENGTH)
    channel = normal(seed + 1, ROWS, LENGTH)
    channel[:, 7] *= 100
    spread = np.exp2(3 * normal(seed + 2, ROWS, 1))
    return {
        "weights, deviation 0.02": x * np.float32(0.02),
        "gradient, deviation 1e-5": x * np.float32(1e-5),
        "activations, one channel x 100": channel,
        "rows of different size": x * spread,
    }


def cast(x: Any) -> Doubles:
    """The nearest E2M1 values, float64: no scale at all."""
    codes = encode_elements(np.asarray(x, np.float32), E2M1)
    return np.asarray(decode_elements(codes, E2M1), np.float64)


def per_tensor(x: Floats) -> Doubles:
    """One float32 scale that takes the largest number to 6."""
    scale = np.abs(x).max() / np.float32(E2M1.max)
    return np.asarray(cast(x / scale) * float(scale), np.float64)


def _in(fmt: Block) -> Callable[[Floats], Doubles]:
    return lambda x: stored(x, Quantizer(fmt))


HOW: dict[str, tuple[int, float, Callable[[Floats], Doubles]]] = {
    "bare cast": (0, 4.0, cast),
    "a scale per tensor": (1, 4 + 32 / (ROWS * LENGTH), per_tensor),
    "a scale per row": (ROWS, 4 + 32 / LENGTH, _in(Block(E2M1, (1, LENGTH), FP32))),
    "MXFP4: a power of two per 32": (ROWS * LENGTH // 32, 4.25, _in(MXFP4)),
    "NVFP4: E4M3 per 16": (ROWS * LENGTH // 16, 4.5, _in(NVFP4)),
}
"""Scales, bits a value, and the copy."""


def measure(options: Options) -> Table:
    """Every way on every tensor: signal to noise, and what became zero or was cut off at the top.

    ``snr_db`` is 10 log10(|x|² / |x - y|²), the mean of it over rows, so that small rows count.
    """
    rows = []
    for data, x in tensors(options.seed).items():
        for how, (scales, bits, copy) in HOW.items():
            y = copy(x)
            per_row = [max(decibel(a, b), -10.0) for a, b in zip(x, y, strict=True)]
            top = np.abs(y) >= np.abs(y).max() if how == "bare cast" else np.zeros(x.shape, bool)
            rows.append({
                "data": data,
                "how": how,
                "scales": scales,
                "bits": bits,
                "snr_db": float(np.mean(per_row)),
                "zero": float(((y == 0) & (x != 0)).mean()),
                "clipped": float((top & (np.abs(x) > E2M1.max)).mean()),
            })  # fmt: skip
    return Table(
        "cast-or-scale",
        "E2M1 with and without scales: signal to noise of the rows of four tensors",
        COLUMNS,
        rows,
        notes=("snr: mean over the rows, in decibels; 0 is what zeros would have.",),
    )


def draw(table: Table) -> Any:
    """Bars of signal to noise for each tensor."""
    figure = canvas(11, 4.8)
    axes = figure.subplots()
    tensors_shown = list(dict.fromkeys(row["data"] for row in table.rows))
    width = 0.8 / len(HOW)
    for number, how in enumerate(HOW):
        heights = [row["snr_db"] for row in table.rows if row["how"] == how]
        at = np.arange(len(heights)) + (number - (len(HOW) - 1) / 2) * width
        axes.bar(at, heights, width * 0.94, label=how, **bar(number))
        for x, height in zip(at, heights, strict=True):
            axes.text(x, max(height, 0) + 0.25, f"{height:.1f}", ha="center", fontsize=7)
    axes.set_xticks(range(len(tensors_shown)), tensors_shown)
    axes.axhline(0, color="0.3", lw=0.8)
    tidy(axes, ylabel="signal to noise, dB (mean over rows)", title=table.title, ylim=(-2, 28))
    axes.legend(frameon=False, ncols=3, loc="upper left", fontsize=9)
    return figure
