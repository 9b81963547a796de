"""From the names in settings to the objects: recipe, model, optimizer, gradient storage."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

from extensor.errors import FormatError
from extensor.formats import Block, dtype
from extensor.models import GPT, MLP, LeNet5
from extensor.nn import Module
from extensor.noise import Key
from extensor.optim import SGD, Adam, AdamW, Optimizer
from extensor.optim.schedules import Schedule, constant, cosine, step, warmup
from extensor.quantizer import Quantizer
from extensor.recipe import Recipe, get
from extensor.tensor import ExTensor
from extensor.train.names import choose
from extensor.train.settings import Settings

MODELS: Mapping[str, Callable[..., Module]] = {"lenet": LeNet5, "mlp": MLP, "gpt": GPT}
"""The models by name."""


def recipe_of(settings: Settings) -> Recipe:
    """The recipe of this name or file, with what the settings say of layers and of signs."""
    recipe = get(settings.recipe)
    changes: dict[str, Any] = {"keep": tuple(settings.keep)} if settings.keep else {}
    for name in ("keep_first", "keep_last"):
        if getattr(settings, name):
            changes[name] = getattr(settings, name)
    return replace(recipe, **changes) if changes else recipe


def make_model(settings: Settings, recipe: Recipe, key: Key, **sizes: Any) -> Module:
    """The model under the recipe; ``FormatError`` for a ``keep`` pattern that names no layer.

    sizes
        What the data decides, such as the number of characters of a text.
    """
    model = choose("model", settings.model, MODELS)(recipe=recipe.at(0, 1), key=key, **sizes)
    layers = [name for name, layer in model.named_modules() if hasattr(layer, "weight")]
    for pattern in recipe.keep:
        if not any(fnmatch(name, pattern) for name in layers):
            raise FormatError(f"keep: {pattern!r} names no layer; layers: {', '.join(layers)}")
    return model.keep_gradients_in(gradient_quantizer(settings.grad_storage))


def gradient_quantizer(name: str | None) -> Quantizer | None:
    """How parameter gradients wait for the optimizer.

    4-bit elements are rounded stochastically, and a scale that is not a power of two rounds up:
    then no element saturates and the stored gradient is unbiased.

    >>> gradient_quantizer("nvfp4")
    Quantizer(nvfp4, rounding='stochastic', scale_rounding='up')
    """
    if name is None:
        return None
    fmt = dtype(name)
    if not isinstance(fmt, Block) or fmt.element.bits > 4:
        return Quantizer(fmt)  # type: ignore[arg-type]  # what is not a Block is refused there
    up = "nearest" if fmt.scale.is_power_of_two else "up"
    return Quantizer(fmt, rounding="stochastic", scale_rounding=up)


def make_schedule(settings: Settings, total: int) -> Schedule:
    """The learning rate over ``total`` steps."""
    lr = settings.lr or 0.0
    made: Schedule
    if settings.schedule == "cosine":
        made = cosine(lr, steps=total)
    elif settings.schedule == "step":
        made = step(lr, every=max(1, -(-total // 3)), factor=0.1)
    else:
        made = constant(lr)
    return warmup(made, settings.warmup) if settings.warmup else made


def make_optimizer(settings: Settings, params: dict[str, ExTensor], total: int) -> Optimizer:
    """The optimizer with its schedule."""
    rate, decay, clip = make_schedule(settings, total), settings.weight_decay or 0.0, settings.clip
    if settings.optimizer == "sgd":
        return SGD(params, rate, settings.momentum, settings.nesterov, decay, clip)
    kind = Adam if settings.optimizer == "adam" else AdamW
    return kind(params, rate, weight_decay=decay, clip=clip)
