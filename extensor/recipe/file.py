"""Recipes in files: ``.toml`` or ``.json``, by the ending of the name."""

from pathlib import Path

from extensor.errors import FormatError
from extensor.recipe.value import Recipe

ENDINGS = (".toml", ".json")
"""The endings that make a name the name of a file."""


def load(path: Path) -> Recipe:
    """The recipe in a file; FormatError where there is none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.toml"
    ...     save(Recipe("mine", keep_first=1), path)
    ...     load(path).keep_first
    1
    """
    _check(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"recipe: cannot read {path}: {error}") from None
    try:
        return (Recipe.from_toml if path.suffix == ".toml" else Recipe.from_json)(text)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def save(recipe: Recipe, path: Path) -> None:
    """Write a recipe; FormatError where that is not possible."""
    _check(path)
    text = recipe.to_toml() if path.suffix == ".toml" else recipe.to_json() + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FormatError(f"recipe: cannot write {path}: {error}") from None


def _check(path: Path) -> None:
    if path.suffix not in ENDINGS:
        raise FormatError(f"recipe: {path} is no recipe file; allowed: {', '.join(ENDINGS)}")
