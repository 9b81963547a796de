"""DLPack with JAX: every format that it knows, both ways.

JAX takes an array without a copy where its memory is aligned to 64 bytes, which NumPy does not
promise; so values are compared, and identity of memory only where the address allows it.
"""

from typing import Any

import numpy as np
import pytest

import extensor as ex

jax: Any = pytest.importorskip("jax", reason="JAX is not installed")
jnp: Any = pytest.importorskip("jax.numpy")

NATIVE = ("float32", "float16", "int32", "uint8", "bool")
CODED = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu")


def _tensor(name: str) -> Any:
    to = ex.dtype(name)
    codes = np.arange(24).reshape(4, 6)
    if name in NATIVE:
        return ex.asarray(codes.astype(to.storage))
    return ex.from_codes(codes.astype(to.storage), None, name)


def _wide(x: Any) -> Any:
    return np.asarray(x).astype(np.float32)


def _address(x: Any) -> int:
    array = x.codes if hasattr(x.storage, "codes") else x.array()
    return int(array.ctypes.data)


@pytest.mark.parametrize("name", NATIVE + CODED)
def test_there_and_back(name: str) -> None:
    """The same numbers, the same memory where it is aligned."""
    ours = _tensor(name)
    theirs = jnp.from_dlpack(ours)
    assert str(theirs.dtype) == name
    np.testing.assert_array_equal(_wide(theirs), _wide(ours.numpy()))
    if _address(ours) % 64 == 0:
        assert theirs.unsafe_buffer_pointer() == _address(ours)
    back = ex.asarray(theirs)
    assert back.dtype == ours.dtype
    np.testing.assert_array_equal(_wide(back.numpy()), _wide(ours.numpy()))
    assert _address(back) == theirs.unsafe_buffer_pointer()


@pytest.mark.parametrize("shape", [(2, 4), (3, 5), (7,), (2, 3, 1), (0, 4)])
def test_float4_comes_in_packed(shape: tuple[int, ...]) -> None:
    """JAX hands 4-bit numbers out as one packed run, also of an odd number of them."""
    codes = (np.arange(np.prod(shape)) % 16).astype(np.uint8).reshape(shape)
    ours = ex.from_codes(codes, None, "float4_e2m1fn")
    theirs = jnp.asarray(ours.numpy())
    back = ex.asarray(theirs)
    assert back.dtype == ours.dtype
    np.testing.assert_array_equal(back.codes, codes)


def test_float4_goes_out_through_numpy() -> None:
    """JAX has no pairs of 4-bit numbers: it says so, and takes NumPy's."""
    ours = ex.from_codes(np.arange(16, dtype=np.uint8).reshape(2, 8), None, "float4_e2m1fn")
    with pytest.raises(Exception, match="lanes"):
        jnp.from_dlpack(ours)
    np.testing.assert_array_equal(_wide(jnp.asarray(ours.numpy())), _wide(ours.numpy()))
