"""The first augmentations: shift by whole pixels, rotate, bend elastically.

Each is a frozen value; ``transform(images, key)`` is a pure function (``extensor.data.transform``).

>>> from extensor.data import Compose
>>> from extensor.noise import key
>>> images = np.ones((2, 1, 28, 28), np.float32)
>>> pipeline = Compose(Shift(2), Rotate(10), Elastic(alpha=34, sigma=4))
>>> bool((pipeline(images, key(0)) == pipeline(images, key(0))).all())
True
"""

import math
from dataclasses import dataclass

import numpy as np

from extensor.data.dataset import Images
from extensor.data.transform import Index, Transform, image_words, uniform
from extensor.data.warp import blur, gaussian, sample
from extensor.errors import FormatError
from extensor.noise import Key


@dataclass(frozen=True)
class Shift(Transform):
    """Move each image by whole pixels, at most ``max_pixels`` along each axis, all as likely.

    The amount is floor(word · (2 max_pixels + 1) / 2^32) - max_pixels, first down, then right.

    >>> from extensor.noise import key
    >>> x = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    >>> Shift(1)(x, key(0)).sum() <= x.sum()
    np.True_
    """

    max_pixels: int

    def __post_init__(self) -> None:
        if type(self.max_pixels) is not int or self.max_pixels < 0:
            raise FormatError(f"{self}: max_pixels must be an integer from 0 on")

    def apply(self, images: Images, key: Key, index: Index) -> Images:
        """The moved images; what moves in is 0."""
        reach = self.max_pixels
        _, _, height, width = images.shape
        wide = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
        draws = image_words(key, index, 2).astype(np.uint64) * np.uint64(2 * reach + 1)
        out = np.empty_like(images)
        for n, (down, right) in enumerate((draws >> np.uint64(32)).tolist()):
            top, left = 2 * reach - down, 2 * reach - right
            out[n] = wide[n, :, top : top + height, left : left + width]
        return out


@dataclass(frozen=True)
class Rotate(Transform):
    """Turn each image about its centre by an angle between -max_degrees and max_degrees.

    A positive angle turns counter-clockwise; values between pixels are bilinear.

    >>> from extensor.noise import key
    >>> Rotate(0)(np.ones((1, 1, 2, 2), np.float32), key(0)).tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """

    max_degrees: float

    def __post_init__(self) -> None:
        if not 0 <= self.max_degrees <= 180:
            raise FormatError(f"{self}: max_degrees must lie in 0..180")

    def apply(self, images: Images, key: Key, index: Index) -> Images:
        """The turned images; what turns in is 0."""
        angles = uniform(image_words(key, index, 1))[:, 0] * np.float32(self.max_degrees)
        return turn(images, angles)


def turn(images: Images, degrees: Images) -> Images:
    """Each image (N, C, H, W) turned counter-clockwise by its angle (N,) in degrees.

    >>> turn(np.array([[[[1, 2], [3, 4]]]], np.float32), np.float32([0])).tolist()
    [[[[1.0, 2.0], [3.0, 4.0]]]]
    """
    _, _, height, width = images.shape
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32((height - 1) / 2)
    x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    radians = [math.radians(angle) for angle in degrees.tolist()]
    cos = np.array([math.cos(a) for a in radians], np.float32)[:, None, None]
    sin = np.array([math.sin(a) for a in radians], np.float32)[:, None, None]
    out = np.empty_like(images)
    rows = cos * y + sin * x + np.float32((height - 1) / 2)
    sample(images, rows, cos * x - sin * y + np.float32((width - 1) / 2), out)
    return out


@dataclass(frozen=True)
class Elastic(Transform):
    """Bend each image: every pixel looks up its value a little way off.

    The ways are two fields (down, across) of uniform noise in [-1, 1), blurred by a Gaussian of
    ``sigma`` pixels and multiplied by ``alpha`` pixels. With 34 and 4 they are about 1.4 pixels.

    Source: Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied
    to visual document analysis", ICDAR 2003, section 2.

    >>> from extensor.noise import key
    >>> Elastic()(np.ones((2, 1, 8, 8), np.float32), key(0)).shape
    (2, 1, 8, 8)
    """

    alpha: float = 34.0
    sigma: float = 4.0

    def __post_init__(self) -> None:
        if not (0 <= self.alpha < math.inf and 0.3 <= self.sigma <= 100):
            raise FormatError(f"{self}: alpha must be from 0 on, sigma in 0.3..100 pixels")

    def apply(self, images: Images, key: Key, index: Index) -> Images:
        """The bent images."""
        count, _, height, width = images.shape
        noise = uniform(image_words(key, index, 2 * height * width))
        fields = noise.reshape(2 * count, height, width)
        ways = np.empty_like(fields)
        blur(fields, gaussian(height, self.sigma), gaussian(width, self.sigma), ways)
        ways *= np.float32(self.alpha)
        down, across = ways[0::2], ways[1::2]
        down += np.arange(height, dtype=np.float32)[:, None]
        across += np.arange(width, dtype=np.float32)
        out = np.empty_like(images)
        sample(images, down, across, out)
        return out
