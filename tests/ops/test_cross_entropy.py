"""Cross entropy against PyTorch: ignored labels, smoothing, any leading axes."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from tests.ops.peer import BOUNDS, agree

HOW: list[dict[str, Any]] = [
    {}, {"ignore_index": -100}, {"ignore_index": 2}, {"label_smoothing": 0.1},
    {"label_smoothing": 1.0}, {"ignore_index": -1, "label_smoothing": 0.3},
]  # fmt: skip


def operands(*lead: int, classes: int = 7, ignored: int | None = None) -> list[Any]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, lead)
    if ignored is not None:
        labels.reshape(-1)[::3] = ignored
    return [rng.standard_normal((*lead, classes)) * 3, labels]


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("lead", [(6,), (2, 5), (2, 3, 4)])
def test_cross_entropy(lead: tuple[int, ...], how: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = {"ignore_index": -100, **how}
    agree(
        lambda z, t: ex.cross_entropy(z, t, **how),
        lambda z, t: torch.nn.functional.cross_entropy(z.flatten(0, -2), t.flatten(), **theirs),
        operands(*lead, ignored=how.get("ignore_index")), dtype,
    )  # fmt: skip


def test_one_row_needs_no_axis() -> None:
    z = np.array([0.5, -1.0, 2.0])
    wanted = np.log(np.exp(z).sum()) - z[1]
    assert float(ex.cross_entropy(z, np.int64(1))) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("kind", ["uint8", "int32"])
def test_labels_of_any_integer_type(kind: str) -> None:
    z, labels = operands(6)
    labels = labels.astype(kind)
    plain = ex.cross_entropy(z, labels.astype(np.int64), ignore_index=3)
    np.testing.assert_array_equal(
        ex.cross_entropy(z, labels, ignore_index=3).numpy(), plain.numpy()
    )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_batch_of_ignored_labels_has_no_mean() -> None:
    z, labels = operands(4)
    assert np.isnan(float(ex.cross_entropy(z, np.full_like(labels, -1), ignore_index=-1)))


def test_an_ignored_row_may_hold_anything() -> None:
    z, labels = operands(4)
    labels[1] = -1
    changed = z.copy()
    changed[1] = np.nan
    x = ex.asarray(changed, requires_grad=True)
    loss = ex.cross_entropy(x, labels, ignore_index=-1)
    assert float(loss) == float(ex.cross_entropy(z, labels, ignore_index=-1))
    loss.backward()
    assert x.grad is not None
    assert not x.grad.numpy()[1].any() and x.grad.numpy()[0].all()


def test_large_logits_do_not_overflow() -> None:
    z = np.array([[1e4, -1e4, 0.0]], np.float32)
    assert float(ex.cross_entropy(z, [0])) == 0.0
    assert float(ex.cross_entropy(z, [1])) == 2e4


def test_errors() -> None:
    z, labels = operands(2, 3)
    with pytest.raises(ex.ShapeError, match=r"logits \(2, 3, 7\) and labels \(3,\) of int64"):
        ex.cross_entropy(z, labels[0])
    with pytest.raises(ex.ShapeError, match="of float32; allowed: .* integers"):
        ex.cross_entropy(z, labels.astype(np.float32))
    with pytest.raises(ex.ShapeError, match=r"must lie in 0 \.\. 6$"):
        ex.cross_entropy(z, labels + 5)
    with pytest.raises(ex.ShapeError, match=r"0 \.\. 6, or be -1 to be ignored"):
        ex.cross_entropy(z, labels - 3, ignore_index=-1)
    with pytest.raises(ex.FormatError, match=r"label_smoothing=1\.5; allowed: 0 \.\. 1"):
        ex.cross_entropy(z, labels, label_smoothing=1.5)
