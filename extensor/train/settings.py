"""``Settings``: a training run as a frozen value. Equal settings give equal weights, bit for bit.

>>> Settings(data="mnist").resolved().epochs, Settings(data="mnist", epochs=1).command()
(3, 'extensor train lenet --data mnist --epochs 1')
"""

import shlex
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from extensor.errors import FormatError
from extensor.train.names import choose


class Preset(NamedTuple):
    """What a data set trains well with, where nothing else is asked for."""

    epochs: int
    batch_size: int
    sgd: float
    """The learning rate of SGD with momentum 0.9 and a cosine schedule."""


PRESETS = {
    "digits": Preset(15, 32, 0.02),
    "mnist": Preset(3, 128, 0.05),
    "fashion": Preset(10, 128, 0.05),
}
"""The data sets by name."""
RATES = {"sgd": None, "adam": 0.001, "adamw": 0.001}
"""The optimizers by name; learning rates where they do not depend on the data."""
SCHEDULES = dict.fromkeys(("cosine", "constant", "step"))
"""The schedules by name."""


@dataclass(frozen=True)
class Task:
    """What is trained on what, and how; apart from the recipe and the seed."""

    model: str = "lenet"
    """lenet or mlp."""
    data: str = "digits"
    """digits (comes with scikit-learn), mnist or fashion."""
    data_dir: str | None = None
    """Folder that holds the files of mnist or fashion; without it they are downloaded once."""
    epochs: int | None = None
    """Passes over the training images; 15 for digits, 3 for mnist, 10 for fashion."""
    steps: int | None = None
    """Stop after so many batches instead of after the epochs."""
    batch_size: int | None = None
    """Images a step; 32 for digits, else 128."""
    device: str = "cpu"
    """cpu or cuda."""
    optimizer: str = "sgd"
    """sgd, adam or adamw."""
    lr: float | None = None
    """Learning rate at the start; sgd 0.02 for digits, else 0.05; adam and adamw 0.001."""
    momentum: float = 0.9
    """Momentum of sgd."""
    nesterov: bool = False
    """Nesterov's momentum."""
    weight_decay: float = 0.0
    """Weight decay; decoupled for adamw."""
    schedule: str = "cosine"
    """cosine (to zero), constant, or step (a tenth after each third)."""
    warmup: int = 0
    """Steps over which the learning rate grows linearly."""
    clip: float | None = None
    """Largest norm of all gradients together."""
    grad_storage: str | None = None
    """Block format, such as mxfp4, in which gradients wait packed for the optimizer."""
    keep: tuple[str, ...] = ()
    """Layers (patterns of names, such as conv1) that the recipe leaves in float32."""
    augment: bool = False
    """Shift, rotate and bend the training images."""
    deterministic: bool = False
    """One BLAS thread whatever the environment says: equal bits on any number of threads."""


@dataclass(frozen=True)
class Settings(Task):
    """One run: a task, a recipe and a seed."""

    recipe: str = "fp32"
    """fp32, bf16, mxfp8, mxfp4-naive, mxfp4-sr, mxfp4-rht-sr, nvfp4, or one of them with -grad."""
    seed: int = 0
    """Seed of the key from which weights, order of images and random rounding are drawn."""

    def resolved(self) -> "Settings":
        """The same with every default filled in; ``FormatError`` for what is out of range."""
        preset = choose("data", self.data, PRESETS)
        rate = choose("optimizer", self.optimizer, RATES) or preset.sgd
        choose("schedule", self.schedule, SCHEDULES)
        done = replace(
            self,
            epochs=preset.epochs if self.epochs is None else self.epochs,
            batch_size=preset.batch_size if self.batch_size is None else self.batch_size,
            lr=rate if self.lr is None else self.lr,
        )
        least = {"epochs": 1, "steps": 1, "batch_size": 1, "warmup": 0, "seed": 0}
        for name, low in least.items():
            value = getattr(done, name)
            if value is not None and value < low:
                flag = name.replace("_", "-")
                raise FormatError(f"train: --{flag} {value}; allowed: {low} or more")
        if self.nesterov and self.optimizer != "sgd":
            raise FormatError(f"train: --nesterov is for sgd, not for {self.optimizer}")
        return done

    def command(self, **changed: Any) -> str:
        """The command line that trains with these settings, as one would type it."""
        words = ["extensor", "train", self.model]
        asked = {f.name: getattr(self, f.name) for f in fields(Settings)} | changed
        defaults = {f.name: f.default for f in fields(Settings)}
        for name, value in asked.items():
            if name == "model" or value == defaults.get(name, None):
                continue
            words.append("--" + name.replace("_", "-"))
            if value is not True:
                words += [str(v) for v in value] if isinstance(value, tuple) else [str(value)]
        return shlex.join(words)
