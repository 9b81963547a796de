"""Complex numbers: native formats that have a meaning for some ops, and no gradient."""

import numpy as np
import pytest

import extensor as ex

Z = np.array([1 + 2j, -0.5j, 3.0])


@pytest.mark.parametrize("dtype", [ex.complex64, ex.complex128], ids=str)
def test_storage(dtype: ex.DType) -> None:
    z = ex.asarray(Z, dtype)
    assert z.dtype == dtype and z.tolist() == Z.tolist() and z.nbytes == 3 * dtype.storage.itemsize
    assert dtype.is_complex and not dtype.is_float and dtype.kind == "native"
    assert ex.dtype("c64") == ex.complex64 and ex.dtype(complex) == ex.complex64
    assert complex(z[0]) == 1 + 2j and "1.+2.j" in repr(z)
    assert np.asarray(z).dtype == dtype.storage


def test_python_numbers_keep_the_width_of_their_partners() -> None:
    assert ex.asarray([1j]).dtype == (ex.ones(2) * 1j).dtype == ex.complex64
    assert (ex.ones(2, dtype="float64") + 1j).dtype == ex.complex128
    assert (ex.ones(2, dtype="int8") + 1j).dtype == ex.complex64
    assert (ex.asarray([1j]) * 2.0 + 1).tolist() == [1 + 2j]
    assert ex.asarray([True]).to("complex64").tolist() == [1]


def test_parts() -> None:
    z = ex.asarray(Z, "complex128")
    assert ex.real(z).tolist() == Z.real.tolist() and ex.imag(z).tolist() == Z.imag.tolist()
    assert ex.conj(z).tolist() == Z.conj().tolist()
    np.testing.assert_allclose(ex.abs(z).numpy(), np.abs(Z))
    assert ex.abs(z).dtype == ex.float64 and ex.real(ex.asarray([1j])).dtype == ex.float32
    assert ex.real(ex.ones(2)).tolist() == [1, 1] and ex.imag(ex.ones(2)).tolist() == [0, 0]
    real = ex.real(z)
    real[0] = 9.0
    assert z[0].item() == 1 + 2j, "the parts are copies"


@pytest.mark.parametrize(
    "name", ["exp", "log", "sqrt", "sin", "cos", "tan", "asin", "acosh", "sinh", "log10", "square"]
)
def test_functions(name: str) -> None:
    theirs = {"asin": np.arcsin, "acosh": np.arccosh}.get(name) or getattr(np, name)
    np.testing.assert_allclose(getattr(ex, name)(ex.asarray(Z)).numpy(), theirs(Z), rtol=1e-12)


def test_no_meaning() -> None:
    z, q = ex.asarray(Z), ex.quantize(np.ones(32, np.float32), ex.mxfp4)
    for wrong in (
        lambda: z < 1, lambda: ex.maximum(z, z), lambda: ex.relu(z), lambda: z // 2,
        lambda: ex.floor(z), lambda: z.to("float32"), lambda: z.to("bfloat16"), lambda: float(z[0]),
        lambda: ex.quantize(z, ex.mxfp4), lambda: z.to("nvfp4"),
    ):  # fmt: skip
        with pytest.raises(ex.DTypeError, match="real|complex"):
            wrong()
    with pytest.raises(ex.DTypeError, match=r"mxfp4 with complex64.*dequantize"):
        q * 1j
    with pytest.raises(ex.DTypeError, match=r"mxfp4 with complex128"):
        ex.matmul(q, ex.asarray(np.ones(32) + 0j))
    with pytest.raises(ex.DTypeError, match="complex number in float32"):
        ex.full(2, 1j, dtype="float32")


def test_no_gradient_goes_through() -> None:
    with pytest.raises(ex.GraphError, match="complex64 has no gradients"):
        ex.asarray([1j], requires_grad=True)
    x = ex.asarray([1.0, 2.0], requires_grad=True)
    for y in (ex.abs(x * 1j), ex.real(ex.exp(x * 1j))):
        with pytest.raises(ex.GraphError, match="complex numbers, through which no gradient"):
            y.sum().backward()
    (ex.real((x.detach() * 1j) * 1j) * x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [-1.0, -2.0]
