"""``Linear``: ``y = x Wᵀ + b``, its three GEMMs under a recipe."""

from extensor import ops
from extensor.nn.init import FIRST, lecun, zeros
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.recipe import Recipe
from extensor.tensor import ExTensor


class Linear(Module):
    """A linear layer of ``(..., in_features)`` to ``(..., out_features)``.

    recipe
        None, or how the operands of fprop, dgrad and wgrad are quantized. The bias and its
        gradient stay as they are.

    >>> import extensor as ex
    >>> layer = Linear(64, 10, recipe=ex.recipes.get("mxfp4-sr"), key=ex.key(0))
    >>> layer(ex.asarray([[0.1] * 64]), key=ex.key(1)).shape
    (1, 10)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        recipe: Recipe | None = None,
        key: Key = FIRST,
    ) -> None:
        self.recipe = recipe
        self.weight = lecun((out_features, in_features), in_features, key)
        self.bias = zeros((out_features,)) if bias else None

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        y: ExTensor
        if self.recipe is None or not self.recipe.quantizes:
            if self.bias is not None and self.weight.dtype.kind == "native":
                return ops.affine(x, self.weight, self.bias)  # type: ignore[no-any-return]
            y = ops.matmul(x, self.weight.T)
        else:
            y = ops.linear(x, self.weight, recipe=self.recipe, key=key)
        return y if self.bias is None else y + self.bias

    def __repr__(self) -> str:
        n, k = self.weight.shape
        return f"Linear({k}, {n}{_suffix(self.recipe)})"


def _suffix(recipe: Recipe | None) -> str:
    return f", recipe={recipe.name}" if recipe is not None else ""
