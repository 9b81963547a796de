"""Benchmarks: ratios measured in one run, interleaved, on random data, outputs checked.

Each benchmark is a function that returns rows; a peer that is not installed is None, never a
made-up number.
"""

from extensor.bench.main import BENCHES as BENCHES
from extensor.bench.main import collect as collect
from extensor.bench.main import main as main
