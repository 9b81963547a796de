"""What functions refuse: the type of the error, and that it says what is allowed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import extensor as ex

X = np.ones((3, 4), np.float32)
CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: ex.broadcast_to(X, (4,)), ex.ShapeError, r"\(3, 4\) to \(4,\); allowed: new axes"),
    (lambda: ex.broadcast_arrays(X, X.T), ex.ShapeError, "do not broadcast"),
    (lambda: ex.concat([]), ex.ShapeError, "empty list"),
    (lambda: ex.concat([X, X.T]), ex.ShapeError, "equal lengths on every other axis"),
    (lambda: ex.concat([X], axis=2), ex.IndexShapeError, r"axis 2 .* allowed: -2 \.\. 1"),
    (lambda: ex.stack([X, X.T]), ex.ShapeError, "allowed: equal shapes"),
    (lambda: ex.expand_dims(X, axis=3), ex.IndexShapeError, r"allowed: -3 \.\. 2"),
    (lambda: ex.squeeze(X, 0), ex.ShapeError, "allowed: axes of length 1"),
    (lambda: ex.permute_dims(X, (0,)), ex.ShapeError, "allowed: every axis once"),
    (lambda: ex.permute_dims(X, (0, 0)), ex.ShapeError, "name one axis twice"),
    (lambda: ex.matrix_transpose(X[0]), ex.ShapeError, "two axes or more"),
    (lambda: ex.moveaxis(X, (0, 1), 0), ex.ShapeError, "as many of each"),
    (lambda: ex.roll(X, (1, 2, 3), axis=(0, 1)), ex.ShapeError, "allowed: one, or as many"),
    (lambda: ex.unstack(1.0), ex.IndexShapeError, "without axes"),
    (lambda: ex.tile(X, (-1,)), ex.ShapeError, "0 and more"),
    (lambda: ex.repeat(X, [1, 2], axis=0), ex.ShapeError, "an axis of 3 entries"),
    (lambda: ex.repeat(X, 0.5), ex.DTypeError, "allowed: integers"),
    (lambda: ex.pad(X, ((1, 1),)), ex.ShapeError, "for each axis"),
    (lambda: ex.pad(X, 1, mode="mirror"), ex.FormatError, "allowed: constant, edge"),  # type: ignore[arg-type]
    (lambda: ex.pad(X[:0], 1, mode="edge"), ex.ShapeError, "no entry for mode"),
    (lambda: ex.take(X, [0]), ex.ShapeError, "without an axis"),
    (lambda: ex.take(X, [3], axis=0), ex.IndexShapeError, r"allowed: -3 \.\. 2"),
    (lambda: ex.take(X, [0.5], axis=0), ex.DTypeError, "allowed: integers"),
    (lambda: ex.take_along_axis(X, [0]), ex.ShapeError, "as many axes"),
    (lambda: ex.take_along_axis(X, [[4]]), ex.IndexShapeError, r"allowed: -4 \.\. 3"),
    (lambda: ex.scatter_add(X[:1], X.astype(int), X), ex.ShapeError, "broadcasts to the tensor"),
    (lambda: ex.argmax(X[:0]), ex.ShapeError, "allowed: one or more"),
    (lambda: ex.argmin(X, axis=2), ex.IndexShapeError, r"allowed: -2 \.\. 1"),
    (lambda: ex.nonzero(1.0), ex.ShapeError, "without axes"),
    (lambda: ex.searchsorted(X, X), ex.ShapeError, "allowed: one axis"),
    (lambda: ex.topk(X, 5), ex.ShapeError, r"allowed: 0 \.\. 4"),
    (lambda: ex.sort(1.0), ex.IndexShapeError, "without axes"),
    (lambda: ex.tensordot(X, X, axes=1), ex.ShapeError, "pairs of axes of equal length"),
    (lambda: ex.tensordot(X, X, axes=3), ex.ShapeError, r"allowed: 0 \.\. 2"),
    (lambda: ex.vecdot(X, X[:, :2]), ex.ShapeError, "allowed: as many"),
    (lambda: ex.einsum("ij,jk->ik", X), ex.FormatError, "names 2 operands, 1 came"),
    (lambda: ex.einsum("i->i", X), ex.ShapeError, "names 1 axes of a tensor of 2"),
    (lambda: ex.einsum("ij->ik", X), ex.FormatError, "letters of operands, each once"),
    (lambda: ex.einsum("i1->i", X), ex.FormatError, "allowed: letters, commas"),
    (lambda: ex.einsum("ij,ij", X, X.T), ex.ShapeError, r"lengths \[3, 4\]"),
    (lambda: ex.einsum("ii", X), ex.ShapeError, "unequal lengths"),
    (lambda: ex.linalg.cross(X, X), ex.ShapeError, "three entries"),
    (lambda: ex.linalg.outer(X, X), ex.ShapeError, r"\(M,\) and \(N,\)"),
    (lambda: ex.linalg.diagonal(X[0]), ex.ShapeError, r"allowed: \(\.\.\., M, N\)"),
    (lambda: ex.linalg.inv(X), ex.ShapeError, r"allowed: \(\.\.\., M, M\)"),
    (lambda: ex.linalg.inv(X[:, :3]), ex.FormatError, "Singular matrix"),
    (lambda: ex.linalg.cholesky(-np.eye(2)), ex.FormatError, "not positive definite"),
    (lambda: ex.linalg.det(np.eye(2, dtype=int)), ex.DTypeError, "allowed: floats"),
    (lambda: ex.linalg.solve(np.eye(3), X.T), ex.ShapeError, r"\(M,\) or \(\.\.\., M, K\)"),
    (lambda: ex.linalg.qr(X, mode="raw"), ex.FormatError, "'reduced', 'complete'"),  # type: ignore[arg-type]
    (lambda: ex.linalg.matrix_norm(X, ord=3), ex.FormatError, "allowed: 'fro'"),
    (lambda: ex.fft.fft(X, norm="none"), ex.FormatError, "'backward', 'ortho', 'forward'"),  # type: ignore[arg-type]
    (lambda: ex.fft.fft(X, n=0), ex.ShapeError, "1 and more"),
    (lambda: ex.fft.irfft(X[:, :1]), ex.ShapeError, "2 entries and more"),
    (lambda: ex.fft.rfft(X + 0j), ex.DTypeError, "real floats"),
    (lambda: ex.fft.fftn(X, s=(2,), axes=(0, 1)), ex.ShapeError, "for each axis"),
    (lambda: ex.fft.fft(np.ones(3, int)), ex.DTypeError, "allowed: floats"),
    (lambda: ex.fft.fftfreq(0), ex.ShapeError, "1 and more"),
    (lambda: ex.fft.rfftfreq(4, dtype=ex.int8), ex.DTypeError, "allowed: floats"),
]


@pytest.mark.parametrize(("call", "kind", "text"), CASES)
def test_refused(call: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        call()
