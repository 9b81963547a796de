"""Shape ops keep packed tensors packed where whole blocks move, and decode to the same values."""

from typing import Any

import numpy as np
import pytest

import extensor as ex

X = np.random.default_rng(0).standard_normal((3, 4, 40)).astype(np.float32)


def same(packed: Any, expected: Any, dtype: Any) -> None:
    assert packed.dtype == dtype
    np.testing.assert_array_equal(packed.numpy(), expected)


@pytest.mark.parametrize("fmt", [ex.mxfp4, ex.mxfp6_e3m2, ex.mxint8, ex.nvfp4], ids=str)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_permute(fmt: Any, axis: int, axes: tuple[int, ...]) -> None:
    q = ex.quantize(X, fmt, axis=axis)
    same(q.permute(axes=axes), q.numpy().transpose(axes), fmt)


def test_transposed_tiles_stay_packed() -> None:
    q = ex.quantize(X[0], ex.nvfp4_2d)
    same(q.T, q.numpy().T, ex.nvfp4_2d)
    np.testing.assert_array_equal(q.T.scales, q.scales.T)


def test_reshape_index_and_concat_of_rows() -> None:
    q = ex.quantize(X, ex.mxfp4)
    same(q.reshape(12, 40), q.numpy().reshape(12, 40), ex.mxfp4)
    same(q.reshape(-1, 40), q.numpy().reshape(12, 40), ex.mxfp4)
    same(q[1], q.numpy()[1], ex.mxfp4)
    same(q[1:, ::2], q.numpy()[1:, ::2], ex.mxfp4)
    same(q[np.array([2, 0])], q.numpy()[[2, 0]], ex.mxfp4)
    same(ex.concat([q, q], axis=1), np.concatenate([q.numpy()] * 2, axis=1), ex.mxfp4)


def test_what_would_cut_a_block_is_decoded() -> None:
    q = ex.quantize(X, ex.mxfp4)
    same(q.reshape(3, 160), q.numpy().reshape(3, 160), ex.float32)
    same(q[:, :, 3], q.numpy()[:, :, 3], ex.float32)
    same(ex.concat([q, q], axis=2), np.concatenate([q.numpy()] * 2, axis=2), ex.float32)
