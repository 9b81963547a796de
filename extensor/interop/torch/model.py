"""``apply`` and ``remove``: the layers of a whole model under a recipe, and as they were."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

import torch
from torch import nn

from extensor.errors import DTypeError, FormatError
from extensor.interop.torch.layers import Conv2d, Linear, Under
from extensor.interop.torch.state import State
from extensor.noise import Key
from extensor.recipe import Recipe, get

KINDS: dict[type[nn.Module], type[Under]] = {nn.Linear: Linear, nn.Conv2d: Conv2d}
"""What `apply` makes of which layer."""
PLAIN = {under: plain for plain, under in KINDS.items()}


def apply(
    model: nn.Module,
    recipe: Recipe | str | os.PathLike[str],
    *,
    key: Key | int = 0,
    keep: Iterable[str] = (),
    steps: int | None = None,
) -> nn.Module:
    """Put every Linear and Conv2d of a model under a recipe, in place; the model itself.

    recipe
        A `Recipe`, the name of one, or a file of one (``.toml``, ``.json``). The layers that it
        keeps stay as they are.
    key
        Where random words come from: a key, or a seed.
    keep
        More patterns of names of `named_modules`, such as ``"lm_head"`` or ``"blocks.0.*"``.
    steps
        All the steps of the run, for a recipe with phases at a share of them; see `set_step`.

    A model that is under a recipe gets the new one, and its counters begin at 0. The projections
    inside of `torch.nn.MultiheadAttention`, which reads their weights itself, stay as they are.

    Raises before anything is changed: FormatError for a recipe or pattern that is unknown, for a
    model without a layer, and for a kind of layer derived from these two; DTypeError for weights
    that are not float32.

    >>> model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8))
    >>> apply(model, "nvfp4", key=7, keep=["2"])
    Sequential(
      (0): Linear(in_features=64, out_features=32, bias=True, recipe=nvfp4)
      (1): ReLU()
      (2): Linear(in_features=32, out_features=8, bias=True)
    )
    >>> model(torch.ones(4, 64)).sum().backward()
    >>> model[0].weight.grad.shape
    torch.Size([32, 64])
    """
    chosen, patterns = recipe if isinstance(recipe, Recipe) else get(os.fspath(recipe)), tuple(keep)
    chosen = replace(chosen, keep=(*chosen.keep, *patterns))
    root = key if isinstance(key, Key) else Key(key)
    _check_phases(chosen, steps)
    found = dict(_candidates(model))
    names = tuple(found)
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise FormatError(f"apply: keep={pattern!r} names no layer; layers: {', '.join(names)}")
    wanted = {n: layer for n, layer in found.items() if not chosen.keeps(n, names)}
    for name, layer in wanted.items():
        _check_layer(name, layer)
    if not wanted:
        raise FormatError("apply: the model has no Linear or Conv2d that is not kept")
    remove(model)
    if chosen.quantizes or any(later.quantizes for _, later in chosen.phases):
        for name, layer in wanted.items():
            layer.extensor = State(name, names, chosen, root, steps)
            layer.__class__ = KINDS[type(layer)]
            layer.register_forward_pre_hook(_visible)
    return model


def remove(model: nn.Module) -> nn.Module:
    """Turn the layers that `apply` changed back into what they were; the model itself.

    >>> remove(apply(nn.Linear(64, 32), "mxfp8"))
    Linear(in_features=64, out_features=32, bias=True)
    """
    for layer in layers(model).values():
        for number, hook in tuple(layer._forward_pre_hooks.items()):
            if hook is _visible:
                del layer._forward_pre_hooks[number]
        plain: Any = PLAIN[type(layer)]
        layer.__class__ = plain
        del layer.extensor
    return model


def layers(model: nn.Module) -> dict[str, Linear | Conv2d]:
    """The layers under a recipe by name.

    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    >>> list(layers(model)), list(layers(apply(model, "mxfp4-sr")))
    ([], ['0'])
    """
    return {n: m for n, m in model.named_modules() if isinstance(m, Linear | Conv2d)}


def set_step(model: nn.Module, step: int) -> None:
    """Say which step comes: random words depend on it, and the phases of a recipe.

    step
        From 0 on. FormatError for others, before anything is changed.

    >>> layer = apply(nn.Linear(64, 32), "mxfp4-sr", key=1)
    >>> x, gradients = torch.linspace(-1, 1, 128).reshape(2, 64), []
    >>> for step in (5, 6, 5):
    ...     set_step(layer, step)
    ...     gradients += torch.autograd.grad((layer(x) ** 2).sum(), layer.weight)
    >>> torch.equal(gradients[0], gradients[2]), torch.equal(gradients[0], gradients[1])
    (True, False)
    """
    if not 0 <= step < 2**63:
        raise FormatError(f"set_step: {step}; allowed: 0 .. 2**63 - 1")
    for layer in layers(model).values():
        layer.extensor.go(step)


def _visible(module: nn.Module, inputs: Any) -> None:
    """A hook that does nothing: `torch.nn.TransformerEncoderLayer` passes its layers by in
    evaluation unless one of them has a hook."""


def _check_phases(recipe: Recipe, steps: int | None) -> None:
    if steps is not None and steps < 1:
        raise FormatError(f"apply: steps={steps}; allowed: 1 or more, or None")
    if steps is None and any(isinstance(at, float) for at, _ in recipe.phases):
        raise FormatError(
            f"apply: recipe {recipe.name} changes at a share of the steps; give steps=, and say "
            "set_step(model, step) before each"
        )


def _candidates(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """The layers that may be changed, by their first name."""
    inside = {id(m.out_proj) for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and id(layer) not in inside:
            yield name, layer


def _check_layer(name: str, layer: nn.Module) -> None:
    if type(layer) not in KINDS and type(layer) not in PLAIN:
        raise FormatError(
            f"apply: layer {name!r} is a {type(layer).__name__}; allowed: torch.nn.Linear and "
            f"Conv2d themselves; keep it with keep=[{name!r}] (or, where it is lazy or "
            "parametrized, run a batch or remove the parametrization first)"
        )
    for what, parameter in layer.named_parameters(recurse=False):
        if parameter.dtype != torch.float32:
            raise DTypeError(
                f"apply: {name}.{what} is {parameter.dtype}; allowed: torch.float32, the weights "
                "that the optimizer changes; use model.float()"
            )
