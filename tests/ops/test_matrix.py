"""The op x dtype matrix: every cell computes what the op means, or raises a typed error."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.formats import DTYPES, DType
from extensor.ops.registry import Op, Sample
from tests.ops.table import ROUNDING, draw, values_for

CELLS = [
    pytest.param(row, dtype, id=f"{row.name}-{dtype}")
    for row in ex.OPS.values()
    for dtype in DTYPES
    if row.name not in ("cast", "quantize", "unclipped", "rotate", "one_hot")
]


def operands(row: Op, sample: Sample, dtype: DType) -> list[Any]:
    """Tensors of this format; labels and conditions stay what they are."""
    made = []
    for i, x in enumerate(draw(row, sample)):
        typed = i in range(len(sample.shapes))[row.typed]
        if not typed or isinstance(sample.shapes[i], np.ndarray):
            made.append(ex.asarray(x if isinstance(sample.shapes[i], np.ndarray) else x > 0))
        else:
            made.append(ex.asarray(values_for(dtype, x), dtype))
    return made


def expected_dtype(row: Op, dtype: DType) -> str:
    """The promotion rule of the interface, written out once more."""
    if row.result in ("bool", "index"):
        return {"bool": "bool", "index": "int64"}[row.result]
    narrow = dtype.kind == "blocked" or (dtype.kind == "coded" and dtype.name != "bfloat16")
    if row.result == "same" and dtype.kind == "coded":
        return dtype.name
    if row.result == "sum" and not dtype.is_float:
        return "uint64" if dtype.name.startswith("u") else "int64"
    if row.name == "permute" and dtype.kind == "blocked" and dtype.name != "nvfp4_2d":
        return dtype.name  # whole rows move: the tensor stays packed
    if narrow or (row.result == "float" and not dtype.is_float):
        return "float32"
    return dtype.name


def exact(tensor: Any) -> Any:
    array = tensor.numpy()
    return array if array.dtype.kind in "iub" else np.asarray(array, np.float64)


@pytest.mark.parametrize(("row", "dtype"), CELLS)
def test_cell(row: Op, dtype: DType) -> None:
    sample = row.samples[0]
    tensors = operands(row, sample, dtype)
    integers = not dtype.is_float
    try:
        with np.errstate(all="ignore"):
            answer = row(*tensors, **sample.attributes)
    except ex.ExtensorError as error:
        no_zero = row.fills and dtype.name == "float8_e8m0fnu"
        assert integers or no_zero, f"{row.name} on {dtype} raised {error}"
        assert isinstance(error, ex.DTypeError | ex.ShapeError)
        return
    inputs = [exact(t) for t in tensors]
    if row.result in ("float", "sum"):
        inputs = [np.asarray(x, np.float64) if x.dtype.kind in "iub" and i in range(
            len(inputs))[row.typed] else x for i, x in enumerate(inputs)]  # fmt: skip
    with np.errstate(all="ignore"):
        meant = row.meaning(*inputs, **sample.attributes)
    if row.aux:
        meant = meant[0].array
    assert answer.dtype.name == expected_dtype(row, dtype)
    tolerance = ROUNDING.get(answer.dtype.name, 0.0)
    if answer.dtype.kind == "coded" and answer.dtype.name != "bfloat16":
        tolerance = 0.0
    inside = max(tolerance, ROUNDING["float32"] if tolerance and dtype.name != "float64" else 0)
    np.testing.assert_allclose(
        np.asarray(exact(answer), np.float64), np.asarray(meant, np.float64),
        rtol=40 * inside, atol=40 * inside,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_explain_says_what_runs(dtype: DType) -> None:
    x = ex.asarray(values_for(dtype, np.ones((2, 32))), dtype)
    text = ex.explain("add", x, x)
    assert f"add({dtype}, {dtype})" in text
    assert ("numpy" in text) if dtype.kind == "native" else ("fallback" in text)
