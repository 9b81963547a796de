"""A multi-layer perceptron."""

from collections.abc import Sequence
from itertools import pairwise

from extensor.models.lenet import layer_recipe
from extensor.nn import Linear, Module
from extensor.noise import Key
from extensor.noise import key as make_key
from extensor.ops import relu
from extensor.recipe import Recipe
from extensor.tensor import ExTensor


class MLP(Module):
    """Linear layers of these widths with ReLU between them; images are flattened.

    >>> import extensor as ex
    >>> MLP((784, 100, 10))(ex.ExTensor[ex.float32].zeros((2, 1, 28, 28))).shape
    (2, 10)
    """

    def __init__(
        self,
        widths: Sequence[int] = (784, 128, 10),
        recipe: Recipe | str | None = None,
        key: Key | None = None,
    ) -> None:
        key = key or make_key(0)
        names = [f"layers.{i}" for i in range(len(widths) - 1)]
        self.layers = [
            Linear(k, n, recipe=layer_recipe(recipe, names[i], names), key=key.fold(i))
            for i, (k, n) in enumerate(pairwise(widths))
        ]

    def example(self, rows: int) -> tuple[tuple[int, ...], str]:
        """The shape and the format of a batch."""
        return (rows, self.layers[0].weight.shape[1]), "float32"

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        x = x.flatten()
        for i, layer in enumerate(self.layers):
            x = layer(relu(x) if i else x, key=None if key is None else key.fold(i))
        return x
