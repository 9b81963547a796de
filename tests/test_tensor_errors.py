"""Bad input to tensors: each with its typed error, and a text that says what to do."""

from typing import Any

import numpy as np
import pytest

import extensor as ex

X = ex.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
CUBE = np.ones((2, 3, 4), int)
NAN = np.array([[1.0, np.nan], [np.inf, 2.0]], np.float32)

CASES: dict[str, tuple[Any, type[Exception], str]] = {
    "unknown dtype": (lambda: ex.dtype("float33"), ex.DTypeError, "did you mean 'float32'"),
    "unknown dtype of asarray": (
        lambda: ex.asarray([1.0], dtype="bfloat17"), ex.DTypeError, "did you mean 'bfloat16'"),
    "unknown dtype of quantize": (
        lambda: ex.quantize(X, "mxpf4"), ex.DTypeError, "did you mean 'mxfp4'"),
    "unknown dtype of a class": (lambda: ex.ExTensor["nvfp5"], ex.DTypeError, "did you mean"),
    "unknown dtype of to": (lambda: X.to("int65"), ex.DTypeError, "did you mean 'int64'"),
    "unknown attribute of DType": (
        lambda: ex.DType.mxfp5, AttributeError, "did you mean"),
    "no format for a NumPy type": (
        lambda: ex.asarray(np.zeros(2, "M8[s]")), ex.DTypeError, "datetime64.s. has no format"),
    "shapes that do not broadcast": (
        lambda: X + ex.asarray([1.0, 2.0]), ex.ShapeError, r"add: shapes \(2, 3\) and \(2,\)"),
    "shapes that do not multiply": (
        lambda: X @ X, ex.ShapeError, r"matmul: shapes \(2, 3\) and \(2, 3\)"),
    "shapes of a layer": (
        lambda: ex.nn.Linear(4, 2, recipe=ex.recipes.get("mxfp8"))(X), ex.ShapeError,
        r"linear: shapes \(2, 3\) and \(2, 4\)"),
    "reshape": (lambda: X.reshape(4), ex.ShapeError, r"\(2, 3\)"),
    "axis of a sum": (lambda: X.sum(axis=2), ex.ShapeError, r"axis 2 .*dimension 2"),
    "float index": (lambda: X[1.5], ex.IndexShapeError, "1.5 is a float; allowed: integers"),
    "float index in a tensor": (
        lambda: X[ex.asarray([0.0])], ex.IndexShapeError, "is a float; allowed: integers"),
    "index out of range": (lambda: X[2], IndexError, r"index 2 is out of bounds"),
    "too many indices": (lambda: X[0, 0, 0], ex.IndexShapeError, "too many indices"),
    "wrong block axis": (
        lambda: ex.quantize(X, ex.mxfp4, axis=2), ex.ShapeError,
        r"quantize: axis 2 for shape \(2, 3\); allowed: -2 \.\. 1"),
    "block axis of a number": (
        lambda: ex.quantize(ex.asarray(1.0), ex.mxfp4), ex.ShapeError, "at least one axis"),
    "axis of tiles": (
        lambda: ex.quantize(np.ones((2, 3, 4)), ex.nvfp4_2d, axis=0), ex.ShapeError,
        r"tiles \(16, 16\) span the last two axes"),
    "axis of from_codes": (
        lambda: ex.from_codes([[1]], [[1]], ex.mxfp4, axis=2), ex.ShapeError, "axis 2"),
    "axis of tiles of from_codes": (
        lambda: ex.from_codes(CUBE, CUBE[:1], ex.nvfp4_2d, axis=0), ex.ShapeError,
        r"tiles \(16, 16\) span the last two axes"),
    "code out of range": (
        lambda: ex.from_codes([[16]], [[1]], ex.mxfp4), ex.FormatError,
        r"code 16 is outside of float4_e2m1fn; allowed: 0 \.\. 15"),
    "negative code": (
        lambda: ex.from_codes([[-1]], [[1]], ex.mxfp4), ex.FormatError, "code -1 is outside"),
    "code out of range, coded": (
        lambda: ex.from_codes([64], None, ex.float6_e2m3fn), ex.FormatError, r"0 \.\. 63"),
    "scale code out of range": (
        lambda: ex.from_codes([[1]], [[256]], ex.mxfp4), ex.FormatError,
        r"code 256 is outside of float8_e8m0fnu; allowed: 0 \.\. 255"),
    "negative scale code": (
        lambda: ex.from_codes([[1]], [[-1]], ex.nvfp4), ex.FormatError, "code -1 is outside"),
    "scales that are no codes": (
        lambda: ex.from_codes([[1]], [[0.5]], ex.mxfp4), ex.FormatError, "scales of float64"),
    "codes that are no integers": (
        lambda: ex.from_codes([[1.0]], [[1]], ex.mxfp4), ex.FormatError, "allowed: integers"),
    "scales of another shape": (
        lambda: ex.from_codes(np.ones((2, 40), int), [[1]], ex.mxfp4), ex.ShapeError,
        r"scales of shape \(1, 1\) for codes of shape \(2, 40\).*allowed: \(2, 2\)"),
    "a tensor scale too many": (
        lambda: ex.from_codes([[1]], [[1]], ex.mxfp4, tensor_scale=2.0), ex.FormatError,
        "no tensor scale"),
    "no codes": (lambda: X.codes, ex.DTypeError, "codes: a tensor of float32 has none"),
    "codes for a native format": (
        lambda: ex.from_codes([1], None, ex.float32), ex.DTypeError, "float32 has no codes"),
    "nan with raise": (
        lambda: ex.quantize(NAN, ex.mxfp4, nonfinite="raise"), ex.FormatError,
        r"nan at \(matrix, row, column\) \(0, 0, 1\).*'saturate'"),
    "inf with raise": (
        lambda: ex.quantize(NAN[1:], ex.nvfp4, nonfinite="raise"), ex.FormatError, "inf at"),
    "nan for a format without one": (
        lambda: ex.asarray(NAN, ex.float4_e2m1fn), ex.FormatError, "nan, which the format cannot"),
    "stochastic without a key": (
        lambda: ex.quantize(X, ex.mxfp4, rounding="stochastic"), ex.KeyMissingError,
        r"key=ex\.key\(seed\)"),
    "unknown policy": (
        lambda: ex.quantize(X, ex.mxfp4, nonfinite="rise"), ex.FormatError, "did you mean 'raise'"),
    "a quantizer and choices": (
        lambda: ex.quantize(X, ex.Quantizer(ex.mxfp4), rounding="up"), ex.FormatError,
        "one of them"),
    "no blocks": (lambda: ex.quantize(X, ex.float16), ex.DTypeError, r"no blocks.*x\.to"),
    "ragged lists": (lambda: ex.asarray([[1.0], [1.0, 2.0]]), ex.ShapeError, "unequal lengths"),
    "no numbers": (lambda: ex.asarray(object()), ex.ShapeError, "no numbers"),
    "unknown device": (
        lambda: ex.asarray([1.0], device="gpu"), ex.DispatchError, "allowed: cpu, cuda"),
    "item of many": (lambda: X.item(), ex.ShapeError, r"\(2, 3\) is not a single number"),
    "truth of many": (lambda: bool(X), ex.ShapeError, "not a single number"),
    "length of a number": (lambda: len(ex.asarray(1.0)), ex.ShapeError, "no axes"),
    "unknown attribute": (lambda: X.quantise, AttributeError, "no attribute 'quantise'"),
    "a rotated tensor in a sum": (
        lambda: ex.quantize(X, ex.mxfp4, hadamard=16) + X, ex.DTypeError,
        r"rotated or prescaled.*ex\.dequantize"),
    "a rotated tensor in a product with a plain one": (
        lambda: ex.quantize(X, ex.mxfp4, hadamard=16) @ X.T, ex.DTypeError, "equal transform"),
    "unknown op": (lambda: ex.explain("addd", X), ex.DispatchError, "no op 'addd'; known"),
    "text": (lambda: ex.asarray(["a"]), ex.DTypeError, "has no format"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input(case: str) -> None:
    run, kind, message = CASES[case]
    with pytest.raises(kind, match=message) as caught:
        run()
    assert isinstance(caught.value, ex.ExtensorError | AttributeError)


def test_errors_are_the_builtin_ones_too() -> None:
    pairs: list[tuple[type[Exception], type[Exception]]] = [
        (ex.DTypeError, TypeError), (ex.ShapeError, ValueError), (ex.FormatError, ValueError),
        (ex.IndexShapeError, IndexError), (ex.GraphError, RuntimeError),
        (ex.OutOfMemoryError, MemoryError), (ex.DispatchError, TypeError),
    ]  # fmt: skip
    for kind, builtin in pairs:
        assert issubclass(kind, builtin) and issubclass(kind, ex.ExtensorError)


def test_other_policies_for_what_is_not_finite() -> None:
    """The block that holds a NaN decodes to NaN, its neighbour does not; or it saturates."""
    x = np.ones((2, 40), np.float32)
    x[0, 3], x[1, 35] = np.nan, -np.inf
    spread = ex.quantize(x, ex.mxfp4).numpy()
    assert np.isnan(spread[0, :32]).all() and np.isnan(spread[1, 32:]).all()
    assert (spread[0, 32:] == 1).all() and (spread[1, :32] == 1).all()
    held = ex.quantize(x, ex.mxfp4, nonfinite="saturate").numpy()
    assert held[0, 3] == held[0].max() and held[1, 35] == held[1].min() and np.isfinite(held).all()
