"""MNIST, Fashion-MNIST and digits: where files are found, and every way they can be wrong."""

import gzip
import io
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extensor.data import Dataset, digits, fashion_mnist, mnist
from extensor.data.cache import cache_folder
from extensor.data.mnist_family import FASHION, MNIST
from extensor.errors import ExtensorError, FormatError, ShapeError
from tests.data.files import idx_bytes

SHARED = Path(os.environ.get("EXTENSOR_SHARED", "../shared")) / "data"
needs_data = pytest.mark.skipif(not SHARED.exists(), reason="no shared folder with the real sets")
PATTERN = np.arange(5 * 784, dtype=np.int64).reshape(5, 28, 28).astype(np.uint8)


@pytest.fixture(autouse=True)
def _no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and mirrors that do not answer."""

    def refuse(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network in a test")

    monkeypatch.setenv("EXTENSOR_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def put(
    folder: Path,
    images: Any = PATTERN,
    labels: Any = (0, 1, 2, 3, 9),
    split: str = "train",
    packed: bool = True,
) -> Path:
    """A small data set in MNIST's files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("images-idx3", images), ("labels-idx1", np.array(labels, np.uint8))):
        content = idx_bytes(array)
        path = folder / f"{split}-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    return folder


@needs_data
def test_the_real_mnist() -> None:
    train, test = mnist(SHARED), mnist(SHARED, "test")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.images.shape == (60_000, 1, 28, 28) and train.images.dtype == np.uint8
    assert np.bincount(train.labels).tolist() == [
        *(5923, 6742, 5958, 6131, 5842),
        *(5421, 5918, 6265, 5851, 5949),
    ]
    pixels = train.pixels(slice(None))
    assert round(float(pixels.mean(dtype=np.float64)), 4) == train.mean == 0.1307
    assert round(float(pixels.std(dtype=np.float64)), 4) == train.std == 0.3081
    white = np.float32(255) / np.float32(255)
    expected = (white - np.float32(0.1307)) / np.float32(0.3081)
    assert test.normalised().max() == expected


@needs_data
def test_the_real_fashion_mnist() -> None:
    test = fashion_mnist(SHARED / "fashion-mnist-t10k", "test")
    assert test.name == "fashion-mnist" and test.classes[9] == "Ankle boot"
    assert np.bincount(test.labels).tolist() == [1000] * 10


@needs_data
def test_a_file_of_the_other_set_is_recognised() -> None:
    with pytest.raises(FormatError, match="is t10k-images-idx3-ubyte.gz of fashion-mnist"):
        mnist(SHARED / "fashion-mnist-t10k", "test")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["", "mnist", "MNIST/raw"])
def test_where_files_are_found(folder: str, packed: bool, tmp_path: Path) -> None:
    put(tmp_path / "root" / folder, packed=packed)
    data = mnist(str(tmp_path / "root"))
    np.testing.assert_array_equal(data.images[:, 0], PATTERN)
    assert data.labels.tolist() == [0, 1, 2, 3, 9] and data.labels.dtype == np.int64


def test_the_cache_is_used_without_a_root_and_behind_it(tmp_path: Path) -> None:
    put(tmp_path / "cache" / "mnist", split="t10k")
    assert len(mnist(split="test")) == len(mnist(tmp_path, "test")) == 5


def test_no_files_and_no_network(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        mnist(tmp_path / "elsewhere")
    text = str(caught.value)
    for part in ("mnist: train-images", "elsewhere", "cache", "no network in a test", "--data-dir"):
        assert part in text
    assert all(mirror in text for mirror in MNIST.mirrors)


def test_a_download_is_checked_and_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first mirror sends rubbish, the second the file; the second call needs no network."""
    put(tmp_path / "web")
    asked = []

    def answer(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        name = address.rsplit("/", 1)[1]
        good = (tmp_path / "web" / name).read_bytes()
        return io.BytesIO(b"rubbish" if address.startswith(MNIST.mirrors[0]) else good)

    def digest(content: bytes) -> str:
        return "wrong" if content == b"rubbish" else next(iter(sums))

    sums = {"f68b3c2dcbeaaa9fbdd348bbdeb94873": 1}
    monkeypatch.setattr(urllib.request, "urlopen", answer)
    monkeypatch.setattr(sys.modules["extensor.data.cache"], "md5", digest)
    monkeypatch.setitem(MNIST.checksums, "train-labels-idx1-ubyte.gz", next(iter(sums)))
    assert len(mnist()) == 5
    assert len(asked) == 4
    cached = sorted(path.name for path in (tmp_path / "cache" / "mnist").iterdir())
    assert cached == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert len(mnist()) == 5 and len(asked) == 4


def test_a_download_with_a_wrong_checksum_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(b"rubbish"))
    with pytest.raises(FormatError, match="7 bytes with another checksum"):
        fashion_mnist()
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(b"x"))
    monkeypatch.setattr(
        sys.modules["extensor.data.cache"],
        "md5",
        lambda _: MNIST.checksums["train-images-idx3-ubyte.gz"],
    )
    with pytest.raises(FormatError, match="EXTENSOR_DATA"):
        mnist()


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("EXTENSOR_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert cache_folder() == Path("/c/extensor")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert cache_folder() == Path("/h/.cache/extensor")


WRONG = {
    "labels for images": (np.zeros(5, np.uint8), (1,), "3 axes"),
    "floats": (np.zeros((5, 28, 28), np.float32), (1,), "expected uint8"),
    "another size": (np.zeros((5, 27, 28), np.uint8), (0,) * 5, "5, 27, 28"),
    "more labels": (PATTERN, (0,) * 6, "6 labels"),
    "a label of 10": (PATTERN, (0, 0, 0, 0, 10), "0..10"),
}


@pytest.mark.parametrize("case", WRONG)
def test_files_that_do_not_fit(case: str, tmp_path: Path) -> None:
    images, labels, reason = WRONG[case]
    with pytest.raises(FormatError, match=reason):
        mnist(put(tmp_path / "x", images, labels))


def test_images_under_the_name_of_labels(tmp_path: Path) -> None:
    folder = put(tmp_path / "x")
    images, labels = (folder / f"train-{n}-ubyte.gz" for n in ("images-idx3", "labels-idx1"))
    content = images.read_bytes()
    images.write_bytes(labels.read_bytes())
    labels.write_bytes(content)
    with pytest.raises(FormatError, match="expected 3 axes"):
        mnist(folder)


def test_an_unknown_split() -> None:
    for load in (mnist, fashion_mnist, lambda split: digits(split)):
        with pytest.raises(FormatError, match="'train', 'test'"):
            load(split="dev")


def test_the_families_name_the_same_files() -> None:
    assert MNIST.checksums.keys() == FASHION.checksums.keys()
    assert len({*MNIST.checksums.values(), *FASHION.checksums.values()}) == 8


def test_digits() -> None:
    train, test = digits(), digits("test")
    assert (len(train), len(test), train.image_shape) == (1437, 360, (1, 28, 28))
    assert train.images.dtype == np.float32
    assert (train.images.min(), train.images.max()) == (0, 1)
    border = train.images.copy()
    border[:, :, 2:26, 2:26] = 0
    assert not border.any()
    inner = train.images[:, 0, 2:26, 2:26].reshape(-1, 8, 3, 8, 3)
    assert (inner == inner[:, :, :1, :, :1]).all(), "each pixel is enlarged to 3 x 3"
    assert round(float(train.images.mean(dtype=np.float64)), 4) == train.mean
    assert round(float(train.images.std(dtype=np.float64)), 4) == train.std
    everything = {image.tobytes() for image in (*train.images, *test.images)}
    assert len(everything) > 1790, "the splits share no images"
    assert np.bincount(test.labels, minlength=10).min() > 20
    np.testing.assert_array_equal(digits("test").images, test.images)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(FormatError, match=r"pip install 'extensor\[data\]'"):
        digits()


def test_a_dataset_checks_its_arrays() -> None:
    good, labels = np.zeros((2, 1, 4, 4), np.uint8), np.array([0, 1])
    for images, other in ((good[0], labels), (good, labels[:1]), (good, labels[:, None])):
        with pytest.raises(ShapeError):
            Dataset(images, other)
    cases: list[tuple[Any, Any, dict[str, Any]]] = [
        (good.astype(np.float64), labels, {}),
        (good, labels.astype(np.int32), {}),
        (good, labels - 1, {}),
        (good, labels, {"classes": ("a",)}),
        (good, labels, {"std": 0.0}),
        (good, labels, {"std": float("nan")}),
    ]
    for images, other, more in cases:
        with pytest.raises(ExtensorError):
            Dataset(images, other, **more)


def test_a_dataset_cannot_be_changed() -> None:
    images = np.zeros((2, 1, 4, 4), np.uint8)
    data = Dataset(images, np.array([0, 1]))
    with pytest.raises(ValueError, match="read-only"):
        data.images[0] = 1
    images[0] = 1  # the array of the caller stays writable
    assert len(data.take(1)) == 1 and len(data.take(9)) == 2
