"""``Ghost``: a NumPy array of which only shape, type and layout count.

Its memory is reserved and never written, so it costs no pages; what NumPy would compute from it is
another ghost of the shape, type and layout that the answer would have. Views are views, as
NumPy makes them. The memory ledger runs a model on ghosts: the graph that comes of it holds what
that of a real step would, and nothing has been computed.

What is not known here is computed on the zeros behind a ghost: slower, and as right.
"""

from collections.abc import Callable
from typing import Any

import numpy as np


class Ghost(np.ndarray[Any, Any]):
    """An array without numbers; made by `ghost`.

    >>> x = ghost((3, 4))
    >>> (x * 2 + 1).shape, x.sum(axis=0).shape, (x @ x.T).nbytes, x[1:, ::2].base is x
    ((3, 4), (4,), 36, True)
    """

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **how: Any) -> Any:
        out = how.get("out")
        if out is not None or method == "at":
            return out[0] if isinstance(out, tuple) and len(out) == 1 else out
        if ufunc is np.matmul:
            return ghost(_product_shape(*inputs), np.result_type(*(x.dtype for x in inputs)))
        if method == "__call__" and ufunc.signature is None:
            return _elementwise(ufunc, inputs, how)
        if method == "reduce":
            return _reduced(ufunc, inputs[0], **how)
        return _shown(getattr(ufunc, method)(*map(_plain, inputs), **how))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        known = _KNOWN.get(func)
        if known is not None:
            return known(*args, **kwargs)
        return _shown(super().__array_function__(func, types, args, kwargs))

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if not any(isinstance(p, np.ndarray | list) for p in parts):
            return super().__getitem__(index)
        if len(parts) == 1 and parts[0].dtype.kind in "iu":
            return ghost((*parts[0].shape, *self.shape[1:]), self.dtype)
        return ghost(np.broadcast_to(np.False_, self.shape)[index].shape, self.dtype)

    def __setitem__(self, index: Any, value: Any) -> None:
        pass

    def astype(  # type: ignore[override]  # NumPy's overloads, in one
        self, dtype: Any, *_: Any, copy: bool = True, **__: Any
    ) -> Any:
        """As NumPy's: a new array, or itself."""
        if not copy and self.dtype == np.dtype(dtype):
            return self
        return _like(self, dtype)

    def copy(self, order: Any = "C") -> Any:
        """A new array."""
        return ghost(self.shape, self.dtype)

    def reshape(self, *shape: Any, **_: Any) -> Any:
        """A view where the layout allows, else a new array."""
        to = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        plain = _plain(self)
        try:
            return np.reshape(plain, to, copy=False).view(Ghost)
        except ValueError:
            fresh = ghost(self.shape, self.dtype)
            return fresh if fresh.shape == tuple(to) else fresh.reshape(to)

    def contiguous(self) -> Any:
        """Itself where it is in C order, else a new array."""
        return self if self.flags.c_contiguous else ghost(self.shape, self.dtype)


def ghost(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """A new ghost in C order. Large memory is only reserved by the system, until it is written.

    >>> ghost((2, 3)).strides
    (12, 4)
    """
    return np.zeros(shape, dtype).view(Ghost)


def _plain(x: Any) -> Any:
    if isinstance(x, tuple) and hasattr(x, "_replace"):
        return type(x)(*map(_plain, x))
    return x.view(np.ndarray) if isinstance(x, Ghost) else x


def _shown(value: Any) -> Any:
    """What NumPy gave, as ghosts."""
    if isinstance(value, tuple | list):
        made = map(_shown, value)
        return type(value)(*made) if hasattr(value, "_replace") else type(value)(made)
    return value.view(Ghost) if isinstance(value, np.ndarray) else value


def _like(x: Any, dtype: Any = None, shape: Any = None) -> Any:
    """A new ghost, its axes in memory in the order of those of ``x``."""
    if shape is not None and tuple(np.atleast_1d(shape)) != x.shape:
        return ghost(shape, dtype or x.dtype)
    axes = sorted(range(x.ndim), key=lambda a: -abs(x.strides[a]))
    made = ghost(tuple(x.shape[a] for a in axes), dtype or x.dtype)
    return made.transpose(np.argsort(axes)) if x.ndim else made


def beside(x: Any, shape: tuple[int, ...]) -> Any:
    """A ghost of another shape with the axes in memory in the order of those of ``x``.

    >>> beside(ghost((2, 3)).T, (5, 7)).strides
    (4, 20)
    """
    axes = sorted(range(x.ndim), key=lambda a: -abs(x.strides[a]))
    return ghost(tuple(shape[a] for a in axes), x.dtype).transpose(np.argsort(axes))


def on_zeros(run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a function makes of the zeros behind ghosts, as ghosts."""
    return _shown(run(*map(_plain, args), **{k: _plain(v) for k, v in kwargs.items()}))


def _elementwise(ufunc: Any, inputs: Any, how: Any) -> Any:
    """An answer for each number: the shape is the common one, the type that of empty operands."""
    shape = np.broadcast_shapes(*(np.shape(x) for x in inputs))
    empty = [np.zeros(0, x.dtype) if isinstance(x, np.ndarray | np.generic) else x for x in inputs]
    tiny = ufunc(*empty, **{k: v for k, v in how.items() if k != "where"})
    model = next((x for x in inputs if isinstance(x, np.ndarray) and x.shape == shape), None)

    def made(dtype: Any) -> Any:
        return ghost(shape, dtype) if model is None else _like(model, dtype)

    return tuple(made(t.dtype) for t in tiny) if isinstance(tiny, tuple) else made(tiny.dtype)


def _reduced(
    ufunc: Any, x: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False, **_: Any
) -> Any:
    gone = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    lost = {a % x.ndim for a in gone} if x.ndim else set()
    if keepdims:
        shape = tuple(1 if a in lost else n for a, n in enumerate(x.shape))
    else:
        shape = tuple(n for a, n in enumerate(x.shape) if a not in lost)
    return ghost(shape, ufunc.reduce(np.ones(1, x.dtype), dtype=dtype).dtype)


def _product_shape(a: Any, b: Any) -> tuple[int, ...]:
    """Of ``a @ b``; ValueError as NumPy's where the inner axes differ."""
    if a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        raise ValueError(f"matmul: inner axes of {a.shape} and {b.shape}")
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (*lead, *a.shape[-2:-1][: a.ndim - 1], *(b.shape[-1:] if b.ndim > 1 else ()))


def _where(condition: Any, x: Any, y: Any) -> Any:
    return _elementwise(np.add, (x, y, condition)[:2], {}) if np.shape(condition) in (
        (), np.broadcast_shapes(np.shape(x), np.shape(y))
    ) else ghost(
        np.broadcast_shapes(*map(np.shape, (condition, x, y))), np.result_type(x, y)
    )  # fmt: skip


def _concatenate(arrays: Any, axis: int = 0, **_: Any) -> Any:
    shape = list(arrays[0].shape)
    shape[axis] = sum(x.shape[axis] for x in arrays)
    return ghost(tuple(shape), np.result_type(*(x.dtype for x in arrays)))


def _new(x: Any, dtype: Any = None, order: Any = None, subok: Any = None, shape: Any = None) -> Any:
    return _like(x, dtype, shape)


_KNOWN: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.concatenate: _concatenate,
    np.zeros_like: _new,
    np.ones_like: _new,
    np.empty_like: _new,
    np.full_like: lambda x, value, dtype=None, **_: _like(x, dtype),
    np.copy: lambda x, **_: x.copy(),
    np.copyto: lambda *_, **__: None,
}
