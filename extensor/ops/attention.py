"""Attention: a weighted mean of values, the weights a softmax of products of queries and keys.

Two products and one row between them. Scale, mask and softmax are one row, so a graph keeps the
weights alone; the gradient reads nothing else.
"""

import math
from typing import Any

import numpy as np

from extensor.backend import library_of
from extensor.errors import DTypeError, ShapeError
from extensor.noise import Key
from extensor.ops.coerce import tensors
from extensor.ops.dropout import dropout as drop
from extensor.ops.linear import matmul, swap
from extensor.ops.loops import add_loop, rows_alike
from extensor.ops.loss import softmax_grad
from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import sum_to


def _check_mask(scores: Any, mask: Any) -> None:
    if mask.dtype.kind not in "bf":
        raise DTypeError(
            f"attention: mask of {mask.dtype}; allowed: bool (True takes part), or a float format "
            "(added to the scaled scores)"
        )
    lead = scores.ndim - mask.ndim
    if lead < 0 or any(
        m not in (1, n) for m, n in zip(mask.shape, scores.shape[lead:], strict=True)
    ):
        raise ShapeError(
            f"attention: mask of shape {mask.shape}; allowed: a shape that broadcasts to the "
            f"scores' {scores.shape}"
        )


def _weights(scores: Any, *mask: Any, causal: bool = False, scale: float = 1.0) -> Any:
    if scores.ndim < 2 or len(mask) > 1:
        raise ShapeError(
            f"attention_weights: scores of shape {scores.shape} and {len(mask)} masks; allowed: "
            "(..., queries, keys) and at most one"
        )
    x, never = scores * scale, scores.dtype.type(-np.inf)
    for m in mask:
        _check_mask(scores, m)
        x = np.where(m, x, never) if m.dtype.kind == "b" else x + m
    if causal:
        x = np.where(library_of(x).tri(*x.shape[-2:], dtype=bool), x, never)
    top = x.max(axis=-1, keepdims=True)
    x = np.exp(x - np.where(top == never, x.dtype.type(0), top))
    total = x.sum(axis=-1, keepdims=True)
    x /= np.where(total == 0, x.dtype.type(1), total)
    return x


def _weights_grad(
    g: Any, y: Any, scores: Any, *mask: Any, causal: bool = False, scale: float = 1.0
) -> tuple[Any, ...]:
    inner = softmax_grad(g, y)
    return inner * scale, *(sum_to(inner, shape=m.shape) if m.requires_grad else None for m in mask)


_MASK = np.array([[True, False, True, True], [False] * 4, [True, True, False, False]])

# fmt: off
attention_weights: Op = op(
    "attention_weights", _weights, _weights_grad,
    "softmax(scale scores + mask) over the last axis; causal: query i sees keys 0 .. i",
    saves=("y",), result="float", typed=slice(0, 1), method=False,
    samples=(Sample(((2, 3, 4),), {"causal": True, "scale": 0.5}),
             Sample(((2, 3, 4), (3, 4)), {"scale": 0.5}), Sample(((2, 3, 4), _MASK))))
# fmt: on
add_loop(attention_weights, "softmax", lambda x, **how: rows_alike(x) and x.array.ndim > 1)


def scaled_dot_product_attention(
    q: Any, k: Any, v: Any, mask: Any = None, *, causal: bool = False, scale: float | None = None,
    dropout: float = 0.0, key: Key | None = None,
) -> Any:  # fmt: skip
    """``softmax(scale q kᵀ + mask) v``, over the keys; leading axes broadcast.

    q, k, v
        (..., queries, width), (..., keys, width) and (..., keys, width of the answer).
    mask
        None, or what broadcasts to (..., queries, keys): bool, where True takes part, or floats
        that are added. A query that no key takes part for gets zeros.
    causal
        Query i sees keys 0 .. i (counted from the first of each, as PyTorch does).
    scale
        None: 1 / sqrt(width).
    dropout, key
        This share of the weights becomes 0 and the others grow, as `dropout` says; the key says
        which, and is needed where the share is not 0.

    ShapeError where lengths disagree, DTypeError for a mask of integers. Formula (1) of Vaswani et
    al., "Attention is all you need", 2017.

    >>> import extensor as ex
    >>> q = ex.asarray([[1.0, 0.0], [0.0, 1.0]])
    >>> ex.scaled_dot_product_attention(q, q, q, causal=True).tolist()[0]
    [1.0, 0.0]
    """
    q, k, v = tensors(q, k, v)
    shapes = [tuple(t.shape) for t in (q, k, v)]
    if (
        min(len(s) for s in shapes) < 2
        or shapes[0][-1] != shapes[1][-1]
        or shapes[0][-1] == 0
        or shapes[1][-2] != shapes[2][-2]
    ):
        raise ShapeError(
            f"scaled_dot_product_attention: shapes {shapes[0]}, {shapes[1]} and {shapes[2]}; "
            "allowed: (..., queries, width), (..., keys, width) and (..., keys, any)"
        )
    scale = 1.0 / math.sqrt(shapes[0][-1]) if scale is None else float(scale)
    scores = matmul(q, swap(k))
    masks = () if mask is None else (mask,)
    weights = attention_weights(scores, *masks, causal=causal, scale=scale)
    return matmul(drop(weights, p=dropout, key=key) if dropout else weights, v)
