"""Every differentiable op: first and second derivatives against finite differences in float64."""

import numpy as np
import pytest

import extensor as ex
from extensor.formats import FP32
from extensor.ops.registry import Op, Sample
from tests.ops.table import draw, rows


def test_every_row_has_samples_and_a_sentence() -> None:
    for name, row in ex.OPS.items():
        assert row.samples, f"{name} has no sample: it would escape every test"
        assert row.doc, name


@pytest.mark.parametrize(("row", "sample"), rows(lambda r: r.grad and r.smooth >= 1))
def test_gradient_equals_finite_differences(row: Op, sample: Sample) -> None:
    inputs = draw(row, sample)
    if row.aux:  # float32 inside: a larger step and tolerance
        f = lambda *xs: row(*(ex.ops.cast(x, dtype=FP32) for x in xs), **sample.attributes)  # noqa: E731
        assert ex.gradcheck(f, inputs, rtol=2e-2, atol=2e-2, step=1e-2)
    else:
        assert ex.gradcheck(lambda *xs: row(*xs, **sample.attributes), inputs)


@pytest.mark.parametrize(("row", "sample"), rows(lambda r: r.grad and r.smooth >= 2))
def test_second_derivative_equals_finite_differences(row: Op, sample: Sample) -> None:
    assert ex.gradgradcheck(lambda *xs: row(*xs, **sample.attributes), draw(row, sample))


@pytest.mark.parametrize(("row", "sample"), rows(lambda r: r.grad and r.smooth == 0))
def test_straight_through_gradient_is_its_formula(row: Op, sample: Sample) -> None:
    (array,) = draw(row, sample)
    x = ex.asarray(array.astype(np.float32), requires_grad=True)
    g = np.random.default_rng(1).standard_normal(array.shape).astype(np.float32)
    y = row(x, **sample.attributes)
    y.backward(ex.asarray(g))
    assert x.grad is not None
    if row.name == "rotate":  # linear and orthogonal: <g, R x> = <Rᵀ g, x>
        left = float((g * y.numpy()).sum(dtype=np.float64))
        right = float((x.grad.numpy() * array).sum(dtype=np.float64))
        assert left == pytest.approx(right, rel=1e-4)
    elif getattr(sample.attributes.get("quantizer"), "ste", "pass") == "clip":
        mask = ex.ops.unclipped(x.detach(), quantizer=sample.attributes["quantizer"])
        np.testing.assert_array_equal(x.grad.numpy(), g * mask.numpy())
    else:
        np.testing.assert_array_equal(x.grad.numpy(), g)
