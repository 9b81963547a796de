"""What trains well on each data set, and which models learn from which."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """Models that learn from the same data; the first data set is the one without ``--data``."""

    models: tuple[str, ...]
    data: tuple[str, ...]
    options: tuple[str, ...]
    """The settings that mean nothing to other kinds."""


KINDS: Mapping[str, Kind] = {
    "images": Kind(("lenet", "mlp"), ("digits", "mnist", "fashion"), ("augment",)),
    "text": Kind(
        ("gpt",),
        ("shakespeare", "text"),
        ("context", "layers", "heads", "width", "dropout"),
    ),
}
"""The kinds by name."""
MODELS: Mapping[str, str] = {model: name for name, kind in KINDS.items() for model in kind.models}
"""The kind of each model."""


class Preset(NamedTuple):
    """What a data set trains well with, where nothing else is asked for."""

    rates: Mapping[str, float]
    """The learning rate of each optimizer; of SGD with momentum 0.9. All with a cosine schedule."""
    defaults: Mapping[str, Any]
    """Settings by name."""


def _images(epochs: int, batch_size: int, sgd: float) -> Preset:
    plain = {"optimizer": "sgd", "weight_decay": 0.0, "warmup": 0}
    rates = {"sgd": sgd, "adam": 0.001, "adamw": 0.001}
    return Preset(rates, {"epochs": epochs, "batch_size": batch_size, **plain})


_TEXT = Preset(
    {"sgd": 0.1, "adam": 0.005, "adamw": 0.005},
    {
        "epochs": 1,
        "batch_size": 16,
        "optimizer": "adamw",
        "weight_decay": 0.1,
        "warmup": 50,
        "clip": 1.0,
        "evaluate_every": 250,
        "context": 64,
        "layers": 4,
        "heads": 4,
        "width": 128,
        "dropout": 0.0,
    },
)
PRESETS: Mapping[str, Preset] = {
    "digits": _images(15, 32, 0.02),
    "mnist": _images(3, 128, 0.05),
    "fashion": _images(10, 128, 0.05),
    "shakespeare": _TEXT,
    "text": _TEXT,
}
"""The data sets by name."""
SCHEDULES = dict.fromkeys(("cosine", "constant", "step"))
"""The schedules by name."""
