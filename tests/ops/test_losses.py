"""Losses against PyTorch: values, gradients, reductions, ends of their domains."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from tests.ops.peer import BOUNDS, agree

both = pytest.mark.parametrize("dtype", BOUNDS)
reductions = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def functional() -> Any:
    return pytest.importorskip("torch").nn.functional


def arrays(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s) for s in shapes]


@both
@reductions
@pytest.mark.parametrize(
    ("mine", "theirs", "how"),
    [
        ("l1_loss", "l1_loss", {}),
        ("mse_loss", "mse_loss", {}),
        ("huber_loss", "huber_loss", {"delta": 0.7}),
        ("smooth_l1_loss", "smooth_l1_loss", {"beta": 0.4}),
        ("smooth_l1_loss", "smooth_l1_loss", {"beta": 0.0}),
    ],
)
def test_distances(mine: str, theirs: str, how: dict[str, Any], reduction: str, dtype: str) -> None:
    peer = getattr(functional(), theirs)
    agree(
        lambda a, b: getattr(ex, mine)(a, b, reduction=reduction, **how),
        lambda a, b: peer(a, b, reduction=reduction, **how),
        arrays((4, 5), (4, 5)), dtype,
    )  # fmt: skip


@both
@reductions
@pytest.mark.parametrize("words", ["", "weight", "pos_weight", "both"])
def test_bce_with_logits(words: str, reduction: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    given = {n: rng.uniform(0.5, 2, 5) for n in ("weight", "pos_weight") if words in (n, "both")}
    mine = {n: v.astype(dtype) for n, v in given.items()}
    theirs = {n: torch.from_numpy(v) for n, v in mine.items()}
    z, t = arrays((4, 5), (4, 5))
    z[0, :2] = 60, -60
    agree(
        lambda z, t: ex.bce_with_logits(z, t, reduction=reduction, **mine),
        lambda z, t: functional().binary_cross_entropy_with_logits(
            z, t, reduction=reduction, **theirs
        ),
        [z, 1 / (1 + np.exp(-t))], dtype,
    )  # fmt: skip


@both
@reductions
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore", [None, 2])
def test_nll_loss(ignore: int | None, weighted: bool, reduction: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.5, 2, 5).astype(dtype) if weighted else None
    labels = np.array([0, 2, 4, 2, 1, 3])
    their_weight = None if weight is None else torch.from_numpy(weight)
    agree(
        lambda x, t: ex.nll_loss(
            x, t, weight=weight, ignore_index=ignore, reduction=reduction),
        lambda x, t: functional().nll_loss(
            x, t, weight=their_weight, reduction=reduction,
            ignore_index=-100 if ignore is None else ignore),
        [*arrays((6, 5)), labels], dtype,
    )  # fmt: skip


@both
@reductions
@pytest.mark.parametrize("how", [{}, {"ignore_index": 2}, {"label_smoothing": 0.2}])
def test_reductions_of_cross_entropy(how: dict[str, Any], reduction: str, dtype: str) -> None:
    labels = np.array([0, 2, 4, 2, 1, 3])
    agree(
        lambda x, t: ex.cross_entropy(x, t, reduction=reduction, **how),
        lambda x, t: functional().cross_entropy(x, t, reduction=reduction, **how),
        [*arrays((6, 5)), labels], dtype,
    )  # fmt: skip


def test_nll_of_log_softmax_is_cross_entropy() -> None:
    (x,) = arrays((2, 3, 5))
    labels = np.array([[0, 1, 4], [2, 2, 3]])
    one, two = ex.nll_loss(ex.log_softmax(x), labels), ex.cross_entropy(x, labels)
    assert float(one) == pytest.approx(float(two), rel=1e-12)


@both
@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div(log_target: bool, reduction: str, dtype: str) -> None:
    x, t = arrays((4, 5), (4, 5))
    t = np.log(np.exp(t) / np.exp(t).sum(-1, keepdims=True))
    agree(
        lambda x, t: ex.kl_div(x, t, reduction=reduction, log_target=log_target),
        lambda x, t: functional().kl_div(x, t, reduction=reduction, log_target=log_target),
        [x, t if log_target else np.exp(t)], dtype,
    )  # fmt: skip
    zero = ex.kl_div(x, np.zeros((4, 5)), reduction="sum")
    assert float(zero) == 0.0


@both
@reductions
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_loss(alpha: float | None, reduction: str, dtype: str) -> None:
    """The definition, as torchvision writes it."""
    labels = (np.random.default_rng(3).uniform(size=(4, 5)) < 0.5).astype(np.int64)

    def theirs(z: Any, t: Any) -> Any:
        t = t.to(z.dtype)
        p = z.sigmoid()
        cost = functional().binary_cross_entropy_with_logits(z, t, reduction="none")
        loss = cost * (1 - (p * t + (1 - p) * (1 - t))) ** 2.0
        if alpha is not None:
            loss = (alpha * t + (1 - alpha) * (1 - t)) * loss
        return loss if reduction == "none" else getattr(loss, reduction)()

    agree(
        lambda z, t: ex.focal_loss(z, t.to(z.dtype), alpha=alpha, reduction=reduction),
        theirs, [*arrays((4, 5)), labels], dtype,
    )  # fmt: skip


@both
@reductions
def test_hinge_loss(reduction: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    scores, signs = arrays((20,), (20,))
    signs = np.where(signs > 0, 1, -1)

    def theirs(s: Any, y: Any) -> Any:
        loss = torch.clamp(1.5 - y * s, min=0)
        return loss if reduction == "none" else getattr(loss, reduction)()

    agree(
        lambda s, y: ex.hinge_loss(s, y, margin=1.5, reduction=reduction),
        theirs, [scores, signs], dtype,
    )  # fmt: skip


@both
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cosine_similarity(axis: int, dtype: str) -> None:
    agree(
        lambda a, b: ex.cosine_similarity(a, b, axis=axis),
        lambda a, b: functional().cosine_similarity(a, b, dim=axis),
        arrays((4, 5, 3), (4, 5, 3)), dtype,
    )  # fmt: skip
    x = ex.asarray(np.zeros((2, 3)), requires_grad=True)
    ex.cosine_similarity(x, np.ones((2, 3))).sum().backward()
    assert x.grad is not None and np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize(
    ("name", "how"),
    [("bce_with_logits", {}), ("focal_loss", {"gamma": 1.5}), ("huber_loss", {"delta": 0.7}),
     ("smooth_l1_loss", {"beta": 0.3}), ("kl_div", {}), ("cosine_similarity", {})],
)  # fmt: skip
def test_second_derivatives(name: str, how: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    inputs = [rng.uniform(0.1, 0.9, (3, 4)), rng.uniform(0.1, 0.9, (3, 4))]
    assert ex.gradgradcheck(lambda a, b: getattr(ex, name)(a, b, **how), inputs)


def test_second_derivative_of_nll() -> None:
    labels = np.array([0, 2, 1])
    x = np.random.default_rng(0).uniform(0.5, 2, (3, 4))
    assert ex.gradgradcheck(lambda x: ex.nll_loss(ex.log(x), labels, ignore_index=1), [x])


def test_errors() -> None:
    (x,) = arrays((3, 4))
    for name in ("l1_loss", "mse_loss", "huber_loss", "kl_div", "bce_with_logits", "hinge_loss"):
        with pytest.raises(ex.FormatError, match=f"{name}: reduction='max'; allowed: mean"):
            getattr(ex, name)(x, x, reduction="max")
    for labels, said in [([0, 1], "allowed: \\(..., classes\\)"), ([0, 4, 1], "0 .. 3"),
                         ([0, -1, 1], "0 .. 3")]:  # fmt: skip
        with pytest.raises(ex.ShapeError, match=said):
            ex.nll_loss(x, np.array(labels))
    with pytest.raises(ex.DTypeError, match="labels of float64"):
        ex.nll_loss(x, x[:, 0])
    with pytest.raises(ex.FormatError, match="delta=0; allowed"):
        ex.huber_loss(x, x, delta=0)
    with pytest.raises(ex.FormatError, match="beta=-1; allowed"):
        ex.smooth_l1_loss(x, x, beta=-1)
    with pytest.raises(ex.FormatError, match="cross_entropy: reduction="):
        ex.cross_entropy(x, np.array([0, 1, 2]), reduction="batchmean")
