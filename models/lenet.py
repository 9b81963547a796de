"""LeNet-5 (LeCun et al. 1998, figure 2) as it is trained today: ReLU and max pooling.

28 x 28 images, two convolutions, three linear layers; 61,706 parameters.
"""

from collections.abc import Sequence

from extensor.nn import Conv2d, Linear, Module
from extensor.noise import Key
from extensor.noise import key as make_key
from extensor.ops import max_pool2d, relu
from extensor.recipe import Recipe, get
from extensor.tensor import ExTensor

LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")
"""The layers with weights, in order: what a recipe's ``keep`` patterns name."""


def layer_recipe(
    recipe: Recipe | str | None, layer: str, layers: Sequence[str] = ()
) -> Recipe | None:
    """The recipe of one layer: None where the recipe keeps that layer in high precision.

    layers
        The names of all layers, in order: a recipe may keep the first or the last.
    """
    if isinstance(recipe, str):
        recipe = get(recipe)
    return None if recipe is None else recipe.of_layer(layer, layers)


class LeNet5(Module):
    """(N, 1, 28, 28) to (N, num_classes) logits.

    recipe
        A `Recipe`, the name of one, or None for float32 throughout.
    key
        For the initial weights.

    >>> import extensor as ex
    >>> model = LeNet5(recipe="nvfp4-grad", key=ex.key(0))
    >>> model(ex.ExTensor[ex.float32].zeros((2, 1, 28, 28)), key=ex.key(1)).shape
    (2, 10)
    """

    def __init__(
        self,
        num_classes: int = 10,
        recipe: Recipe | str | None = None,
        key: Key | None = None,
    ) -> None:
        key = key or make_key(0)
        recipes = [layer_recipe(recipe, name, LAYERS) for name in LAYERS]
        of = [{"recipe": own, "key": key.fold(i)} for i, own in enumerate(recipes)]
        self.conv1 = Conv2d(1, 6, 5, padding=2, **of[0])  # type: ignore[arg-type]
        self.conv2 = Conv2d(6, 16, 5, **of[1])  # type: ignore[arg-type]
        self.fc1 = Linear(400, 120, **of[2])  # type: ignore[arg-type]
        self.fc2 = Linear(120, 84, **of[3])  # type: ignore[arg-type]
        self.fc3 = Linear(84, num_classes, **of[4])  # type: ignore[arg-type]

    def example(self, rows: int) -> tuple[tuple[int, ...], str]:
        """The shape and the format of a batch."""
        return (rows, 1, 28, 28), "float32"

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        k = [None] * 5 if key is None else key.split(5)
        x = max_pool2d(relu(self.conv1(x, key=k[0])), kernel=(2, 2), stride=(2, 2))
        x = max_pool2d(relu(self.conv2(x, key=k[1])), kernel=(2, 2), stride=(2, 2))
        x = relu(self.fc1(x.flatten(), key=k[2]))
        return self.fc3(relu(self.fc2(x, key=k[3])), key=k[4])
