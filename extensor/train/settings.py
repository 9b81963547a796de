"""``Settings``: a training run as a frozen value. Equal settings give equal weights, bit for bit.

>>> Settings(data="mnist").resolved().epochs, Settings(data="mnist", epochs=1).command()
(3, 'extensor train lenet --data mnist --epochs 1')
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from extensor.errors import FormatError
from extensor.train.names import choose
from extensor.train.presets import KINDS, MODELS, PRESETS, SCHEDULES

LEAST: Mapping[str, int] = {
    **dict.fromkeys(("epochs", "steps", "evaluate_every", "batch_size"), 1),
    **dict.fromkeys(("context", "layers", "heads", "width"), 1),
    **dict.fromkeys(("warmup", "seed", "dropout", "keep_first", "keep_last"), 0),
}
"""The smallest value of numbers."""


@dataclass(frozen=True)
class Task:
    """What is trained on what, and how; apart from the recipe and the seed."""

    model: str = "lenet"
    """lenet or mlp for images, gpt for text."""
    data: str | None = None
    """digits (comes with scikit-learn; what images are without it), mnist or fashion; for gpt
    shakespeare, or text, a file of your own."""
    data_dir: str | None = None
    """Folder that holds the files of the data set, which without it are downloaded once; the file
    itself for text."""
    epochs: int | None = None
    """Passes over the training data; 15 for digits, 3 for mnist, 10 for fashion, 1 for text."""
    steps: int | None = None
    """Stop after so many batches instead of after the epochs."""
    evaluate_every: int | None = None
    """Evaluate, and keep a checkpoint, not after each epoch only but every so many steps; 250 for
    text."""
    batch_size: int | None = None
    """Images or windows of text a step; 32 for digits, 16 for text, else 128."""
    device: str = "cpu"
    """cpu or cuda."""
    optimizer: str | None = None
    """sgd, adam or adamw; without it adamw for text, else sgd."""
    lr: float | None = None
    """Learning rate at the start; sgd 0.02 for digits, else 0.05; adam and adamw 0.001, or 0.005
    for text."""
    momentum: float = 0.9
    """Momentum of sgd."""
    nesterov: bool = False
    """Nesterov's momentum."""
    weight_decay: float | None = None
    """Weight decay, decoupled for adamw; 0.1 for text, else 0."""
    schedule: str = "cosine"
    """cosine (to zero), constant, or step (a tenth after each third)."""
    warmup: int | None = None
    """Steps over which the learning rate grows linearly; 50 for text, else 0."""
    clip: float | None = None
    """Largest norm of all gradients together; 1 for text, else none."""
    grad_storage: str | None = None
    """Block format, such as mxfp4, in which gradients wait packed for the optimizer."""
    keep: tuple[str, ...] = ()
    """Layers (patterns of names, such as conv1) that the recipe leaves in float32."""
    keep_first: int = 0
    """So many layers from the first one on too; numbered blocks of a gpt count as one."""
    keep_last: int = 0
    """So many layers up to the last one too."""
    augment: bool = False
    """Shift, rotate and bend the training images."""
    context: int | None = None
    """gpt: characters of a window of text, 64."""
    layers: int | None = None
    """gpt: blocks, 4."""
    heads: int | None = None
    """gpt: heads of attention, 4."""
    width: int | None = None
    """gpt: numbers that stand for a character, 128."""
    dropout: float | None = None
    """gpt: share of numbers that are dropped in training, 0."""
    deterministic: bool = False
    """One BLAS thread whatever the environment says: equal bits on any number of threads."""


@dataclass(frozen=True)
class Settings(Task):
    """One run: a task, a recipe and a seed."""

    recipe: str = "fp32"
    """A name (fp32, bf16, mxfp8, mxfp4-sr, nvfp4, ...; with -grad only the backward products are
    quantized), or a file .toml or .json."""
    seed: int = 0
    """Seed of the key from which weights, order of images and random rounding are drawn."""

    def resolved(self) -> "Settings":
        """The same with every default filled in; ``FormatError`` for what is out of range."""
        data = self._data()
        choose("schedule", self.schedule, SCHEDULES)
        preset = PRESETS[data]
        optimizer = preset.defaults["optimizer"] if self.optimizer is None else self.optimizer
        rate = choose("optimizer", optimizer, preset.rates)
        defaults = {**preset.defaults, "data": data, "lr": rate}
        missing = {n: v for n, v in defaults.items() if getattr(self, n) is None}
        done = replace(self, **missing)
        for name, low in LEAST.items():
            value = getattr(done, name)
            if value is not None and value < low:
                flag = name.replace("_", "-")
                raise FormatError(f"train: --{flag} {value}; allowed: {low} or more")
        if done.nesterov and done.optimizer != "sgd":
            raise FormatError(f"train: --nesterov is for sgd, not for {done.optimizer}")
        return done

    def _data(self) -> str:
        """The data set; ``FormatError`` where the model does not learn from it, or for an option
        of another kind of model."""
        own = kind_of(self.model)
        data = KINDS[own].data[0] if self.data is None else self.data
        if choose("data", data, PRESETS) and data not in KINDS[own].data:
            raise FormatError(
                f"train: {self.model} does not learn from --data {data}; "
                f"allowed: {', '.join(KINDS[own].data)}"
            )
        defaults = {f.name: f.default for f in fields(Task)}
        for name, kind in KINDS.items():
            for option in kind.options if name != own else ():
                if getattr(self, option) != defaults[option]:
                    raise FormatError(
                        f"train: --{option} is for {' and '.join(kind.models)}, not for "
                        f"{self.model}; leave it out"
                    )
        return data

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


def kind_of(model: str) -> str:
    """The kind of things that a model learns from: a name of ``KINDS``.

    >>> kind_of("mlp"), kind_of("gpt")
    ('images', 'text')
    """
    return choose("model", model, MODELS)
