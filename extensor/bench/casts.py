"""quantize and dequantize of 16 M elements against the memory and against peers."""

from typing import Any

import numpy as np

import extensor as ex
from extensor.bench import peers
from extensor.bench.limits import read_write
from extensor.bench.timing import Row, interleave, row

SIZE = 1 << 24


def _data(size: int) -> Any:
    x = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    return x.reshape(-1, 4096)


def quantize(size: int = SIZE) -> list[Row]:
    """Packed quantization: nearest and stochastic MXFP4, NVFP4 and MXFP8, checked by decoding."""
    x = _data(size)
    stochastic = ex.Quantizer(ex.mxfp4, rounding="stochastic")
    ours: dict[str, Any] = {
        "mxfp4": lambda: ex.quantize(x, ex.mxfp4),
        "mxfp4 floor": lambda: ex.quantize(x, ex.mxfp4, scale_rule="floor"),
        "mxfp4 stochastic": lambda: ex.quantize(x, stochastic, key=ex.key(1)),
        "nvfp4": lambda: ex.quantize(x, ex.nvfp4),
        "mxfp8_e4m3": lambda: ex.quantize(x, ex.mxfp8_e4m3),
        "mxfp6_e3m2": lambda: ex.quantize(x, ex.mxfp6_e3m2),
    }
    for name, run in ours.items():
        error = float(np.sqrt(np.mean((run().numpy() - x) ** 2) / np.mean(x**2)))
        if not error < 0.2:
            raise ex.FormatError(f"bench: {name} has a relative error of {error}")
    limits = {f"limit {n}": read_write(x.nbytes, run().nbytes) for n, run in ours.items()}
    others = {"ml_dtypes elements only": peers.ml_dtypes_cast(x)}
    torchao = peers.torchao_quantize(x)
    if torchao is not None:
        others["torchao eager"] = torchao
    times = interleave({**ours, **limits, **others})
    rows = [row(n, times, n, f"limit {n}") for n in ours]
    rows.append(row("mxfp4 floor", times, "mxfp4 floor", "limit mxfp4 floor", "torchao eager"))
    rows.append(row("mxfp4", times, "mxfp4", "limit mxfp4", "ml_dtypes elements only"))
    return rows


def dequantize(size: int = SIZE) -> list[Row]:
    """Packed to float32: MXFP4, NVFP4 and MXFP8."""
    x = _data(size)
    packed = {n: ex.quantize(x, ex.dtype(n)) for n in ("mxfp4", "nvfp4", "mxfp8_e4m3")}
    ours: dict[str, Any] = {n: lambda q=q: ex.dequantize(q) for n, q in packed.items()}
    limits = {f"limit {n}": read_write(q.nbytes, x.nbytes) for n, q in packed.items()}
    others = {}
    torchao = peers.torchao_dequantize(x)
    if torchao is not None:
        others["torchao eager"] = torchao
    times = interleave({**ours, **limits, **others})
    rows = [row(n, times, n, f"limit {n}") for n in ours]
    rows.append(row("mxfp4", times, "mxfp4", "limit mxfp4", "torchao eager"))
    return rows
