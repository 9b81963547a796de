"""``extensor bench NAME...``: ratios measured in one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from extensor.cli.options import parse


@dataclass(frozen=True)
class Bench:
    """Ratios measured in one run: to the machine's limits, and to peers that are installed."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Benchmarks: quantize, dequantize, lenet; with --device cuda also gemm, linear. None: all."""
    device: str = "cpu"
    """cpu or cuda."""
    threads: int | None = None
    """Threads of the kernels; without it all of the machine."""
    json: bool = False
    """Print one JSON object last."""


def run(words: Sequence[str]) -> int:
    """Measure."""
    from extensor import bench

    options = parse(Bench, words, "bench")
    code: int = bench.main(options.names, json=options.json, device=options.device) or 0
    return code
