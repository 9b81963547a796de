"""The lab: experiments that show what number formats do, each a table and a picture.

``extensor lab NAME`` prints the table; ``--out FOLDER`` draws the picture. A module of this
package is one experiment: ``measure(options)`` gives a `extensor.lab.table.Table`, ``draw(table)``
the picture of one. Every figure of a table is computed by the code that prints it; published ones
stand beside it with their source.

>>> from extensor import lab
>>> "witnesses" in lab.EXPERIMENTS
True
"""

from difflib import get_close_matches
from importlib import import_module
from types import ModuleType

from extensor.errors import FormatError

EXPERIMENTS = {
    "formats": "binades, range against precision, the grid of each format on one axis",
    "cast-or-scale": "why one cannot just cast: bare, per tensor, per row, per block",
    "block-size": "blocks of 8 to 128 under E8M0, E4M3 and FP32 scales: error and bits",
    "quantization-error": "the papers' table of quantizer errors, through the packed kernels",
    "concentration": "do gradients average to the right one? through the real linear layer",
    "hadamard-variance": "what a random rotation does to the variance of a product",
    "witnesses": "exact counterexamples and identities: no sampling, no tolerance",
    "scaling-law": "loss by parameters and tokens; what FP4 costs of either; where it wins",
    "linear-layer": "forward and backward error of each recipe, and its bias over many steps",
    "operator-snr": "signal to noise of the three products, with outliers",
    "paper-table": "the published comparison of FP4 recipes beside the errors of our kernels",
    "recommend": "a recipe for a model of your size and your number of tokens, and why",
}
"""Name and one line of each experiment."""


def experiment(name: str) -> ModuleType:
    """The module of an experiment; `FormatError` for an unknown name.

    >>> experiment("formats").__name__
    'extensor.lab.formats'
    """
    if name not in EXPERIMENTS:
        near = get_close_matches(name, EXPERIMENTS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise FormatError(
            f"lab: unknown experiment {name!r}; {hint}known: {', '.join(EXPERIMENTS)}"
        )
    return import_module(f"extensor.lab.{name.replace('-', '_')}")
