"""``shakespeare``: a million characters of his plays, the usual first text of small models.

Source: Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015 (char-rnn).
"""

from pathlib import Path

from extensor.data.cache import cache_folder, download
from extensor.data.mnist_family import Root
from extensor.data.text import Text, text
from extensor.errors import FormatError

FOLDERS = ("tinyshakespeare", "shakespeare", ".")
"""Where below a root the file may lie; the first one also in the cache."""
NAME = "input.txt"
MIRRORS = ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",)
CHECKSUM = "6fb458f1232090904fb40fe944165e91"


def shakespeare(root: Root = None, split: str = "train", context: int = 128) -> Text:
    """Tiny Shakespeare by characters: 65 different ones, 1,003,854 to train on, 111,540 beside.

    root
        A folder that holds ``input.txt``, or that holds it in ``tinyshakespeare/`` or
        ``shakespeare/``. Without it, or where it is not there: the cache folder (``EXTENSOR_DATA``,
        else ``~/.cache/extensor``), into which it is downloaded once.
    split, context
        As of ``text``.
    Raises ``FormatError`` as ``text`` does, and where there is no file and no network.

    >>> shakespeare(split="dev")
    Traceback (most recent call last):
    extensor.errors.FormatError: shakespeare: unknown split 'dev'; allowed: 'train', 'validation'
    """
    if split not in ("train", "validation"):
        raise FormatError(f"shakespeare: unknown split {split!r}; allowed: 'train', 'validation'")
    return text(find(root), context, split, "shakespeare")


def find(root: Root) -> Path:
    """The path of the file: below the root, in the cache, or just downloaded."""
    cache = cache_folder() / FOLDERS[0]
    roots = [Path(root)] if root is not None else []
    for folder in [*(r / f for r in roots for f in FOLDERS), cache]:
        if (folder / NAME).is_file():
            return folder / NAME
    try:
        return download(MIRRORS, NAME, CHECKSUM, cache / NAME)
    except FormatError as error:
        looked = ", ".join(str(folder) for folder in [*roots, cache])
        raise FormatError(
            f"shakespeare: {NAME} is not in {looked}, and {error}. Without a network, give the "
            "folder that holds it: --data-dir DIR, or root=DIR from Python"
        ) from error
