"""``save`` and ``load``: trees of tensors in one safetensors file, blocked tensors packed.

A tree is a dictionary, list or tuple of trees; its leaves are tensors, NumPy arrays, texts,
numbers, truth values and ``None``. The names of the arrays in the file are the paths in the tree,
so that a ``state_dict`` keeps its names for every other program; the form of the tree is metadata.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from extensor.errors import FormatError
from extensor.io.raw import RawTensor
from extensor.io.safetensors import HEADER_SUM, TENSORS_SUM, Path, read, read_header, write
from extensor.io.stored import PARTS, Raws, from_foreign, from_raw, to_raw
from extensor.tensor import ExTensor

TREE = "extensor.tree"
"""The metadata key of the tree's form, in JSON."""
SEQUENCES = {"list": list, "tuple": tuple}


def save(path: Path, tree: Any, metadata: Mapping[str, str] | None = None) -> None:
    """Write a tree; after a crash there is the old file or the new one.

    metadata
        Texts to go with it: ``load_metadata`` gives them back.
    Raises ``FormatError`` for a tree that cannot be saved, ``CheckpointError`` where the file
    cannot be written.

    >>> import tempfile, extensor as ex
    >>> q = ex.quantize([1.0, 2.0, 3.0, -6.0], ex.mxfp4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/x", {"w": q, "steps": [7, 0.1]}, {"recipe": "mxfp4"})
    ...     back = load(f"{folder}/x")
    >>> back["w"].dtype, back["w"].tolist(), back["steps"]
    (mxfp4, [1.0, 2.0, 3.0, -6.0], [7, 0.1])
    """
    texts = dict(metadata or {})
    if TREE in texts:
        raise FormatError(f"save: the metadata key {TREE!r} is ours; choose another")
    raws: Raws = {}
    try:
        form = _form("", tree, raws)
    except RecursionError as error:
        raise FormatError("save: the tree is too deep, or contains itself") from error
    write(path, raws, texts | {TREE: json.dumps(form, ensure_ascii=False)})


def load(path: Path) -> Any:
    """The tree in a file: tensors with the bytes that were saved, arrays, numbers, texts.

    A file of another program gives a dictionary of its tensors. Raises ``FormatError`` for a file
    that is damaged, or no safetensors file.

    >>> from tempfile import TemporaryDirectory
    >>> import extensor as ex
    >>> with TemporaryDirectory() as folder:
    ...     ex.save(f"{folder}/x.safetensors", {"x": ex.asarray([1.0])})
    ...     load(f"{folder}/x.safetensors")["x"].tolist()
    [1.0]
    """
    raws, metadata = read(path)
    if TREE not in metadata:
        return {name: ExTensor(from_foreign(name, raw)) for name, raw in raws.items()}
    try:
        return _tree(json.loads(metadata[TREE]), raws)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FormatError(f"load: {path}: the form of its tree is damaged: {error!r}") from error


def load_metadata(path: Path) -> dict[str, str]:
    """The texts saved with a tree, without reading the tensors."""
    ours = (TREE, TENSORS_SUM, HEADER_SUM)
    return {k: v for k, v in read_header(path).metadata.items() if k not in ours}


def _form(path: str, tree: Any, raws: Raws) -> Any:
    """The JSON form of a tree; its arrays are put into ``raws``."""
    if isinstance(tree, ExTensor):
        facts, own = to_raw(_unused(path, raws), tree.storage)
        raws |= own
        return facts
    if isinstance(tree, np.ndarray | np.generic):
        name = _unused(path, raws)
        raws[name] = RawTensor.of(np.asarray(tree))
        return {"array": name}
    if tree is None or type(tree) in (bool, int, float, str):
        return {"value": tree}
    if isinstance(tree, Mapping):
        if not all(type(key) is str for key in tree):
            raise FormatError(f"save: {path or 'the tree'} has keys that are no texts")
        return {"dict": {key: _form(_join(path, key), value, raws) for key, value in tree.items()}}
    for kind, sequence in SEQUENCES.items():
        if type(tree) is sequence:
            return {kind: [_form(_join(path, str(i)), v, raws) for i, v in enumerate(tree)]}
    raise FormatError(
        f"save: {path or 'the tree'} is a {type(tree).__name__}; allowed: tensors, NumPy arrays, "
        "texts, numbers, None, and dictionaries, lists and tuples of these"
    )


def _tree(form: Any, raws: Mapping[str, RawTensor]) -> Any:
    if "value" in form:
        return form["value"]
    if "array" in form:
        return raws[form["array"]].array
    if "dict" in form:
        return {key: _tree(value, raws) for key, value in form["dict"].items()}
    for kind, sequence in SEQUENCES.items():
        if kind in form:
            return sequence(_tree(value, raws) for value in form[kind])
    return ExTensor(from_raw(form, raws))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _unused(path: str, raws: Raws) -> str:
    """A name that no array has: keys may contain dots, so two paths can read alike."""
    name = path or "value"
    while any(name + part in raws for part in ("", *PARTS)):
        name += "_"
    return name
