"""``digits``: the data set that needs no download, because scikit-learn brings it along.

1,797 handwritten digits of 8 x 8 pixels in 17 grey levels, enlarged to the size of MNIST's.

Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (test part).
"""

import numpy as np

from extensor.data.dataset import Dataset
from extensor.data.order import permutation
from extensor.errors import FormatError
from extensor.noise import key

SEED = 1998
"""Of the shuffle before the split: fixed, so that every run tests on the same images."""
TRAIN = 1437
"""Images of the training split; the other 360, a fifth, are the test split."""
MEAN, STD = 0.2237, 0.3491
"""Of the training split's pixels after enlarging and padding."""


def digits(split: str = "train") -> Dataset:
    """Handwritten digits of 28 x 28 pixels: 1,437 to train on, 360 to test on.

    Each pixel becomes 3 x 3, a border of 2 zeros is added, values 0..16 become 0..1. The split is
    of the images shuffled by a fixed seed.
    split
        ``"train"`` or ``"test"``.
    Raises ``FormatError`` where scikit-learn, which brings the images, is not installed.

    >>> digits("test").images.shape
    (360, 1, 28, 28)
    """
    if split not in ("train", "test"):
        raise FormatError(f"digits: unknown split {split!r}; allowed: 'train', 'test'")
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise FormatError(
            "digits: scikit-learn brings these images and is not installed; "
            "run: pip install 'extensor[data]'"
        ) from error
    bundle = load_digits()
    order = permutation(key(SEED), len(bundle.target))
    chosen = order[:TRAIN] if split == "train" else order[TRAIN:]
    small = bundle.images[chosen].astype(np.float32) / np.float32(16)
    large = small.repeat(3, axis=1).repeat(3, axis=2)
    images = np.pad(large, ((0, 0), (2, 2), (2, 2)))[:, None]
    labels = bundle.target[chosen].astype(np.int64)
    return Dataset(images, labels, "digits", MEAN, STD)
