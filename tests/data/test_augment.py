"""Augmentation: pure functions of (key, image number), right in geometry, fair in distribution."""

import threading

import numpy as np
import pytest

from extensor.data import Compose, Elastic, Rotate, Shift, Transform
from extensor.data.augment import turn
from extensor.data.dataset import Images
from extensor.data.transform import image_words, uniform
from extensor.data.warp import blur, gaussian, sample
from extensor.errors import FormatError, ShapeError
from extensor.noise import key, words

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 1, 28, 28), np.float32)
TRANSFORMS = [
    Shift(3),
    Rotate(20),
    Elastic(),
    Compose(Shift(1), Rotate(5.5), Elastic(20, 3), Shift(1)),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_an_image_depends_on_key_and_number_only(transform: Transform) -> None:
    before = IMAGES.copy()
    whole = transform(IMAGES, key(1))
    np.testing.assert_array_equal(IMAGES, before)
    assert whole.shape == IMAGES.shape and whole.dtype == np.float32
    order = RNG.permutation(40)
    np.testing.assert_array_equal(transform(IMAGES[order], key(1), order), whole[order])
    np.testing.assert_array_equal(
        transform(IMAGES[7:9], key(1), np.array([7, 8], np.int64)), whole[7:9]
    )
    assert not np.array_equal(transform(IMAGES, key(2)), whole)
    one = np.repeat(IMAGES[:1], 40, axis=0)
    assert len({image.tobytes() for image in transform(one, key(1))}) > 20


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_threads_do_not_matter(transform: Transform) -> None:
    whole, parts = transform(IMAGES, key(1)), {}

    def work(first: int) -> None:
        index = np.arange(first, first + 10)
        parts[first] = transform(IMAGES[index], key(1), index)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 40, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(np.concatenate([parts[k] for k in sorted(parts)]), whole)


def test_values_print_compare_and_evaluate_back() -> None:
    for transform in TRANSFORMS:
        assert eval(repr(transform)) == transform and hash(transform) == hash(transform)


@pytest.mark.parametrize(
    "still", [Shift(0), Rotate(0), Elastic(alpha=0), Compose(), Compose(Compose())], ids=repr
)
def test_nothing_is_changed_by_nothing(still: Transform) -> None:
    np.testing.assert_array_equal(still(IMAGES, key(0)), IMAGES)


def test_a_shift_moves_every_pixel_alike() -> None:
    dot = np.zeros((2000, 2, 9, 11), np.float32)
    dot[:, :, 4, 5] = 1
    moved = Shift(2)(dot, key(0))
    assert (moved.sum((2, 3)) == 1).all()
    _, _, rows, columns = np.nonzero(moved[:, :1])
    for steps, centre in ((rows, 4), (columns, 5)):
        counts = np.bincount(steps - centre + 2, minlength=5)
        assert len(counts) == 5 and ((counts - 400) ** 2 / 400).sum() < 23.5  # p = 1e-4
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.1
    np.testing.assert_array_equal(moved[:, 0], moved[:, 1])


def test_what_moves_in_is_zero() -> None:
    moved = Shift(3)(np.ones((200, 1, 8, 8), np.float32), key(0))
    assert set(np.unique(moved)) == {0, 1}
    assert {int(n) for n in moved.sum((1, 2, 3))} == {
        a * b for a in range(5, 9) for b in range(5, 9)
    }


@pytest.mark.parametrize("degrees", [-170.0, -30.0, 7.5, 45.0, 90.0, 133.0])
@pytest.mark.parametrize("size", [(28, 28), (15, 22)])
def test_rotation_agrees_with_pillow(degrees: float, size: tuple[int, int]) -> None:
    """Away from the border, where Pillow repeats the edge and we fade to 0."""
    image = pytest.importorskip("PIL.Image")
    picture = RNG.random(size, np.float32)
    ours = turn(picture[None, None], np.array([degrees], np.float32))[0, 0]
    inside = turn(np.ones((1, 1, *size), np.float32), np.array([degrees], np.float32))[0, 0]
    theirs = np.asarray(image.fromarray(picture).rotate(degrees, image.Resampling.BILINEAR))
    far = inside > 0.9999
    assert far.sum() > 0.4 * far.size
    np.testing.assert_allclose(ours[far], theirs[far], atol=2e-5)


def test_quarter_turns_are_exact() -> None:
    picture = RNG.random((1, 1, 9, 9), np.float32)
    for quarters in range(-1, 3):
        turned = turn(picture, np.array([90 * quarters], np.float32))
        np.testing.assert_allclose(turned[0, 0], np.rot90(picture[0, 0], quarters), atol=1e-5)


def test_angles_reach_both_ends() -> None:
    angles = uniform(image_words(key(0), np.arange(4000), 1))
    assert -1 <= angles.min() < -0.99 and 0.99 < angles.max() < 1
    assert abs(angles.mean()) < 0.05 and abs(angles.var() - 1 / 3) < 0.02


def test_words_belong_to_images() -> None:
    np.testing.assert_array_equal(
        image_words(key(9), np.array([2, 0]), 5), words(key(9), 0, 15).reshape(3, 5)[[2, 0]]
    )


def test_sampling_is_bilinear_and_zero_outside() -> None:
    """Against the formula, written out slowly, at random coordinates in and far out."""
    picture = RNG.random((2, 3, 5, 7), np.float32)
    rows = RNG.uniform(-3, 8, (2, 5, 7)).astype(np.float32)
    columns = RNG.uniform(-3, 10, (2, 5, 7)).astype(np.float32)
    rows[0, 0, :3], columns[0, 0, :3] = [-1e30, 1e30, 4], [0, 0, 6]
    out = np.empty_like(picture)
    sample(picture, rows, columns, out)
    wide = np.pad(picture, ((0, 0), (0, 0), (20, 20), (20, 20))).astype(np.float64)
    for n, i, j in np.ndindex(rows.shape):
        y, x = (float(np.clip(v[n, i, j], -5, 15)) for v in (rows, columns))
        top, left = int(np.floor(y)), int(np.floor(x))
        dy, dx = y - top, x - left
        square = wide[n, :, 20 + top : 22 + top, 20 + left : 22 + left]
        weights = np.outer([1 - dy, dy], [1 - dx, dx])
        np.testing.assert_allclose(out[n, :, i, j], (square * weights).sum((1, 2)), atol=1e-6)


def test_blur_is_two_products() -> None:
    fields = RNG.random((3, 5, 7), np.float32)
    down, across = gaussian(5, 1.0), gaussian(7, 2.0)
    out = np.empty_like(fields)
    blur(fields, down, across, out)
    np.testing.assert_allclose(out, down @ fields @ across.T, rtol=1e-5)


def test_elastic_bends_by_the_pixels_it_says() -> None:
    """The shift of a ramp is the way itself: about alpha · sqrt(1/3) / (2 sqrt(pi) sigma)."""
    ramp = np.broadcast_to(np.arange(64, dtype=np.float32), (30, 1, 64, 64))
    way = (Elastic(34, 4)(ramp, key(0)) - ramp)[:, 0, 20:44, 20:44]
    assert way.std() == pytest.approx(34 / np.sqrt(3) / (2 * np.sqrt(np.pi) * 4), rel=0.1)
    assert abs(np.diff(way, axis=2)).max() < 1.5, "the bend is smooth"


def test_what_transforms_refuse() -> None:
    for make in (
        lambda: Shift(-1),
        lambda: Shift(1.5),  # type: ignore[arg-type]
        lambda: Rotate(-1),
        lambda: Rotate(float("nan")),
        lambda: Elastic(alpha=-1),
        lambda: Elastic(sigma=0),
        lambda: Elastic(alpha=float("inf")),
    ):
        with pytest.raises(FormatError):
            make()
    for images in (IMAGES[0], IMAGES[:3]):
        with pytest.raises(ShapeError):
            Shift(1)(images, key(0), np.arange(2))


def test_a_transform_of_ones_own() -> None:
    class Invert(Transform):
        def apply(self, images: Images, key: object, index: object) -> Images:
            return np.float32(1) - images

    both = Compose(Invert(), Invert())(IMAGES, key(0))
    np.testing.assert_allclose(both, IMAGES, atol=1e-7)
