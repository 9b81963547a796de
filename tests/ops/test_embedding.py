"""Embedding against PyTorch, formats, and indices it refuses."""

import numpy as np
import pytest

import extensor as ex
from extensor import ops
from tests.ops.peer import BOUNDS, agree

WEIGHT = np.random.default_rng(0).standard_normal((9, 32))


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("shape", [(), (4,), (2, 50), (2, 3, 4), (0,)])
def test_embedding(shape: tuple[int, ...], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    index = np.random.default_rng(1).integers(0, 9, shape)
    agree(
        ex.embedding,
        lambda w, i: torch.nn.functional.embedding(i, w),
        [WEIGHT, np.asarray(index)], dtype,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["uint8", "int32", "uint64"])
def test_integers_of_any_type(kind: str) -> None:
    index = np.array([8, 0, 8], kind)
    x = ex.asarray(WEIGHT.astype(np.float32), requires_grad=True)
    y = ex.embedding(x, index)
    np.testing.assert_array_equal(y.numpy(), WEIGHT.astype(np.float32)[index])
    y.sum().backward()
    assert x.grad is not None and x.grad.numpy()[:, 0].tolist() == [1, *[0] * 7, 2]


@pytest.mark.parametrize("fmt", ["bfloat16", "float8_e5m2", "mxfp4", "nvfp4"])
def test_narrow_tables_are_decoded(fmt: str) -> None:
    weight = ex.asarray(WEIGHT.astype(np.float32)).to(fmt)
    with ex.trace() as calls:
        y = ex.embedding(weight, [3, 3, 0])
    assert (calls[0].kernel == "packed rows") == (weight.dtype.kind == "blocked")
    wanted = np.asarray(weight.numpy(), np.float32)[[3, 3, 0]]
    np.testing.assert_array_equal(np.asarray(y.numpy(), np.float32), wanted)
    one = np.asarray(ex.embedding(weight, np.int64(3)).numpy(), np.float32)
    np.testing.assert_array_equal(one, wanted[0])


def test_errors() -> None:
    weight = WEIGHT.astype(np.float32)
    for wrong in ([0, 9], [-1, 0]):
        with pytest.raises(ex.IndexShapeError, match=r"allowed: 0 \.\. 8, the 9 rows"):
            ex.embedding(weight, wrong)
        with pytest.raises(ex.IndexShapeError, match=r"allowed: 0 \.\. 8"):
            ops.embedding_grad(weight[:2], wrong, count=9)
    with pytest.raises(ex.DTypeError, match="index of float32; allowed: integers"):
        ex.embedding(weight, [0.0])
    with pytest.raises(ex.ShapeError, match=r"weight of shape \(9, 32, 1\)"):
        ex.embedding(weight[..., None], [0])
    with pytest.raises(ex.ShapeError, match="embedding_grad: shapes"):
        ops.embedding_grad(weight, [0], count=9)
