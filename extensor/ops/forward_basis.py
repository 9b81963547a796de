"""What the backward products take over from fprop: its quantized operands as they are, their basis,
and where they were clipped.

A rotated operand of fprop is x R with R = diag(s) H. Requantizing takes Q(x R), so the product is
the gradient of x R, which times Rᵀ is that of x. A trust mask (``ste="clip"``, arXiv 2502.05003)
stands in the same basis.
"""

from typing import Any

import numpy as np

from extensor.backend import library_of, to_device
from extensor.kernels.front import dequantize
from extensor.ops.convert import arrays_of
from extensor.ops.operands import Scaled
from extensor.ops.quant import _rotate, sign_pattern
from extensor.quantizer import Quantizer, largest
from extensor.recipe import Operand
from extensor.storage import Blocked, Coded, Native, Storage, Transform


def values_of(q: Storage) -> Any:
    """What is stored, in its own basis, float32; a prescale undone.

    >>> from extensor.formats import MXFP4
    >>> one = np.ones((1, 32), np.float32)
    >>> values_of(Quantizer(MXFP4, hadamard=32).apply(one))[0, :2].tolist()
    [6.0, 0.0]
    """
    if isinstance(q, Scaled):
        return arrays_of(q) * np.float32(q.scale)
    if not isinstance(q, Blocked):
        return arrays_of(q)
    values = q.spread(dequantize(q.rows))
    prescale = q.transform.prescale if q.transform else 1.0
    return values if prescale == 1.0 else values * np.float32(1 / prescale)


def limits_of(q: Storage) -> Any:
    """The largest magnitude that each entry could store, in the basis and at the scale of q."""
    if isinstance(q, Blocked):
        return largest(q)
    like = library_of(q.codes if isinstance(q, Coded) else q.array)
    if not isinstance(q, Coded):
        return like.full(q.shape, np.inf, np.float32)
    top = q.dtype.max * (q.scale if isinstance(q, Scaled) else 1.0)
    return like.full(q.shape, top, np.float32)


def turned(x: Any, transform: Transform | None, axis: int) -> Any:
    """``x R`` along an axis; x itself without a rotation."""
    if transform is None or not transform.hadamard:
        return x
    return _rotate(x, transform.hadamard, axis, transform.signs)


def turned_back(x: Any, transform: Transform | None, axis: int) -> Any:
    """``x Rᵀ`` along an axis.

    >>> x = np.arange(64, dtype=np.float32).reshape(2, 32)
    >>> t = Transform(16, (1, -1) * 8)
    >>> np.allclose(turned_back(turned(x, t, 1), t, 1), x, atol=1e-5)
    True
    """
    if transform is None or not transform.hadamard:
        return x
    n, signs = transform.hadamard, transform.signs
    back = _rotate(x, n, axis, ())
    if not signs:
        return back
    device = "cpu" if isinstance(x, np.ndarray) else "cuda"
    return back * to_device(sign_pattern(x.shape[axis], n, signs, axis, x.ndim), device)


def trusted(x: Any, how: Operand, q: Storage) -> Native | None:
    """Eight entries a byte: 1 where fprop did not clip ``x`` (rotated, prescaled); None where its
    quantizer does not mask."""
    if not isinstance(how, Quantizer) or how.ste == "pass" or not isinstance(q, Blocked):
        return None
    seen = turned(x, q.transform, q.axis)
    seen = seen if how.prescale == 1.0 else seen * np.float32(how.prescale)
    size, most = library_of(x).abs(seen), largest(q)
    inside = size < most if how.ste == "trust" else size <= most
    return Native(library_of(x).packbits(inside))


def gradient_of(d: Any, transform: Transform | None, mask: Native | None, requantized: bool) -> Any:
    """The gradient of an operand of fprop, from what the backward product gave.

    d
        (rows, K), in the basis that fprop rotated into where its operand was requantized, else in
        that of the raw one.
    """
    inside = requantized
    if mask is not None:
        d = d if requantized else turned(d, transform, 1)
        bits = library_of(d).unpackbits(mask.array)[: d.size]
        d, inside = d * bits.reshape(d.shape), True
    return turned_back(d, transform, 1) if inside else d
