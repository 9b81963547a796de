"""Shape ops: they move codes and never round."""

from typing import Any

import numpy as np

from extensor.backend import device_of, library_of, to_device
from extensor.errors import IndexShapeError, ShapeError
from extensor.ops.registry import Op, Sample, op

Shape = tuple[int, ...]


def _one(name: str, meaning: Any, grad: Any, doc: str, *samples: Sample, **facts: Any) -> Op:
    return op(name, meaning, grad, doc, samples=samples, result="same", **facts)


def _sum_to(x: Any, shape: Shape) -> Any:
    lead = x.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1
    )
    return x.sum(axis=axes, keepdims=True).reshape(shape) if axes else x.reshape(shape)


def _inverse(axes: Shape) -> Shape:
    return tuple(int(i) for i in np.argsort(axes))


def _transpose(x: Any, axes: Shape) -> Any:
    if sorted(a % x.ndim for a in axes) != list(range(x.ndim)):
        raise ShapeError(f"permute: axes {axes} for shape {x.shape}; allowed: every axis once")
    return x.transpose(axes)


def check_index(index: Any) -> Any:
    """An index that NumPy takes: integers, slices, None, ..., integer and boolean arrays.

    A float is refused by name: NumPy's own message does not say which index it was.
    """
    for part in index if isinstance(index, tuple) else (index,):
        kind = getattr(getattr(part, "dtype", None), "kind", "")
        if isinstance(part, float) or kind == "f":
            raise IndexShapeError(
                f"index: {part!r} is a float; allowed: integers, slices, None, ..., and integer "
                "or boolean arrays"
            )
    return index


def beside(x: Any, index: Any) -> Any:
    """An index whose arrays live where ``x`` does."""
    parts = index if isinstance(index, tuple) else (index,)
    moved = tuple(to_device(p, device_of(x)) if hasattr(p, "dtype") else p for p in parts)
    return moved if isinstance(index, tuple) else moved[0]


def _getitem(x: Any, index: Any) -> Any:
    return x[beside(x, check_index(index))]


def _meets_once(index: Any) -> bool:
    """Whether an index cannot name a place twice: it holds integers, slices, None and ... only."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(p is None or p is ... or isinstance(p, int | slice) for p in parts)


def _put(g: Any, index: Any, shape: Shape) -> Any:
    out = library_of(g).zeros(shape, g.dtype)
    if _meets_once(index):
        out[index] = g
    else:
        library_of(g).add.at(out, beside(g, index), g)
    return out


def _concat(*xs: Any, axis: int = 0) -> Any:
    return np.concatenate(xs, axis=axis)


def _concat_grad(g: Any, y: Any, *xs: Any, axis: int = 0) -> tuple[Any, ...]:
    parts, start = [], 0
    axis = axis % len(xs[0].shape)
    for x in xs:
        stop = start + x.shape[axis]
        parts.append(getitem(g, index=(slice(None),) * axis + (slice(start, stop),)))
        start = stop
    return tuple(parts)


def _stack_grad(g: Any, y: Any, *xs: Any, axis: int = 0) -> tuple[Any, ...]:
    axis = axis % len(g.shape)
    return tuple(getitem(g, index=(slice(None),) * axis + (i,)) for i in range(len(xs)))


def _roll_grad(g: Any, y: Any, x: Any, shift: Any, axis: Any) -> tuple[Any, ...]:
    back = -shift if isinstance(shift, int) else tuple(-n for n in shift)
    return (roll(g, shift=back, axis=axis),)


def _pad_grad(g: Any, y: Any, x: Any, width: Any) -> tuple[Any, ...]:
    inner = tuple(slice(a, a + n) for (a, _), n in zip(width, x.shape, strict=True))
    return (getitem(g, index=inner),)


# fmt: off
reshape: Op = _one("reshape", lambda x, shape: x.reshape(shape),
               lambda g, y, x, shape: (reshape(g, shape=x.shape),),
               "the same numbers in row-major order under another shape",
               Sample(((3, 4),), {"shape": (2, 6)}), Sample(((2, 3),), {"shape": (-1,)}))
permute: Op = _one("permute", _transpose,
               lambda g, y, x, axes: (permute(g, axes=_inverse(tuple(a % x.ndim for a in axes))),),
               "axes in another order", Sample(((2, 3, 4),), {"axes": (2, 0, 1)}))
expand_dims: Op = _one("expand_dims", lambda x, axis: np.expand_dims(x, axis),
                   lambda g, y, x, axis: (reshape(g, shape=x.shape),),
                   "a new axis of length 1", Sample(((3, 4),), {"axis": 1}))
squeeze: Op = _one("squeeze", lambda x, axis: np.squeeze(x, axis),
               lambda g, y, x, axis: (reshape(g, shape=x.shape),),
               "without an axis of length 1", Sample(((3, 1, 4),), {"axis": 1}))
broadcast_to: Op = _one("broadcast_to", lambda x, shape: np.broadcast_to(x, shape).copy(),
                    lambda g, y, x, shape: (sum_to(g, shape=x.shape),),
                    "repeated along new axes and axes of length 1",
                    Sample(((3, 1),), {"shape": (2, 3, 4)}))
flip: Op = _one("flip", lambda x, axis: np.flip(x, axis),
                lambda g, y, x, axis: (flip(g, axis=axis),),
            "reversed along an axis", Sample(((3, 4),), {"axis": 1}),
            Sample(((3, 4),), {"axis": 0}))
roll: Op = _one("roll", lambda x, shift, axis: np.roll(x, shift, axis), _roll_grad,
            "moved on along axes; what leaves at the end enters at the front",
            Sample(((3, 4),), {"shift": 1, "axis": 0}),
            Sample(((3, 4),), {"shift": (2, -1), "axis": (1, 0)}))
getitem: Op = _one("getitem", _getitem,
                   lambda g, y, x, index: (put(g, index=index, shape=x.shape),),
               "x[index]", Sample(((3, 4),), {"index": (slice(1, None), 2)}),
               Sample(((3, 4),), {"index": (np.array([0, 2, 2]),)}))
put: Op = op("put", _put, lambda gg, y, g, index, shape: (getitem(gg, index=index),),
         "zeros with g added at the index (repeated places add up)", method=False,
         samples=(Sample(((3,),), {"index": (np.array([0, 2, 2]),), "shape": (4,)}),))
pad: Op = _one("pad", lambda x, width: np.pad(x, width), _pad_grad, "zeros around",
           Sample(((2, 3),), {"width": ((1, 0), (2, 1))}), fills=True)
concat: Op = _one("concat", _concat, _concat_grad, "joined along an axis",
              Sample(((2, 3), (2, 4)), {"axis": 1}),
              Sample(((2, 3), (1, 3)), {"axis": 0}), method=False)
stack: Op = _one("stack", lambda *xs, axis=0: np.stack(xs, axis=axis), _stack_grad,
             "joined along a new axis", Sample(((2, 3), (2, 3)), {"axis": 1}), method=False)
sum_to: Op = op("sum_to", _sum_to, lambda g, y, x, shape: (broadcast_to(g, shape=x.shape),),
            "summed over the axes that broadcasting to x would repeat", method=False, result="sum",
            samples=(Sample(((2, 3, 4),), {"shape": (3, 1)}),))
# fmt: on
