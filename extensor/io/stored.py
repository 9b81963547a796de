"""The storages of tensors as raw arrays and back: nothing is decoded, packed stays packed.

========== =============================================== ====================================
kind       arrays, named after the tensor                  facts beside them
========== =============================================== ====================================
``native`` ``name``                                        the name
``coded``  ``name``: one code an entry                     and the format
``blocked`` ``name.packed``, ``name.scales``, and where    and the format, the shape, the axis,
           there is one ``name.tensor_scale``              the transform
========== =============================================== ====================================
"""

from collections.abc import Mapping
from dataclasses import asdict
from math import prod
from typing import Any

import numpy as np

from extensor.errors import FormatError
from extensor.formats import Block, DType, Element, find, from_numpy
from extensor.formats.json import from_json, to_json
from extensor.io.raw import TYPES, Array, RawTensor
from extensor.kernels.front import unpack
from extensor.kernels.packed import Packed, scale_shape
from extensor.storage import Blocked, Coded, Native, Storage, Transform, check_codes

Facts = dict[str, Any]
Raws = dict[str, RawTensor]
PARTS = (".packed", ".scales", ".tensor_scale")
"""What the names of a blocked tensor's arrays end in."""
CODED = {
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F6_E2M3": "float6_e2m3fn",
    "F6_E3M2": "float6_e3m2fn",
    "F4": "float4_e2m1fn",
}
"""What the file format's own types of codes are called here."""


def to_raw(name: str, storage: Storage) -> tuple[Facts, Raws]:
    """The facts and the arrays of a storage.

    >>> facts, raws = to_raw("w", Native(np.zeros(3, np.float32)))
    >>> facts, raws["w"].dtype
    ({'native': 'w'}, 'F32')
    """
    storage = storage.to("cpu")
    if isinstance(storage, Native):
        if storage.array.dtype == np.complex128:  # the file format has no word for it
            pairs = np.stack([storage.array.real, storage.array.imag], axis=-1)
            return {"pairs": name}, {name: RawTensor.of(pairs)}
        return {"native": name}, {name: RawTensor.of(storage.array)}
    if isinstance(storage, Coded):
        facts: Facts = {"coded": name, "format": to_json(storage.dtype)}
        return facts, {name: _codes(storage.codes, storage.dtype)}
    rows, turn = storage.rows, storage.transform
    raws = {
        name + PARTS[0]: RawTensor.of(rows.codes),
        name + PARTS[1]: _codes(rows.scales, rows.fmt.scale),
    }
    if rows.tensor_scale is not None:
        raws[name + PARTS[2]] = RawTensor.of(np.asarray(rows.tensor_scale, np.float32))
    facts = {
        "blocked": name,
        "format": to_json(rows.fmt),
        "shape": list(storage.shape),
        "axis": storage.axis,
        "transform": asdict(turn) if turn else None,
    }
    return facts, raws


def from_raw(facts: Facts, raws: Mapping[str, RawTensor]) -> Storage:
    """The storage of facts and arrays; ``FormatError`` where they do not fit together."""
    if "native" in facts:
        array = raws[facts["native"]].array
        from_numpy(array.dtype)  # raises for numbers that have no format here
        return Native(array)
    if "pairs" in facts:
        pairs = raws[facts["pairs"]].array
        if pairs.dtype != np.float64 or pairs.shape[-1:] != (2,):
            raise FormatError(f"load: {pairs.dtype}{pairs.shape} are no pairs of float64")
        return Native(np.ascontiguousarray(pairs).view(np.complex128)[..., 0])
    fmt = from_json(facts["format"])
    if "coded" in facts:
        return _coded(raws[facts["coded"]].array, fmt)
    return _blocked(facts["blocked"], facts, fmt, raws)


def from_foreign(name: str, raw: RawTensor) -> Storage:
    """The storage of one tensor of another program's file.

    Codes below a byte are unpacked: 4 bits low nibble first, 6 bits little-endian.

    >>> from_foreign("t", RawTensor("F4", (2,), np.array([0x21], np.uint8))).codes.tolist()
    [1, 2]
    """
    kind = TYPES[raw.dtype]
    if kind.native:
        return Native(raw.array)
    if raw.dtype not in CODED:
        raise FormatError(f"load: {name!r} is {raw.dtype}, which has no format here")
    codes = raw.array
    if kind.bits < 8:
        codes = unpack(codes[None], kind.bits, prod(raw.shape))[0].reshape(raw.shape)
    return _coded(codes, find(CODED[raw.dtype]))


def _codes(codes: Array, fmt: DType) -> RawTensor:
    """Codes under the file format's own name where it has one of their width, else as integers."""
    names = {find(ours): theirs for theirs, ours in CODED.items() if TYPES[theirs].bits >= 8}
    return RawTensor.of(codes, names.get(fmt))


def _coded(codes: Array, fmt: DType) -> Coded:
    if not isinstance(fmt, Element) or fmt.kind != "coded" or codes.dtype != fmt.storage:
        raise FormatError(f"load: {codes.dtype} codes for the format {fmt}")
    check_codes(codes, fmt)
    return Coded(codes, fmt)


def _blocked(name: str, facts: Facts, fmt: DType, raws: Mapping[str, RawTensor]) -> Blocked:
    raw, raw_scales, second = (raws.get(name + part) for part in PARTS)
    shape, axis = facts["shape"], facts["axis"]
    if not isinstance(fmt, Block) or raw is None or raw_scales is None:
        raise FormatError(f"load: {name!r} lacks a block format, packed codes or scales")
    if not all(type(n) is int and n >= 0 for n in (*shape, axis)) or axis >= len(shape):
        raise FormatError(f"load: {name!r} is blocked with shape {shape} and axis {axis}")
    codes, scales, length = raw.array, raw_scales.array, shape[axis]
    lead = shape[:axis] + shape[axis + 1 :]
    count = prod(lead)
    group = lead[-1] if fmt.shape[0] > 1 and lead else count
    expected = (count, fmt.row_bytes(length)), scale_shape(count, length, group, fmt)
    if (codes.shape, scales.shape) != expected:
        raise FormatError(
            f"load: {name!r} has packed codes of shape {codes.shape} and scales of shape "
            f"{scales.shape}; {fmt} of shape {shape} along axis {axis} has {expected}"
        )
    if codes.dtype != np.uint8 or scales.dtype != fmt.scale_storage:
        raise FormatError(f"load: {name!r} holds {codes.dtype} and {scales.dtype} for {fmt}")
    shapes = ((),) if fmt.shape[0] > 1 else ((), (count,))
    if second is not None and not (
        second.shape in shapes and second.dtype == "F32" and fmt.tensor_scale
    ):
        raise FormatError(f"load: {name!r} has a tensor scale that is no float32 of {fmt}")
    if fmt.element.bits < fmt.packed_bits:
        check_codes(codes, fmt.element)
    if fmt.scale.kind == "coded":
        check_codes(scales, fmt.scale)
    one: Any = None if second is None else second.array
    one = float(one) if second is not None and second.shape == () else one
    rows = Packed(codes, scales, one, fmt, length, group)
    return Blocked(rows, tuple(shape), axis, _transform(facts["transform"]))


def _transform(facts: Facts | None) -> Transform | None:
    if facts is None:
        return None
    size, signs, prescale = facts["hadamard"], facts["signs"], facts["prescale"]
    valid = (
        type(size) is int and type(prescale) in (int, float) and all(s in (-1, 1) for s in signs)
    )
    if not valid or len(signs) not in (0, size):
        raise FormatError(f"load: {facts} is no transform")
    return Transform(size, tuple(int(s) for s in signs), prescale)
