"""Rotary position embedding: pairs of numbers turned by an angle that grows with the position.

A rotation is linear and orthogonal, so its gradient is the rotation back.
"""

from typing import Any

import numpy as np

from extensor.backend import library_of
from extensor.errors import DTypeError, ShapeError
from extensor.ops.registry import Op, Sample, op


def _angles(x: Any, positions: Any, base: float, offset: int) -> Any:
    """(..., T, width / 2) in float64: position times ``base**(-2 i / width)``."""
    library = library_of(x)
    if positions is None:
        positions = library.arange(x.shape[-2])
    if positions.dtype.kind not in "iu":
        raise DTypeError(f"rope: positions of {positions.dtype}; allowed: integers")
    rates = base ** (-library.arange(0, x.shape[-1], 2, dtype=np.float64) / x.shape[-1])
    return (positions + offset)[..., None] * rates


def _rope(
    x: Any, *positions: Any, base: float = 10000.0, offset: int = 0, interleaved: bool = False,
    inverse: bool = False,
) -> Any:  # fmt: skip
    if x.ndim < 2 or x.shape[-1] % 2 or x.shape[-1] == 0 or len(positions) > 1:
        raise ShapeError(
            f"rope: shape {x.shape} and {len(positions)} arrays of positions; allowed: (..., "
            "tokens, an even width), and at most one"
        )
    given: Any = positions[0] if positions else None
    if given is not None and (given.ndim < 1 or given.shape[-1] not in (1, x.shape[-2])):
        raise ShapeError(
            f"rope: positions of shape {given.shape} for x of {x.shape}; allowed: (..., tokens)"
        )
    angle = _angles(x, given, base, offset)
    c, s = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
    if inverse:
        s = -s
    half = x.shape[-1] // 2
    pairs = (x[..., ::2], x[..., 1::2]) if interleaved else (x[..., :half], x[..., half:])
    a, b = pairs[0] * c - pairs[1] * s, pairs[1] * c + pairs[0] * s
    if a.shape[:-1] != x.shape[:-1]:
        raise ShapeError(
            f"rope: positions of shape {given.shape} for x of {x.shape}; allowed: what broadcasts "
            "to the leading axes of x"
        )
    if interleaved:
        return np.stack((a, b), axis=-1).reshape(x.shape)
    return np.concatenate((a, b), axis=-1)


def _back(g: Any, y: Any, x: Any, *positions: Any, **how: Any) -> tuple[Any, ...]:
    turned = rope(g, *positions, **{**how, "inverse": not how.get("inverse", False)})
    return turned, *(None for _ in positions)


_AT = np.array([[0, 3, 1], [7, 2, 2]])

# fmt: off
rope: Op = op(
    "rope", _rope, _back,
    "pair i of token t turned by t base**(-2 i / width); pairs are (x[i], x[i + width / 2]), or "
    "neighbours where interleaved; positions t are integers, or 0, 1, .. from offset on",
    saves=(1,), typed=slice(0, 1), result="float", method=False,
    samples=(Sample(((2, 3, 4),), {"base": 10.0}), Sample(((2, 3, 4), _AT), {"offset": 2}),
             Sample(((3, 6),), {"interleaved": True, "inverse": True})))
# fmt: on
