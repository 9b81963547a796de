"""``Linear`` and ``Conv2d`` of PyTorch under a recipe; `apply` makes them of plain layers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from extensor.backend import DEVICES
from extensor.interop.torch.product import Product, check, ours, theirs
from extensor.interop.torch.state import State
from extensor.ops import conv_under, linear
from extensor.ops.mode import graph
from extensor.recipe import Recipe
from extensor.tensor import ExTensor

DRAWS = "extensor_draws"
"""The entry of a layer in ``state_dict``: int64 (step, calls)."""


class Under(nn.Module):
    """What both layers have in common; ``extensor`` is what `apply` told the layer."""

    extensor: State
    weight: Any

    def _product(self, x: Tensor, recipe: Recipe, run: Callable[..., Any], **how: Any) -> Tensor:
        """x and the weight through a product of ours; `torch.compile` leaves it to Python."""
        if torch.compiler.is_compiling():
            compiler: Any = torch.compiler
            left: Tensor = compiler.disable(self._eager)(x, recipe, run, **how)
            return left
        return self._eager(x, recipe, run, **how)

    def _eager(self, x: Tensor, recipe: Recipe, run: Callable[..., Any], **how: Any) -> Tensor:
        """With a graph where PyTorch makes one."""
        x = _cast(x)
        check(self.extensor.name, x, self.weight)
        makes_graph = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        # Inside of a backward pass of PyTorch: torch.utils.checkpoint repeats the forward one.
        repeats = torch._C._current_graph_task_id() >= 0
        key = self.extensor.draw(makes_graph, repeats)

        def keyed(a: ExTensor, b: ExTensor) -> ExTensor:
            y: ExTensor = run(a, b, recipe=recipe, key=key, **how)
            return y

        if makes_graph:
            hung: Any = Product
            made: Tensor = hung.apply(x, self.weight, keyed, recipe.wgrad[1] is None)
            return made
        with graph(False):
            return theirs(keyed(ours(x), ours(self.weight)))

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + DRAWS] = torch.tensor([self.extensor.step, self.extensor.calls])

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """Counters from the entry, if there is one: a checkpoint of the plain model has none."""
        super()._load_from_state_dict(state_dict, prefix, *rest)
        _, strict, _, unexpected, errors = rest
        name = prefix + DRAWS
        if name not in state_dict:
            return
        if strict:
            unexpected.remove(name)
        counters = [int(n) for n in state_dict[name].flatten()]
        if len(counters) == 2 and min(counters) >= 0:
            self.extensor.go(*counters)
        else:
            errors.append(f"{name}: {counters}; allowed: two counters (step, calls)")

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, recipe={self.extensor.whole.name}"


class Linear(Under, nn.Linear):
    """A `torch.nn.Linear` under a recipe: ``y = x Wᵀ + b``.

    >>> from extensor.interop.torch import apply
    >>> layer = apply(nn.Linear(32, 8), "mxfp8")
    >>> isinstance(layer, Linear), layer(torch.ones(2, 32)).shape
    (True, torch.Size([2, 8]))
    """

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features), float32."""
        recipe = self.extensor.recipe
        if recipe is None or not recipe.quantizes:
            return super().forward(input)
        y = self._product(input, recipe, linear)
        return y if self.bias is None else y + self.bias


class Conv2d(Under, nn.Conv2d):
    """A `torch.nn.Conv2d` under a recipe, with its groups, dilation and padding.

    Each group is the linear layer of its patches; see `extensor.ops.conv_under`.

    >>> from extensor.interop.torch import apply
    >>> layer = apply(nn.Conv2d(4, 8, 3, padding="same", groups=2), "mxfp8")
    >>> isinstance(layer, Conv2d), layer(torch.ones(2, 4, 6, 6)).shape
    (True, torch.Size([2, 8, 6, 6]))
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to (N, O, Ho, Wo) or (O, Ho, Wo), float32."""
        recipe = self.extensor.recipe
        if recipe is None or not recipe.quantizes:
            return super().forward(input)
        x = input[None] if input.ndim == 3 else input
        how: dict[str, Any] = {n: getattr(self, n) for n in ("stride", "dilation", "groups")}
        if self.padding_mode == "zeros":
            how["padding"] = self.padding
        else:
            border = self._reversed_padding_repeated_twice
            x = functional.pad(x, border, mode=self.padding_mode)
        y = self._product(x, recipe, conv_under, **how)
        y = y if self.bias is None else y + self.bias[:, None, None]
        return y[0] if input.ndim == 3 else y


def _cast(x: Tensor) -> Tensor:
    """Under autocast, floats as float32: the recipe takes autocast's place in these layers."""
    if x.dtype == torch.float32 or not x.is_floating_point() or x.device.type not in DEVICES:
        return x
    return x.float() if torch.is_autocast_enabled(x.device.type) else x
