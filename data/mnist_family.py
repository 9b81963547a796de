"""MNIST and Fashion-MNIST: 28 x 28 grey images of ten classes, 60,000 and 10,000 of them.

Sources: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
recognition", 1998; Xiao, Rasul and Vollgraf, "Fashion-MNIST", arXiv 1708.07747.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from extensor.data.cache import cache_folder, download, md5
from extensor.data.dataset import Dataset
from extensor.data.idx import read_idx
from extensor.errors import FormatError

Root = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Family:
    """A data set in the four files of MNIST."""

    name: str
    folders: tuple[str, ...]
    """Where below a root its files may lie, in this order; the first one also in the cache."""
    mirrors: tuple[str, ...]
    checksums: dict[str, str]
    """MD5 of each file, under the name that it is published with."""
    mean: float
    std: float
    classes: tuple[str, ...]


MNIST = Family(
    name="mnist",
    folders=("mnist", "MNIST/raw", "."),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    checksums={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    mean=0.1307,
    std=0.3081,
    classes=tuple("0123456789"),
)
FASHION = Family(
    name="fashion-mnist",
    folders=("fashion-mnist", "FashionMNIST/raw", "."),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    checksums={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    mean=0.2860,
    std=0.3530,
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
)
PREFIX = {"train": "train", "test": "t10k"}
"""How the files of a split begin."""


def mnist(root: Root = None, split: str = "train") -> Dataset:
    """The handwritten digits of MNIST; pixels normalise to (x / 255 - 0.1307) / 0.3081.

    root
        A folder that holds the four files, gzipped or not, or that holds them in ``mnist/`` or
        ``MNIST/raw/``. Without it, or where they are not there: the cache folder
        (``EXTENSOR_DATA``, else ``~/.cache/extensor``), into which they are downloaded once.
    split
        ``"train"`` (60,000 images) or ``"test"`` (10,000).
    Raises ``FormatError`` for files that are damaged or belong to another set, and where there are
    no files and no network.

    >>> mnist(split="dev")
    Traceback (most recent call last):
    extensor.errors.FormatError: mnist: unknown split 'dev'; allowed: 'train', 'test'
    """
    return load(MNIST, root, split)


def fashion_mnist(root: Root = None, split: str = "train") -> Dataset:
    """The clothes of Fashion-MNIST, in the same files as MNIST; found and raising as ``mnist``.

    Below ``root`` the files may lie in ``fashion-mnist/`` or ``FashionMNIST/raw/``.

    >>> FASHION.classes[7]
    'Sneaker'
    """
    return load(FASHION, root, split)


def load(family: Family, root: Root, split: str) -> Dataset:
    """One split of a family; what ``mnist`` and ``fashion_mnist`` do."""
    if split not in PREFIX:
        raise FormatError(f"{family.name}: unknown split {split!r}; allowed: 'train', 'test'")
    images_path = find(family, root, f"{PREFIX[split]}-images-idx3-ubyte.gz")
    labels_path = find(family, root, f"{PREFIX[split]}-labels-idx1-ubyte.gz")
    images = read_idx(images_path, dtype=np.uint8, ndim=3)
    labels = read_idx(labels_path, dtype=np.uint8, ndim=1).astype(np.int64)
    if images.shape[1:] != (28, 28) or len(images) != len(labels):
        raise FormatError(
            f"{family.name}: {images_path} holds images of shape {images.shape} and {labels_path} "
            f"{len(labels):,} labels; expected (N, 28, 28) and N: the files of one split"
        )
    return Dataset(images[:, None], labels, family.name, family.mean, family.std, family.classes)


def find(family: Family, root: Root, name: str) -> Path:
    """The path of one published file: below the root, in the cache, or just downloaded."""
    roots = [Path(root)] if root is not None else []
    for folder in [*(r / f for r in roots for f in family.folders), _cache(family)]:
        for path in (folder / name, folder / name.removesuffix(".gz")):
            if path.is_file():
                _not_another(family, name, path)
                return path
    try:
        return download(family.mirrors, name, family.checksums[name], _cache(family) / name)
    except FormatError as error:
        looked = ", ".join(str(folder) for folder in [*roots, _cache(family)])
        raise FormatError(
            f"{family.name}: {name} is not in {looked}, and {error}. Without a network, give the "
            f"folder that holds the files: --data-dir DIR, or root=DIR from Python"
        ) from error


def _cache(family: Family) -> Path:
    return cache_folder() / family.folders[0]


def _not_another(family: Family, name: str, path: Path) -> None:
    """Refuse a file that is known to be another one: the sets share their files' names."""
    found = md5(path.read_bytes())
    for other in (MNIST, FASHION):
        for known, checksum in other.checksums.items():
            if found == checksum and (other.name, known) != (family.name, name):
                raise FormatError(
                    f"{family.name}: {path} is {known} of {other.name}, expected {name} "
                    f"of {family.name}: the file has a wrong name"
                )
