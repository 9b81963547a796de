"""``checkpoint.safetensors``: all that a run needs to go on as if it had never stopped.

Parameters, the optimizer's state, the recipe with its hash, the settings, the seed of all keys,
and the position down to the batch. Written in one step: after a crash there is the old file or the
new one.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from extensor.errors import CheckpointError, FormatError
from extensor.io.tree import load as load_tree
from extensor.io.tree import save as save_tree
from extensor.recipe import Recipe
from extensor.train.trainer import Position, Trainer

VERSION = 1
"""Of what is in the file; another one is refused."""
FIXED = (
    *("model", "recipe", "data", "seed", "batch_size", "optimizer", "grad_storage", "augment"),
    *("context", "layers", "heads", "width", "dropout"),
)
"""What a run that goes on must have in common with the one that was saved."""


def identity(trainer: Trainer) -> dict[str, Any]:
    """The values of ``FIXED``: what makes a run this run.

    >>> from extensor.train.settings import Settings
    >>> identity(Trainer(Settings(model="mlp", recipe="nvfp4")))["model"]
    'mlp'
    """
    own = asdict(trainer.settings)
    own_recipe = trainer.recipe
    ends = [
        f"the {end} {count}"
        for end, count in (("first", own_recipe.keep_first), ("last", own_recipe.keep_last))
        if count
    ]
    kept = ", ".join((*own_recipe.keep, *ends))
    recipe = f"{own_recipe.name}{f' keeping {kept}' if kept else ''} ({own_recipe.hash})"
    data = trainer.problem.describe(trainer.data)
    return {name: own[name] for name in FIXED} | {"recipe": recipe, "data": data}


def save(path: Path, trainer: Trainer) -> None:
    """Write the checkpoint; ``CheckpointError`` where that is not possible."""
    run = {
        "version": VERSION,
        "identity": identity(trainer),
        "settings": asdict(trainer.settings),
        "position": asdict(trainer.position),
    }
    tree = {
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "run": run,
    }
    recipe = {"recipe": trainer.recipe.to_json(), "recipe_hash": trainer.recipe.hash}
    save_tree(path, tree, recipe | {"model": trainer.settings.model})


def resume(path: Path, trainer: Trainer) -> list[str]:
    """Put a checkpoint into a fresh trainer; the settings that differ though they may.

    Raises ``CheckpointError`` for a missing file, one that is no checkpoint of a run, and one of
    another model, recipe, data set or anything else of ``FIXED``; nothing is changed then.
    """
    if not path.is_file():
        raise CheckpointError(
            f"resume: there is no {path}; leave out --resume to begin, or give --out of a run"
        )
    try:
        tree = load_tree(path)
        model, optimizer, run = (tree[part] for part in ("model", "optimizer", "run"))
        if run["version"] != VERSION:
            raise ValueError(f"version {run['version']}, this program reads {VERSION}")
        position, theirs = Position(**run["position"]), run["identity"]
    except FormatError as error:
        raise CheckpointError(f"resume: {error}") from error
    except (LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"resume: {path} is no checkpoint of a run: {error!r}") from error
    own = identity(trainer)
    wrong = [f"{k} {theirs.get(k)!r}, not {own[k]!r}" for k in FIXED if theirs.get(k) != own[k]]
    if wrong:
        raise CheckpointError(
            f"resume: {path} was made with {'; '.join(wrong)}; give the same options as there, or "
            "another --out"
        )
    before = trainer.model.state_dict()
    if wrong := sorted(n for n in before if n not in model or model[n].shape != before[n].shape):
        raise CheckpointError(f"resume: {path} does not fit the model: {', '.join(wrong)}")
    trainer.optimizer.load_state_dict(optimizer)
    trainer.model.load_state_dict(model)
    trainer.position = position
    settings = asdict(trainer.settings)
    then = {k: tuple(v) if isinstance(v, list) else v for k, v in run["settings"].items()}
    free = [k for k in settings if k not in (*FIXED, "data_dir", "deterministic", "device")]
    return [f"{k} {then.get(k)} -> {settings[k]}" for k in free if then.get(k) != settings[k]]


def recipe_in(path: Path) -> Recipe:
    """The recipe that a checkpoint was trained under; ``FormatError`` where it holds none."""
    from extensor.io.tree import load_metadata

    try:
        return Recipe.from_json(load_metadata(path)["recipe"])
    except KeyError:
        raise FormatError(f"checkpoint: {path} holds no recipe") from None
