"""What a product of packed operands is: in float64, and in the exact order of our kernels.

`meaning` is the real-number product. `exact_product` states the order that every ``exact=True``
kernel keeps, one float32 scalar operation after the other (numerics.md section 6):

- K is cut at the block boundaries of both operands into segments (32 x 16: at every 16th);
- in a segment, ``dot`` starts at +0 and the products of the elements (without scales) are added
  with k ascending. Products of elements are exact in float32, and where the elements are E2M1 or
  INT8 the sums are too, so that there any order gives these bits;
- ``y = y + dot * (scale_a * scale_b)``: one product of scales, one multiply, one add, segments
  ascending, nothing fused;
- at the end one multiply by ``float32(tensor_scale_a * tensor_scale_b)`` where there is one.

blocked x native (`exact_native`): ``y = y + x_k * (element * scale)``, k ascending, each operation
rounded, and the tensor scale at the end.

A scale product beyond float32 is Inf (a dot of 0 then gives NaN), as the multiply says.

>>> from extensor.formats import MXFP4
>>> codes = np.full((2, 16), 0x32, np.uint8)                        # 1, 1.5, 1, 1.5, ...
>>> p = Packed(codes, np.array([[127], [126]], np.uint8), None, MXFP4, 32, 2)
>>> elements(p)[0, :2].tolist(), block_scales(p).ravel().tolist(), dequantized(p)[1, :2].tolist()
([1.0, 1.5], [1.0, 0.5], [0.5, 0.75])
>>> meaning(p, p).tolist() == exact_product(p, p).tolist() == [[52.0, 26.0], [26.0, 13.0]]
True
>>> exact_native(np.ones((1, 32), np.float32), p).tolist(), final_scale(p)
([[40.0, 20.0]], None)
"""

from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.kernels.packed import Packed

_F = np.float32


def elements(p: Packed) -> NDArray[np.float64]:
    """The element values without scales, (rows, length)."""
    bits, values = p.fmt.packed_bits, p.fmt.element.values
    out = np.empty((len(p.codes), p.length))
    for r, row in enumerate(p.codes):
        word = int.from_bytes(row.tobytes(), "little")
        for k in range(p.length):
            out[r, k] = values[word >> (bits * k) & ((1 << bits) - 1)]
    return out


def block_scales(p: Packed) -> NDArray[np.float64]:
    """The block scales, (rows, blocks): a tile's scale stands in each of its rows."""
    m = p.fmt.shape[0]
    scales = p.scales.astype(np.float64)
    if p.scales.dtype.kind == "u":
        scales = p.fmt.scale.values[p.scales]
    row = np.arange(len(p.codes))
    return np.asarray(scales[row // p.group * -(-p.group // m) + row % p.group // m])


def dequantized(p: Packed) -> NDArray[np.float64]:
    """The values in float64, (rows, length): (element * block scale) * tensor scale."""
    scales = np.repeat(block_scales(p), p.fmt.length, axis=1)[:, : p.length]
    second = 1.0 if p.tensor_scale is None else np.asarray(p.tensor_scale, np.float64)
    return np.asarray(elements(p) * scales * np.reshape(second, (-1, 1)))


def meaning(a: Packed, b: Packed) -> NDArray[np.float64]:
    """The product of the dequantized operands in float64: (rows of a, rows of b)."""
    with np.errstate(all="ignore"):
        return dequantized(a) @ dequantized(b).T


def final_scale(*operands: Packed) -> Any:
    """The float32 product of the operands' tensor scales; None where none has one.

    The last operand gives the columns of the product: where it has a scale a row they stand side
    by side, those of the first below each other.
    """
    shapes = [(-1, 1), (1, -1)][-len(operands) :]
    scales = [
        _F(p.tensor_scale) if np.ndim(p.tensor_scale) == 0 else p.tensor_scale.reshape(shape)
        for p, shape in zip(operands, shapes, strict=True)
        if p.tensor_scale is not None
    ]
    with np.errstate(all="ignore"):
        return reduce(np.multiply, scales) if scales else None


def exact_product(a: Packed, b: Packed) -> NDArray[np.float32]:
    """``matmul(a, b, exact=True)`` bit for bit, in plain Python: for tests and for reading."""
    xs, ws = elements(a).astype(_F), elements(b).astype(_F)
    sx, sw = block_scales(a).astype(_F), block_scales(b).astype(_F)
    cuts = sorted({*range(0, a.length, a.fmt.length), *range(0, a.length, b.fmt.length), a.length})
    out = np.zeros((len(xs), len(ws)), _F)
    with np.errstate(all="ignore"):
        for i, j in np.ndindex(out.shape):
            total = _F(0)
            for start, stop in pairwise(cuts):
                dot = _F(0)
                for k in range(start, stop):
                    dot = dot + xs[i, k] * ws[j, k]
                total = total + dot * (sx[i, start // a.fmt.length] * sw[j, start // b.fmt.length])
            out[i, j] = total
        final = final_scale(a, b)
        return out if final is None else out * final


def exact_native(x: NDArray[np.float32], b: Packed) -> NDArray[np.float32]:
    """``matmul_native(x, b, exact=True)`` bit for bit, in plain Python."""
    ws = elements(b).astype(_F)
    sw = np.repeat(block_scales(b).astype(_F), b.fmt.length, axis=1)[:, : b.length]
    out = np.zeros((len(x), len(ws)), _F)
    with np.errstate(all="ignore"):
        ws = ws * sw
        for i, j in np.ndindex(out.shape):
            total = _F(0)
            for k in range(b.length):
                total = total + x[i, k] * ws[j, k]
            out[i, j] = total
        final = final_scale(b)
        return out if final is None else out * final
