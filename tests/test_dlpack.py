"""DLPack both ways with the real libraries: values, formats, and no copy where none is needed."""

import gc
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor import dlpack
from extensor.errors import DTypeError, GraphError

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

SHARED = {
    "bfloat16": torch.bfloat16,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
    "float8_e8m0fnu": torch.float8_e8m0fnu,
}


@pytest.mark.parametrize("name", SHARED)
def test_coded_formats_share_memory_with_torch(name: str) -> None:
    codes = np.arange(1, 25, dtype=ex.dtype(name).storage).reshape(4, 6)
    ours = ex.from_codes(codes, None, name)
    theirs = torch.from_dlpack(ours)
    assert theirs.dtype == SHARED[name]
    assert theirs.shape == (4, 6)
    np.testing.assert_array_equal(theirs.float().numpy(), np.asarray(ours.numpy(), np.float32))
    back = ex.asarray(theirs)
    assert back.dtype == ours.dtype
    np.testing.assert_array_equal(back.codes, ours.codes)
    back.codes[0, 0] = 7
    assert ours.codes[0, 0] == 7, "one memory, three names"


def test_strides_survive() -> None:
    theirs = torch.arange(24, dtype=torch.float32).reshape(4, 6).to(torch.bfloat16)
    ours = ex.asarray(theirs.t())
    assert ours.shape == (6, 4)
    np.testing.assert_array_equal(np.asarray(ours.numpy(), np.float32), theirs.t().float().numpy())
    again = torch.from_dlpack(ours)
    np.testing.assert_array_equal(again.float().numpy(), theirs.t().float().numpy())


def test_float4_is_packed_on_the_way() -> None:
    codes = np.arange(16, dtype=np.uint8).reshape(2, 8)
    ours = ex.from_codes(codes, None, "float4_e2m1fn")
    theirs = torch.from_dlpack(ours)
    assert theirs.dtype == torch.float4_e2m1fn_x2
    assert theirs.view(torch.uint8).numpy().tolist() == [
        [0x10, 0x32, 0x54, 0x76],
        [0x98, 0xBA, 0xDC, 0xFE],
    ]
    np.testing.assert_array_equal(ex.asarray(theirs).codes, codes)
    with pytest.raises(DTypeError, match="even last axis"):
        ex.from_codes(codes[:, :5], None, "float4_e2m1fn").__dlpack__()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int8, np.int64, np.bool_])
def test_native_formats_share_memory(dtype: Any) -> None:
    ours = ex.asarray(np.ones((3, 2), dtype))
    assert np.shares_memory(np.from_dlpack(ours), ours.numpy())
    theirs = torch.from_dlpack(ours)
    np.testing.assert_array_equal(theirs.numpy(), ours.numpy())
    assert ex.asarray(theirs).dtype == ours.dtype


def test_memory_is_given_back() -> None:
    ways: tuple[dict[str, Any], ...] = ({}, {"max_version": (1, 1)})
    for versioned in ways:
        ours = ex.asarray(np.ones(1000, np.float32)).to("bfloat16")
        before = len(dlpack._exported)
        capsule = ours.__dlpack__(**versioned)
        assert len(dlpack._exported) == before + 1
        del capsule
        assert len(dlpack._exported) == before, "a capsule that nobody took"
        theirs = torch.from_dlpack(ours)
        mine = ex.asarray(theirs)
        del ours
        gc.collect()
        assert float(mine.sum().item()) == 1000
        del theirs, mine
        gc.collect()
        assert len(dlpack._exported) == before


def test_what_has_no_name_says_so() -> None:
    x = np.ones((2, 32), np.float32)
    with pytest.raises(DTypeError, match="codes and scales"):
        ex.quantize(x, ex.mxfp4).__dlpack__()
    with pytest.raises(DTypeError, match="no name in DLPack"):
        ex.asarray(x).to("float8_ue5m3").__dlpack__()
    with pytest.raises(DTypeError, match=r"use \.codes"):
        ex.asarray(x).to("float6_e3m2fn").__dlpack__()
    with pytest.raises(GraphError, match="detach"):
        ex.asarray([1.0], requires_grad=True).__dlpack__()
