"""Which benchmarks exist, and how their rows are shown."""

import json as json_module
import os
from collections.abc import Callable, Sequence

from extensor.backend import check_device
from extensor.bench.timing import Row
from extensor.errors import FormatError


def _quantize() -> list[Row]:
    from extensor.bench.casts import quantize

    return quantize()


def _dequantize() -> list[Row]:
    from extensor.bench.casts import dequantize

    return dequantize()


def _lenet() -> list[Row]:
    from extensor.bench.lenet import lenet

    return lenet()


BENCHES: dict[str, Callable[[], list[Row]]] = {
    "quantize": _quantize,
    "dequantize": _dequantize,
    "lenet": _lenet,
}
ON_CUDA = ("quantize", "dequantize", "gemm", "linear", "lenet")
"""Functions of `extensor.bench.cuda`."""


def _number(x: float | None, form: str) -> str:
    return "-" if x is None else format(x, form)


def collect(names: Sequence[str], device: str = "cpu") -> list[Row]:
    """The rows of these benchmarks (none named: all), in order."""
    known = BENCHES if check_device(device) == "cpu" else ON_CUDA
    unknown = [n for n in names if n not in known]
    if unknown:
        raise FormatError(f"bench: unknown {', '.join(unknown)}; known: {', '.join(known)}")
    if device == "cpu":
        return [r for n in names or BENCHES for r in BENCHES[n]()]
    from extensor.bench import cuda

    return [r for n in names or ON_CUDA for r in getattr(cuda, n)()]


def table(rows: Sequence[Row]) -> str:
    """Rows for people."""
    lines = [f"{'case':<32}{'ms':>9}{'of limit':>10}  {'peer':<24}{'ms':>9}{'times':>8}"]
    for r in rows:
        peer_ms = None if r.peer_seconds is None else 1e3 * r.peer_seconds
        line = f"{r.case:<32}{1e3 * r.seconds:>9.3f}{_number(r.fraction_of_limit, '.2f'):>10}  "
        line += f"{r.peer or '-':<24}{_number(peer_ms, '.3f'):>9}{_number(r.speedup, '.1f'):>8}"
        lines.append(line)
    return "\n".join(lines)


def main(names: Sequence[str], *, json: bool = False, device: str = "cpu") -> int:
    """Run benchmarks by name and print a table, or one JSON object."""
    rows = collect(names, device)
    if json:
        facts = {"device": device, "load": os.getloadavg()[0], "rows": [r._asdict() for r in rows]}
        print(json_module.dumps(facts))
    else:
        print(table(rows))
    return 0
