"""Making tensors, showing them, and handing them to NumPy and back."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import extensor as ex
from extensor.formats import DTYPES, E2M1, E8M0

CODED = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float6_e2m3fn", "float6_e3m2fn",
         "float4_e2m1fn", "float8_e8m0fnu"]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_creation_in_every_format(dtype: ex.DType) -> None:
    made = ex.ExTensor[dtype].ones((2, 40))
    assert made.dtype == dtype and made.shape == (2, 40)
    inside = np.complex128 if dtype.is_complex else np.float64
    assert (np.asarray(made, inside) == 1).all()
    if dtype.name != "float8_e8m0fnu":  # which has no zero
        assert not np.asarray(ex.ExTensor[dtype].zeros((2, 40)), inside).any()
    assert ex.ExTensor[dtype.name].full(3, 1).tolist() == [1, 1, 1]
    assert repr(ex.ExTensor[dtype]) == f"ExTensor[{dtype}]"


def test_a_class_indexed_by_a_format() -> None:
    """The spelling of Mojo: ``ExTensor[ex.mxfp4].zeros``."""
    zeros = ex.ExTensor[ex.mxfp4].zeros((1024, 1024))
    assert zeros.dtype == ex.mxfp4 and zeros.nbytes == 1024 * 1024 * 17 // 32
    assert ex.DType.fp4_e2m1 is ex.float4_e2m1fn
    assert ex.ExTensor[ex.DType.fp4_e2m1].zeros(3).dtype == ex.float4_e2m1fn
    assert ex.ExTensor[ex.float32].arange(1, 4).tolist() == [1.0, 2.0, 3.0]
    assert ex.ExTensor[ex.int64].asarray([1.0, 2.0]).dtype == ex.int64
    grown = ex.ExTensor[ex.float32].ones(2, requires_grad=True)
    assert grown.requires_grad and grown.shape == (2,)
    assert isinstance(zeros, ex.ExTensor)


def test_mojo_method_names() -> None:
    x = ex.asarray(np.linspace(-6, 6, 64, dtype=np.float32).reshape(2, 32))
    assert x.to_mxfp4().dtype == x.to_fp4_mxfp4().dtype == x.to("mxfp4").dtype == ex.mxfp4
    half = x.to_mxfp4(block_size=16)
    assert half.dtype == ex.Block(E2M1, (1, 16), E8M0) and half.scales.shape == (2, 2)
    assert half.nbytes == 2 * 2 * 9
    nv = x.to_nvfp4()
    assert nv.dtype == ex.nvfp4 and nv.scales.shape == (2, 2) and nv.tensor_scale is not None
    for made, fmt in ((x.to_mxfp4(), ex.mxfp4), (half, half.dtype), (nv, ex.nvfp4)):
        np.testing.assert_array_equal(made.codes, ex.quantize(x, fmt).codes)


def test_default_formats_of_python_numbers() -> None:
    assert [ex.asarray(v).dtype.name for v in (1.5, [1, 2], [True], [[0.5, 1]], 7)] == [
        "float32", "int64", "bool", "float32", "int64",
    ]  # fmt: skip
    assert ex.asarray([1.5], dtype=ex.float64).dtype == ex.float64
    assert ex.asarray(0.1, dtype=ex.float64).item() == 0.1


def test_facts_of_a_tensor() -> None:
    x = ex.asarray(np.zeros((2, 3, 4), np.float16))
    assert (x.ndim, x.size, x.shape, x.nbytes, x.device, len(x)) == (3, 24, (2, 3, 4), 48, "cpu", 2)
    assert x.T.shape == (4, 3, 2) and x.flatten().shape == (2, 12)
    assert [row.shape for row in x] == [(3, 4), (3, 4)]
    assert (float(ex.asarray(2.5)), int(ex.asarray(3)), bool(ex.asarray([0]))) == (2.5, 3, False)
    assert x.to("cpu") is x and x.to(ex.float16) is x
    assert {"add", "reshape", "numpy"} <= set(dir(x))


def test_facts_of_a_blocked_tensor() -> None:
    q = ex.quantize(np.ones((3, 5, 70), np.float32), ex.nvfp4, axis=1)
    assert (q.axis, q.block_shape, q.transform) == (1, (1, 16), None)
    assert q.codes.shape == (3, 5, 70) and q.scales.shape == (3, 1, 70)
    assert q.packed.shape == (210, 8) and q.packed.dtype == q.codes.dtype == np.uint8
    assert q.nbytes == 210 * (8 + 1) + 4
    turned = ex.quantize(np.ones((2, 32), np.float32), ex.mxfp4, hadamard=16, prescale=0.75)
    assert (turned.transform.hadamard, turned.transform.prescale) == (16, 0.75)


def test_a_quantizer_is_called() -> None:
    x = np.linspace(-3, 3, 40, dtype=np.float32)
    quantizer = ex.Quantizer(ex.mxfp4, rounding="stochastic")
    one, other = quantizer(x, key=ex.key(3)), ex.quantize(x, quantizer, key=ex.key(3))
    assert np.array_equal(one.codes, other.codes) and isinstance(one, ex.ExTensor)


# NumPy -------------------------------------------------------------------------------------------
def test_numpy_arrays_go_in_and_out_without_a_copy() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = ex.asarray(array)
    assert np.shares_memory(x.numpy(), array) and np.shares_memory(np.asarray(x), array)
    assert not np.shares_memory(ex.asarray(array, copy=True).numpy(), array)
    assert not np.shares_memory(np.array(x, copy=True), array)
    assert ex.asarray(array.T).shape == (3, 2)
    assert np.shares_memory(ex.asarray(array.T).numpy(), array)
    assert np.array(x, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.sin(x), np.sin(array))


@pytest.mark.parametrize("name", CODED)
def test_ml_dtypes_arrays_go_in_and_out_without_a_copy(name: str) -> None:
    kind = getattr(ml_dtypes, name)
    array = np.array([[1, 2], [4, 0.5]], kind)
    x = ex.asarray(array)
    assert x.dtype == ex.dtype(name) and x.nbytes == array.nbytes
    for out in (x.numpy(), np.asarray(x)):
        assert out.dtype == np.dtype(kind) and np.shares_memory(out, array)
    assert x.tolist() == [[1.0, 2.0], [4.0, 0.5]]
    np.testing.assert_array_equal(x.codes, array.view(x.codes.dtype))


def test_blocked_tensors_come_out_as_float32() -> None:
    q = ex.quantize([1.0, -3.3, 0.2], ex.mxfp4)
    out = np.asarray(q)
    assert out.dtype == np.float32 and out.tolist() == q.tolist() == [1.0, -3.0, 0.0]
    np.testing.assert_array_equal(out, ex.dequantize(q).numpy())


def test_arrays_on_the_left() -> None:
    """A NumPy array plus a tensor is a tensor: NumPy does not take it apart."""
    array, x = np.ones(2, np.float32), ex.asarray([1.0, 2.0], requires_grad=True)
    for y in (array + x, array * x, 1.0 - x, array @ x):
        assert isinstance(y, ex.ExTensor) and y.requires_grad


def test_other_libraries_by_dlpack() -> None:
    class Foreign:
        """Something that only speaks DLPack."""

        def __init__(self, array: Any) -> None:
            self.array = array

        def __dlpack__(self, **options: Any) -> Any:
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            return self.array.__dlpack_device__()

    array = np.arange(3, dtype=np.float32)
    assert np.shares_memory(ex.asarray(Foreign(array)).numpy(), array)


# how it looks ------------------------------------------------------------------------------------
def test_repr_of_a_blocked_tensor_shows_scales_and_codes() -> None:
    q = ex.quantize(np.array([[1.0, -0.5, 6.0, 0.0], [12.0, 4.0, 2.0, -8.0]], np.float32), ex.mxfp4)
    assert repr(q).splitlines() == [
        "ExTensor([[ 1. , -0.5,  6. ,  0. ],",
        "          [12. ,  4. ,  2. , -8. ]],",
        "  shape=(2, 4), dtype=mxfp4, device=cpu, axis=1, 34 bytes (34.00 bits a value))",
        "  first block: scale code 127 = 1",
        "    codes    2 9 7 0",
        "    elements 1 -0.5 6 0",
    ]


def test_repr_of_other_tensors() -> None:
    big = repr(ex.ExTensor[ex.nvfp4].ones((512, 512)))
    assert "tensor scale" in big and "144.0 KiB (4.50 bits a value)" in big and len(big) < 900
    wide = repr(ex.ExTensor[ex.mxfp4].ones((1, 64)))
    assert "... 16 more" in wide
    assert repr(ex.asarray([1.5, 2.0], requires_grad=True)).splitlines() == [
        "ExTensor([1.5, 2. ],",
        "  shape=(2,), dtype=float32, device=cpu, 8 bytes, requires_grad=True)",
    ]
    assert "dtype=bfloat16, device=cpu, 2 bytes" in repr(ex.asarray([0.1], ex.bfloat16))
    turned = ex.quantize(np.ones((1, 16), np.float32), ex.mxfp4, hadamard=16)
    assert "transform=Transform(hadamard=16" in repr(turned)
    assert "shape=(0, 4)" in repr(ex.quantize(np.zeros((0, 4), np.float32), ex.mxfp4))
    assert "nan" in repr(ex.quantize([1.0, float("nan")], ex.mxfp4))


def test_html_of_a_blocked_tensor_is_a_table() -> None:
    html = ex.quantize([1.0, -0.5, 6.0, 0.0], ex.mxfp4)._repr_html_()
    assert html.count("<td") == 4 and "scale 1 (code 127)" in html
    for value, code in (("1", 2), ("-0.5", 9), ("6", 7)):
        assert f">{value}<br><small>{code}</small>" in html
    plain = ex.asarray([1.0])._repr_html_()
    assert "<pre>" in plain and "dtype=float32" in plain
    assert "&lt;" not in html and html.startswith("<div>") and html.endswith("</div>")
