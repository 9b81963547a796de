"""Functions that create tensors: the Array API's names, for every number format.

``dtype=None`` is the default of the kind of number: int64, float32, complex64, bool. Numbers are
computed in float64 (integers as integers) and rounded once to the format. ``device`` is ``"cpu"``
(None) or ``"cuda"``. A shape is an integer or a tuple of them.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from extensor import ops
from extensor.backend import check_device, namespace
from extensor.errors import DTypeError, FormatError, ShapeError
from extensor.formats import DType, Element, Integer
from extensor.formats import dtype as _dtype
from extensor.tensor import ExTensor, asarray

Shape = int | tuple[int, ...]


def _shape(op: str, shape: Any) -> tuple[int, ...]:
    """A shape as a tuple; ShapeError for anything but integers that are not negative."""
    given = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if not all(hasattr(n, "__index__") and int(n) >= 0 for n in given):
        raise ShapeError(f"{op}: shape {shape}; allowed: integers that are not negative")
    return tuple(int(n) for n in given)


def _default(*numbers: Any) -> DType:
    """The format that Python numbers take where none is named."""
    kinds = [type(n) for n in numbers]
    for kind in (complex, float, int):
        if kind in kinds:
            return _dtype(kind)
    return _dtype(bool)


def _inside(to: DType) -> Any:
    """The NumPy type in which numbers of a format are computed before they are rounded."""
    if isinstance(to, Integer):
        return to.storage
    return np.complex128 if to.is_complex else np.float64


def _given(op: str, dtype: object, *numbers: Any) -> DType:
    """The format asked for, or the default; DTypeError where a number has no meaning in it."""
    to = _default(*numbers) if dtype is None else _dtype(dtype)
    if not to.is_complex and any(isinstance(n, complex) for n in numbers):
        raise DTypeError(f"{op}: a complex number in {to}; allowed: complex64 and complex128")
    if isinstance(to, Integer) and to.name != "bool":
        low, high = to.limits
        for n in numbers:
            if isinstance(n, int) and not low <= n <= high:
                raise FormatError(f"{op}: {n} does not fit {to}; allowed: {low} .. {high}")
    return to


def full(
    shape: Shape, fill_value: Any, *, dtype: object = None, device: str | None = None
) -> ExTensor:
    """Every entry ``fill_value``: a number, or a tensor of one.

    FormatError where an integer does not fit the format.

    >>> full((2,), 1.5).tolist(), full(2, 7).dtype, full((1, 32), 3.0, dtype="mxfp4").nbytes
    ([1.5, 1.5], int64, 17)
    """
    lengths = _shape("full", shape)
    if isinstance(fill_value, ExTensor):
        dtype, fill_value = dtype or fill_value.dtype, fill_value.item()
    to = _given("full", dtype, fill_value)
    array = namespace(check_device(device)).full(lengths, fill_value, _inside(to))
    return asarray(array, to)


def zeros(shape: Shape, *, dtype: object = None, device: str | None = None) -> ExTensor:
    """Every entry 0.

    >>> zeros((2, 2)).dtype, zeros(3, dtype="int8").tolist()
    (float32, [0, 0, 0])
    """
    return full(shape, 0, dtype=dtype or "float32", device=device)


def ones(shape: Shape, *, dtype: object = None, device: str | None = None) -> ExTensor:
    """Every entry 1.

    >>> ones((1, 2), dtype="bfloat16").tolist()
    [[1.0, 1.0]]
    """
    return full(shape, 1, dtype=dtype or "float32", device=device)


def empty(shape: Shape, *, dtype: object = None, device: str | None = None) -> ExTensor:
    """A tensor whose entries mean nothing yet. They are 0 (1 in a format that has no 0), so that no
    run depends on old memory.

    >>> empty((2, 3)).shape
    (2, 3)
    """
    to = _dtype(dtype or "float32")
    nothing = int(isinstance(to, Element) and to.facts.origin > 0)
    return full(shape, nothing, dtype=to, device=device)


def _like(x: ExTensor, dtype: object, device: str | None) -> dict[str, Any]:
    return {"dtype": dtype or x.dtype, "device": device or x.device}


def full_like(
    x: ExTensor, /, fill_value: Any, *, dtype: object = None, device: str | None = None
) -> ExTensor:
    """`full` with the shape, and unless named the format and the device, of ``x``.

    >>> full_like(ones((2,), dtype="float16"), 2)
    ExTensor([2., 2.],
      shape=(2,), dtype=float16, device=cpu, 4 bytes)
    """
    return full(x.shape, fill_value, **_like(x, dtype, device))


def zeros_like(x: ExTensor, /, *, dtype: object = None, device: str | None = None) -> ExTensor:
    """`zeros` with the shape, and unless named the format and the device, of ``x``.

    >>> zeros_like(ones((2, 3))).shape
    (2, 3)
    """
    return zeros(x.shape, **_like(x, dtype, device))


def ones_like(x: ExTensor, /, *, dtype: object = None, device: str | None = None) -> ExTensor:
    """`ones` with the shape, and unless named the format and the device, of ``x``.

    >>> ones_like(zeros((2,), dtype="int32")).tolist()
    [1, 1]
    """
    return ones(x.shape, **_like(x, dtype, device))


def empty_like(x: ExTensor, /, *, dtype: object = None, device: str | None = None) -> ExTensor:
    """`empty` with the shape, and unless named the format and the device, of ``x``.

    >>> empty_like(ones((2,), dtype="int32")).dtype
    int32
    """
    return empty(x.shape, **_like(x, dtype, device))


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: object = None,
    device: str | None = None,
) -> ExTensor:
    """``start, start + step, ...`` before ``stop``; of one number: ``0, 1, ...`` before it.

    ShapeError for a step of 0.

    >>> arange(3).tolist(), arange(1, 2, 0.25).tolist(), arange(3, 0, -1).dtype
    ([0, 1, 2], [1.0, 1.25, 1.5, 1.75], int64)
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ShapeError("arange: step 0; allowed: a number that is not 0")
    to = _default(start, stop, step) if dtype is None else _dtype(dtype)
    array = namespace(check_device(device)).arange(start, stop, step, dtype=_inside(to))
    return asarray(array, to)


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: object = None,
    device: str | None = None,
    endpoint: bool = True,
) -> ExTensor:
    """``num`` numbers at equal distances from ``start`` to ``stop`` (``endpoint``: with it).

    >>> linspace(0, 1, 5).tolist(), linspace(0, 1, 4, endpoint=False).tolist()
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.25, 0.5, 0.75])
    """
    if num < 0:
        raise ShapeError(f"linspace: num={num}; allowed: 0 or more")
    to = _given("linspace", dtype, start, stop, 0.0)
    library = namespace(check_device(device))
    array = library.linspace(start, stop, num, endpoint=endpoint, dtype=_inside(to))
    return asarray(array, to)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: object = None,
    device: str | None = None,
) -> ExTensor:
    """Ones on the ``k``-th diagonal (above the main one for k > 0), zeros elsewhere.

    >>> eye(2, 3, k=1).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    rows, columns = _shape("eye", (n_rows, n_rows if n_cols is None else n_cols))
    to = _dtype(dtype or "float32")
    array = namespace(check_device(device)).eye(rows, columns, k, dtype=_inside(to))
    return asarray(array, to)


def meshgrid(*arrays: ExTensor, indexing: str = "xy") -> list[ExTensor]:
    """Coordinates of a grid: one tensor an axis, all of the grid's shape.

    arrays
        Tensors of one axis (or none) and one format.
    indexing
        ``"ij"``: axis i of the grid is array i. ``"xy"``: the first two are swapped.

    >>> [x.tolist() for x in meshgrid(arange(2), arange(3), indexing="ij")]
    [[[0, 0, 0], [1, 1, 1]], [[0, 1, 2], [0, 1, 2]]]
    """
    if indexing not in ("xy", "ij"):
        raise ShapeError(f"meshgrid: indexing={indexing!r}; allowed: 'xy' and 'ij'")
    if any(x.ndim > 1 for x in arrays):
        raise ShapeError(f"meshgrid: shapes {[x.shape for x in arrays]}; allowed: one axis each")
    if len({x.dtype for x in arrays}) > 1:
        raise DTypeError(f"meshgrid: {[x.dtype for x in arrays]}; allowed: one format for all")
    swap = indexing == "xy" and len(arrays) > 1
    order = [1, 0, *range(2, len(arrays))] if swap else list(range(len(arrays)))
    lengths = tuple(arrays[i].size for i in order)
    grids = []
    for i, x in enumerate(arrays):
        line = [1] * len(arrays)
        line[order[i]] = x.size
        grids.append(ops.broadcast_to(ops.reshape(x, shape=tuple(line)), shape=lengths))
    return grids


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> ExTensor:
    """The tensor behind an object of another library that speaks DLPack, without a copy where the
    layout allows it.

    device
        None: where it lies.
    copy
        True: a copy. False: FormatError where one would be needed.

    >>> from_dlpack(np.arange(3)).tolist()
    [0, 1, 2]
    """
    if not hasattr(x, "__dlpack__"):
        raise DTypeError(f"from_dlpack: a {type(x).__name__} has no __dlpack__; see ex.asarray")
    return asarray(x, device=device, copy=copy)


def astype(
    x: ExTensor, dtype: object, /, *, copy: bool = True, device: str | None = None
) -> ExTensor:
    """``x`` in another format, on another device; DTypeError from complex to real numbers.

    copy
        Whether a tensor of that format is copied too. A tensor with a graph keeps it, and shares
        its numbers with x.

    >>> astype(arange(3), "float16").dtype
    float16
    """
    y = x.to(dtype)
    if device is not None:
        y = y.to_device(device)
    if y is not x or not copy:
        return y
    return ops.reshape(x, shape=x.shape) if x.requires_grad else asarray(x, copy=True)
