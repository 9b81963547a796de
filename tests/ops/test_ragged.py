"""Ragged shapes: every blocked format, sizes that fit no block, on every axis, through every op
that cares about blocks. Right by the float64 meaning of the decoded values, or a typed error; and
packed where docs/shapes.md says so."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.formats import DType

FORMATS = [d for d in ex.DTYPES if d.kind == "blocked"]
SIZES = (0, 1, 31, 33, 37)
SHAPES = [(n, 5) for n in SIZES] + [(3, n) for n in SIZES] + [(2, 33, 7), (0, 3, 31), (37,), (1, 1)]
PRODUCTS = ((1, 1, 1), (31, 33, 37), (2, 31, 0), (0, 33, 2), (3, 0, 2), (5, 37, 1), (7, 64, 3))
"""(M, K, N) of matrix products."""
each_format = pytest.mark.parametrize("fmt", FORMATS, ids=str)


def numbers(shape: tuple[int, ...]) -> Any:
    """Normal numbers over some binades."""
    rng = np.random.default_rng(len(shape))
    x = rng.standard_normal(shape) * np.exp2(rng.integers(-3, 4, shape))
    return x.astype(np.float32)


def quantized(shape: tuple[int, ...], fmt: DType) -> list[tuple[ex.ExTensor, Any]]:
    """(packed, its values in float64) with blocks along every axis that the format can take."""
    tiled = isinstance(fmt, ex.Block) and fmt.shape[0] > 1
    axes = range(max(0, len(shape) - 2), len(shape)) if tiled else range(len(shape))
    made = [ex.quantize(numbers(shape), fmt, axis=axis) for axis in axes]
    return [(q, q.numpy().astype(np.float64)) for q in made]


def same(answer: ex.ExTensor, wanted: Any, packed: DType | None = None) -> None:
    """Equal values (nothing was rounded), in the format that was promised."""
    assert answer.shape == wanted.shape
    np.testing.assert_array_equal(answer.numpy().astype(np.float64), wanted)
    if packed is not None:
        assert answer.dtype == packed, "it should have stayed packed"
    if answer.dtype.kind == "blocked":
        again = ex.from_codes(
            answer.codes, answer.scales, answer.dtype, axis=answer.axis,
            tensor_scale=answer.tensor_scale,
        )  # fmt: skip
        np.testing.assert_array_equal(again.numpy(), answer.numpy())
        assert again.nbytes == answer.nbytes, "padding that is no part of a block"


def along(fmt: DType) -> bool:
    """Whether blocks run along one axis: rows may move."""
    return isinstance(fmt, ex.Block) and fmt.shape[0] == 1


@each_format
def test_quantize_and_dequantize(fmt: DType) -> None:
    assert isinstance(fmt, ex.Block)
    for shape in SHAPES:
        for q, values in quantized(shape, fmt):
            assert q.shape == shape and np.isfinite(values).all()
            if fmt.shape[0] == 1:
                blocks = list(shape)
                blocks[q.axis] = -(-shape[q.axis] // fmt.length)
                assert q.scales.shape == tuple(blocks)
            same(q, ex.dequantize(q).numpy().astype(np.float64), fmt)
            largest = np.abs(numbers(shape)).max(initial=0.0)
            assert (np.abs(values - numbers(shape)) <= 0.26 * largest).all()


@each_format
def test_a_tail_does_not_see_its_neighbours(fmt: DType) -> None:
    """Rows by themselves have the bytes that they have together: no block crosses a row."""
    if not along(fmt) or (isinstance(fmt, ex.Block) and fmt.tensor_scale):
        return  # one scale of a whole tensor, or of neighbouring rows, sees them all
    for n in (1, 31, 33, 37):
        x = numbers((4, n))
        whole = ex.quantize(x, fmt).numpy()
        alone = np.concatenate([ex.quantize(row, fmt).numpy()[None] for row in x])
        np.testing.assert_array_equal(whole, alone)


@each_format
def test_reshape(fmt: DType) -> None:
    for shape in SHAPES:
        for q, values in quantized(shape, fmt):
            same(q.reshape(*shape), values, fmt if along(fmt) else None)
            same(q.reshape(*shape, 1), values.reshape(*shape, 1), fmt if along(fmt) else None)
            count = int(np.prod(shape))
            same(q.reshape(count), values.reshape(count))
            if count:
                same(q.reshape(-1), values.reshape(-1))
            with pytest.raises(ex.ShapeError):
                q.reshape(count + 1)


@each_format
def test_transpose_and_permute(fmt: DType) -> None:
    for shape in SHAPES:
        for q, values in quantized(shape, fmt):
            same(q.T, values.T, fmt if along(fmt) or len(shape) == 2 else None)
            axes = (*range(1, len(shape)), 0)
            same(q.permute(axes=axes), values.transpose(axes), fmt if along(fmt) else None)


@each_format
def test_concat_and_stack(fmt: DType) -> None:
    assert isinstance(fmt, ex.Block)
    for shape in SHAPES:
        for q, values in quantized(shape, fmt):
            for axis in range(len(shape)):
                whole = along(fmt) and axis != q.axis and not fmt.tensor_scale
                wanted = np.concatenate([values, values, values], axis)
                same(ex.concat([q, q, q], axis=axis), wanted, fmt if whole else None)
            whole = along(fmt) and not fmt.tensor_scale
            same(ex.stack([q, q], axis=0), np.stack([values] * 2), fmt if whole else None)
    one, other = ex.quantize(numbers((3, 31)), fmt), ex.quantize(numbers((3, 33)), fmt)
    joined = np.concatenate([one.numpy(), other.numpy()], 1).astype(np.float64)
    same(ex.concat([one, other], axis=1), joined)
    with pytest.raises(ex.ShapeError):
        ex.concat([one, other], axis=0)


@each_format
def test_indexing(fmt: DType) -> None:
    for shape in SHAPES:
        for q, values in quantized(shape, fmt):
            last = q.axis == len(shape) - 1 and len(shape) > 1
            rows = fmt if along(fmt) and last else None
            same(q[1:], values[1:], rows)
            same(q[::2], values[::2], rows)
            same(q[::-1], values[::-1], rows)
            same(q[..., :1], values[..., :1])
            same(q[..., ::3], values[..., ::3])
            same(q[None], values[None])
            if shape[0]:
                same(q[-1], values[-1], rows)
                same(q[np.array([0, 0, -1])], values[[0, 0, -1]], rows)
                mask = np.arange(shape[0]) % 2 == 0
                same(q[mask], values[mask], rows)
            with pytest.raises(ex.IndexShapeError):
                q[shape[0]]
            with pytest.raises(ex.IndexShapeError):
                q[np.array([shape[0]])]


@each_format
def test_flip_and_roll(fmt: DType) -> None:
    for shape in SHAPES:
        for q, values in quantized(shape, fmt):
            for axis in range(len(shape)):
                packed = fmt if along(fmt) and axis != q.axis else None
                same(ex.flip(q, axis=axis), np.flip(values, axis), packed)
                same(ex.roll(q, 2, axis=axis), np.roll(values, 2, axis), packed)


@each_format
def test_split(fmt: DType) -> None:
    """Parts by slices, which joined again are the whole."""
    for n in (1, 31, 33, 37):
        for q, values in quantized((n, 5), fmt):
            cut = (n + 1) // 2
            parts = [q[:cut], q[cut:]]
            same(parts[0], values[:cut])
            same(parts[1], values[cut:])
            same(ex.concat(parts, axis=0), values)
            assert [r.shape for r in q] == [(5,)] * n


@each_format
def test_matmul(fmt: DType) -> None:
    """Every way to lay the blocks, inner and outer sizes that fit none; exact and fast."""
    for m, k, n in PRODUCTS:
        for a, x in quantized((m, k), fmt):
            for b, y in quantized((k, n), fmt):
                bound = (k + 8) * 2.0**-24 * (np.abs(x) @ np.abs(y)) + 1e-30
                for exact in (False, True):
                    answer = ex.matmul(a, b, exact=exact)
                    assert answer.dtype == ex.float32 and answer.shape == (m, n)
                    assert (np.abs(answer.numpy() - x @ y) <= bound).all()
                native = ex.matmul(ex.asarray(x.astype(np.float32)), b)
                assert (np.abs(native.numpy() - x @ y) <= bound).all()
            with pytest.raises(ex.ShapeError):
                ex.matmul(a, ex.quantize(numbers((k + 1, 2)), fmt, axis=-1))


@each_format
def test_conv2d(fmt: DType) -> None:
    """Images and kernels of odd sizes, packed along every axis, against a float64 convolution."""
    for x_shape, w_shape in [((1, 3, 7, 5), (2, 3, 3, 3)), ((2, 1, 1, 31), (1, 1, 1, 1)),
                             ((3, 5, 4, 4), (7, 5, 2, 3))]:  # fmt: skip
        for (q, x), (r, w) in zip(quantized(x_shape, fmt), quantized(w_shape, fmt), strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))
            wanted = np.einsum("ncijuv,ocuv->noij", windows, w)
            bound = (
                (w[0].size + 8)
                * 2.0**-24
                * np.einsum("ncijuv,ocuv->noij", np.abs(windows), np.abs(w))
            )
            answer = ex.conv2d(q, r)
            assert answer.dtype == ex.float32
            assert (np.abs(answer.numpy() - wanted) <= bound).all()
    for q, _ in quantized((1, 2, 2, 2), fmt):
        with pytest.raises(ex.ShapeError):
            ex.conv2d(q, ex.asarray(numbers((1, 2, 3, 3))))


@each_format
def test_no_axes(fmt: DType) -> None:
    """A single number has no axis for blocks."""
    with pytest.raises(ex.ShapeError, match="axis"):
        ex.quantize(np.float32(1.5), fmt)
    with pytest.raises(ex.ShapeError, match="axis"):
        ex.quantize(numbers((3, 31)), fmt, axis=2)
