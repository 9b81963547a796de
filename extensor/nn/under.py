"""``under``: a whole model under a recipe, whatever it was under before."""

from extensor.nn.module import Module
from extensor.recipe import Recipe


def takers(model: Module) -> dict[str, Module]:
    """The layers that take a recipe, by the names that ``keep`` patterns have for them, in order.

    A product of the model's own (``own_layer``: the answer of a GPT) is the last.

    >>> import extensor as ex
    >>> list(takers(ex.models.GPT(5, 4, layers=1, heads=1, width=8)))[1:]
    ['blocks.0.attention.out', 'blocks.0.up', 'blocks.0.down', 'tokens']
    """
    found = {
        name: module
        for name, module in model.named_modules()
        if name and "recipe" in vars(module) and getattr(module, "weight", None) is not None
    }
    own = getattr(model, "own_layer", "")
    return {**found, own: model} if own and "recipe" in vars(model) else found


def under(model: Module, recipe: Recipe | None) -> Module:
    """Put every layer under the recipe, in place, but for those that it keeps; the model itself.

    A recipe with phases holds as at its first step; `Recipe.at` gives the recipe of another one.

    >>> import extensor as ex
    >>> model = ex.models.LeNet5()
    >>> recipe = ex.Recipe("mine", fprop=(ex.Quantizer(ex.mxfp4),) * 2, keep_last=1)
    >>> [name for name, layer in takers(under(model, recipe)).items() if layer.recipe is None]
    ['fc3']
    """
    layers = takers(model)
    names = list(layers)
    for name, layer in layers.items():
        layer.recipe = None if recipe is None else recipe.of_layer(name, names)  # type: ignore[attr-defined]
    return model
