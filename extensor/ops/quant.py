"""Ops that change the format: cast and quantize. Their gradient is straight through."""

from typing import Any

import numpy as np

from extensor.backend import to_device
from extensor.errors import DTypeError
from extensor.formats import BF16, FP64, MXFP4, NVFP4, DType, Element
from extensor.kernels.front import decode_elements, dequantize, encode_elements
from extensor.kernels.front import hadamard as rotate_rows
from extensor.noise import Key
from extensor.ops.convert import arrays_of, store
from extensor.ops.registry import Op, Sample, op
from extensor.quantizer import Quantizer, draw_signs
from extensor.storage import Blocked, Native, Storage


def _cast_meaning(x: Any, dtype: DType) -> Any:
    """The value after a cast: what the code of x stands for."""
    if isinstance(dtype, Element) and dtype.kind == "coded":
        return decode_elements(encode_elements(x, dtype), dtype, np.float64)
    return x.astype(dtype.storage)


class _Cast(Op):
    """A cast stores the answer in the format that the attribute names."""

    def _run(self, storages: Any, attributes: dict[str, Any]) -> Storage:
        to: DType = attributes["dtype"]
        (storage,) = storages
        if storage.dtype.is_complex and not to.is_complex and to.name != "bool":
            raise DTypeError(
                f"cast: {storage.dtype} to {to} would lose the imaginary part; take ex.real(x), "
                "ex.imag(x) or ex.abs(x) first"
            )
        wide = not isinstance(storage, Blocked)
        array = storage.array if isinstance(storage, Native) else arrays_of(storage, wide=wide)
        if isinstance(to, Element) and to.kind == "coded":
            return store(array, to)
        with np.errstate(over="ignore", invalid="ignore"):
            return Native(array.astype(to.storage))

    def result_dtype(self, storages: Any) -> DType:
        return storages[0].dtype  # type: ignore[no-any-return]


class _Quantize(Op):
    """Quantizing stores the answer blocked."""

    def _run(self, storages: Any, attributes: dict[str, Any]) -> Storage:
        (storage,) = storages
        quantizer: Quantizer = attributes["quantizer"]
        if storage.dtype.is_complex:
            raise DTypeError(
                f"quantize: {storage.dtype}; allowed: real formats, for example ex.real(x) and "
                "ex.imag(x) one by one"
            )
        how = {name: attributes[name] for name in ("axis", "key", "offset")}
        if storage.dtype is BF16 and storage.device == "cuda":
            return quantizer.apply(storage.codes, bfloat16=True, **how)
        array = storage.array if isinstance(storage, Native) else arrays_of(storage)
        return quantizer.apply(array, **how)


def _quantize_meaning(
    x: Any, quantizer: Quantizer, axis: int = -1, key: Key | None = None, offset: int = 0
) -> Any:
    blocked = quantizer.apply(x, axis=axis, key=key, offset=offset)
    return blocked.spread(dequantize(blocked.rows, np.float64))


def _through(g: Any, y: Any, x: Any, **attributes: Any) -> tuple[Any, ...]:
    return (g,)


def _through_or_clip(
    g: Any, y: Any, x: Any, quantizer: Quantizer, axis: int, key: Any, offset: int
) -> tuple[Any, ...]:
    if quantizer.ste == "pass":
        return (g,)
    passes = unclipped(x, quantizer=quantizer, axis=axis)
    if not quantizer.hadamard:
        return (g * passes,)
    n, signs = quantizer.hadamard, draw_signs(quantizer.signs, quantizer.hadamard)
    turned = rotate(g, n=n, axis=axis, signs=signs) * passes
    return _rotate_back(turned, None, x, n, axis, signs)


def _unclipped(x: Any, quantizer: Quantizer, axis: int = -1) -> Any:
    """1 where |x| (rotated, prescaled) is within the largest element times its scale, else 0."""
    return quantizer.mask(x, axis=axis).astype(x.dtype)


def _row(kind: type[Op], name: str, meaning: Any, grad: Any, doc: str, **facts: Any) -> Op:
    row = op(name, meaning, grad, doc, **facts)
    row.__class__ = kind
    return row


_HOW = {"axis": -1, "key": None, "offset": 0}
_QUANTIZED = (
    Sample(((3, 40),), {"quantizer": Quantizer(MXFP4), **_HOW}),
    Sample(((3, 40),), {"quantizer": Quantizer(NVFP4, ste="clip"), **_HOW}),
)

# fmt: off
cast: Op = _row(_Cast, "cast", _cast_meaning, lambda g, y, x, dtype: (cast(g, dtype=x.dtype)
            if x.dtype.kind == "native" else g,),
            "the same values in another format, rounded once; the gradient passes through",
            method=False, smooth=0,
            samples=(Sample(((3, 4),), {"dtype": BF16}), Sample(((3, 4),), {"dtype": FP64})))
# fmt: on
# fmt: off
quantize: Op = _row(_Quantize, "quantize", _quantize_meaning, _through_or_clip,
                "x in a block format; the straight-through gradient is the identity",
                saves=(0,), method=False, smooth=0, samples=_QUANTIZED)
# fmt: on
# fmt: off
unclipped: Op = op("unclipped", _unclipped, None, "1 where quantizing does not clip x, else 0",
               method=False, samples=(Sample(((3, 40),), {"quantizer": Quantizer(MXFP4)}),))
# fmt: on


def _rotate(x: Any, n: int, axis: int = -1, signs: tuple[int, ...] = ()) -> Any:
    moved = np.moveaxis(x.astype(np.float32, copy=False), axis, -1)
    turned = rotate_rows(moved.reshape(1, -1, moved.shape[-1]), n, signs)
    return np.moveaxis(turned.reshape(moved.shape), -1, axis)


def _rotate_back(g: Any, y: Any, x: Any, n: int, axis: int, signs: Any) -> tuple[Any, ...]:
    """The transpose of ``diag(s) H``: H is symmetric, so rotate without signs, then the signs."""
    back = rotate(g, n=n, axis=axis, signs=())
    if not signs:
        return (back,)
    length = x.shape[axis]
    pattern = to_device(sign_pattern(length, n, signs, axis, x.ndim), g.device)
    return (back * type(g)(Native(pattern)),)


def sign_pattern(length: int, n: int, signs: tuple[int, ...], axis: int, ndim: int) -> Any:
    """The sign of every entry along an axis: each block, and each part of a tail, starts anew."""
    pattern: list[int] = []
    while len(pattern) < length:
        left = length - len(pattern)
        size = n if left >= n else 1 << (left.bit_length() - 1)
        pattern += signs[:size]
    shape = [1] * ndim
    shape[axis] = length
    return np.array(pattern, np.float32).reshape(shape)


# fmt: off
rotate: Op = op("rotate", _rotate, _rotate_back,
            "x diag(s) H_n / sqrt(n) by blocks of n along an axis, in float32", method=False,
            result="float",
            samples=(Sample(((2, 20),), {"n": 16, "axis": -1, "signs": (1, -1) * 8}),), smooth=0)
# fmt: on
