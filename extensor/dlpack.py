"""DLPack for formats that NumPy cannot name: bfloat16, FP8, FP6 and FP4 codes, without a copy.

A DLPack capsule holds a pointer, a shape, strides and a type (code, bits, lanes). NumPy's own
export knows the IEEE types; this file writes and reads the capsules of the others. FP4 codes in
DLPack are packed, two in a byte (`float4_e2m1fn`, 4 bits, 2 lanes); our coded FP4 tensors hold one
a byte, so those are packed on the way out and unpacked on the way in: the one case that copies.

Source: DLPack 1.1, dlpack.h (dmlc/dlpack): DLDataTypeCode, DLTensor, DLManagedTensor,
DLManagedTensorVersioned.
"""

import ctypes
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.errors import DTypeError
from extensor.formats import BF16, E2M1, E2M3, E3M2, E4M3, E5M2, E8M0, Element

CODES: dict[Element, tuple[int, int]] = {
    BF16: (4, 16), E4M3: (10, 8), E5M2: (12, 8), E8M0: (14, 8),
    E2M3: (15, 6), E3M2: (16, 6), E2M1: (17, 4),
}  # fmt: skip
"""DLDataTypeCode and bits of each format."""
FORMATS = {code: fmt for fmt, (code, _) in CODES.items()}
CPU = (1, 0)
"""Device type and number."""


class DataType(ctypes.Structure):
    """A type: what the bits mean, how many, how many together."""

    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class Tensor(ctypes.Structure):
    """DLTensor."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("dtype", DataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Managed(ctypes.Structure):
    """DLManagedTensor, in capsules named "dltensor"."""

    _fields_ = (("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))


PADDED = 1 << 2
"""DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED: narrow numbers have a byte each."""


class Versioned(ctypes.Structure):
    """DLManagedTensorVersioned, in capsules named "dltensor_versioned"."""

    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", _Deleter),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    )


_api = ctypes.pythonapi
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_api.PyCapsule_GetPointer.restype = ctypes.c_void_p
_api.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
_api.PyCapsule_IsValid.argtypes = (ctypes.py_object, ctypes.c_char_p)
_api.PyCapsule_SetName.argtypes = (ctypes.py_object, ctypes.c_char_p)
_NAMES = {b"dltensor": Managed, b"dltensor_versioned": Versioned}
_USED = {name: b"used_" + name for name in _NAMES}  # a capsule keeps no copy of its name
_exported: dict[int, tuple[Any, ...]] = {}
"""What each exported tensor needs to stay alive, by address, until its deleter is called."""


def _forget(address: int) -> None:
    _exported.pop(address, None)


def _drop_unused(capsule: int) -> None:
    """A capsule that nobody consumed frees its tensor."""
    held = ctypes.cast(capsule, ctypes.py_object)
    for name in _NAMES:
        if _api.PyCapsule_IsValid(held, name):
            _exported.pop(_api.PyCapsule_GetPointer(held, name), None)


_delete, _drop = _Deleter(_forget), _Deleter(_drop_unused)


def export(codes: NDArray[Any], fmt: Element, versioned: bool) -> Any:
    """A capsule of codes, one an entry, of a format in `CODES`; DTypeError for others.

    >>> export(np.zeros((2, 4), np.uint8), E4M3, versioned=False)        # doctest: +ELLIPSIS
    <capsule object "dltensor" at 0x...>
    """
    if fmt not in CODES:
        known = ", ".join(f.name for f in CODES)
        raise DTypeError(f"__dlpack__: {fmt} has no name in DLPack; allowed: {known}")
    code, bits = CODES[fmt]
    lanes = 1
    if bits == 4:
        codes, lanes = _pairs(codes), 2
    elif bits == 6:
        raise DTypeError(f"__dlpack__: {fmt} is stored a code a byte, DLPack packs it; use .codes")
    size = codes.itemsize
    shape = (ctypes.c_int64 * max(codes.ndim, 1))(*codes.shape)
    strides = (ctypes.c_int64 * max(codes.ndim, 1))(*(s // size for s in codes.strides))
    name = b"dltensor_versioned" if versioned else b"dltensor"
    managed = _NAMES[name]()
    if isinstance(managed, Versioned):
        managed.major, managed.minor, managed.flags = 1, 1, 0 if codes.flags.writeable else 1
    managed.deleter = _delete
    managed.tensor = Tensor(
        codes.ctypes.data, *CPU, codes.ndim, DataType(code, bits, lanes), shape, strides, 0
    )
    address = ctypes.addressof(managed)
    _exported[address] = (managed, codes, shape, strides)
    return _api.PyCapsule_New(address, name, ctypes.cast(_drop, ctypes.c_void_p))


def _pairs(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two 4-bit codes a byte along the last axis, the low nibble first; its length is even."""
    if codes.ndim == 0 or codes.shape[-1] % 2:
        raise DTypeError(
            f"__dlpack__: {codes.shape} codes of 4 bits; allowed: an even last axis (two a byte)"
        )
    return np.ascontiguousarray(codes[..., 0::2] | codes[..., 1::2] << 4)


def unknown_to_numpy(obj: Any) -> bool:
    """Whether an object exports a type that only this file reads (its capsule is not consumed)."""
    capsule = obj.__dlpack__()
    name = next(n for n in _NAMES if _api.PyCapsule_IsValid(capsule, n))
    managed = _NAMES[name].from_address(_api.PyCapsule_GetPointer(capsule, name))
    return managed.tensor.dtype.code in FORMATS


def take(obj: Any) -> tuple[NDArray[Any], Element]:
    """(codes, format) of an object on the CPU whose type NumPy does not know, without a copy."""
    return read(obj.__dlpack__())


def read(capsule: Any) -> tuple[NDArray[Any], Element]:
    """(codes, format) of a capsule on the CPU with a type of `CODES`, without a copy.

    4-bit numbers are spread to a byte each, a copy: from pairs (PyTorch: two lanes, half as many
    entries) and from one packed run (JAX: one lane).

    The capsule is consumed, as the protocol asks; its memory lives as long as the array.
    """
    name = next(n for n in _NAMES if _api.PyCapsule_IsValid(capsule, n))
    address = _api.PyCapsule_GetPointer(capsule, name)
    managed = _NAMES[name].from_address(address)
    tensor: Tensor = managed.tensor
    fmt = FORMATS[tensor.dtype.code]
    shape = tuple(tensor.shape[: tensor.ndim])
    item = 2 if fmt is BF16 else 1
    in_order = tuple(prod(shape[i + 1 :]) for i in range(len(shape)))
    steps = tuple(tensor.strides[: tensor.ndim]) if tensor.strides else in_order
    start = (tensor.data or 0) + tensor.byte_offset
    padded = isinstance(managed, Versioned) and bool(managed.flags & PADDED)
    if tensor.dtype.bits == 4 and tensor.dtype.lanes == 1 and not padded:
        if any(s != t for s, t, n in zip(steps, in_order, shape, strict=True) if n > 1):
            raise DTypeError("asarray: 4-bit numbers that are not in row-major order; copy them")
        _api.PyCapsule_SetName(capsule, _USED[name])
        count = prod(shape)
        memory = _Memory(start, (-(-count // 2),), (1,), 1, managed, address)
        return _nibbles(np.asarray(memory))[:count].reshape(shape), fmt
    strides = tuple(s * item for s in steps)
    _api.PyCapsule_SetName(capsule, _USED[name])
    codes = np.asarray(_Memory(start, shape, strides, item, managed, address))
    if tensor.dtype.bits == 4 and not padded:
        return _nibbles(codes), fmt
    return codes, fmt


def _nibbles(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bytes as twice as many 4-bit codes along the last axis, the low nibble first."""
    wide = np.stack([codes & np.uint8(15), codes >> np.uint8(4)], axis=-1)
    return wide.reshape(*codes.shape[:-1], 2 * codes.shape[-1])


class _Memory:
    """Foreign memory as NumPy's array interface; the owner is told when the last view is gone."""

    def __init__(
        self, start: int, shape: Any, strides: Any, item: int, managed: Any, address: int
    ) -> None:
        self._managed, self._address = managed, address
        self.__array_interface__ = {
            "data": (start, False),
            "shape": shape,
            "strides": strides,
            "typestr": f"|u{item}" if item == 1 else f"<u{item}",
            "version": 3,
        }

    def __del__(self) -> None:
        if self._managed.deleter:
            self._managed.deleter(self._address)
