"""``ExTensor``: a storage, and a place in the graph of gradients.

Methods and operators are hung on from the op table, `extensor.ops.registry`.

Over 300 lines: the class, the functions that make one, and `apply`, which runs an op on some,
need each other; apart they would be files that import in a circle.
"""

import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from extensor import autograd, dlpack, ops
from extensor.autograd import Handle, Hook, Node
from extensor.backend import check_device, contiguous, device_of, from_dlpack, namespace
from extensor.errors import DispatchError, DTypeError, FormatError, GraphError, ShapeError
from extensor.formats import FP32, Block, DType, Element, Integer, compute, dtype, from_numpy
from extensor.kernels.front import pack as _pack
from extensor.kernels.front import unpack as _unpack
from extensor.noise import Key
from extensor.ops.convert import arrays_of, store
from extensor.ops.mode import mode
from extensor.ops.registry import OPS, Op, bind
from extensor.quantizer import Quantizer, draw_signs
from extensor.quantizer import bind as bind_quantizer
from extensor.repr import describe, describe_html
from extensor.storage import Blocked, Coded, Native, Storage, check_codes, note_view, pack_storage


class _Creation(type):
    """``ExTensor[ex.mxfp4].zeros(...)``: the class indexed by a format creates tensors of it."""

    def __getitem__(cls, spec: object) -> "Creator":
        return Creator(dtype(spec))


class Creator:
    """The creation functions of one format.

    >>> import extensor as ex
    >>> ex.ExTensor[ex.mxfp4].zeros((2, 64)).nbytes
    68
    """

    def __init__(self, to: DType) -> None:
        self.dtype = to

    def __repr__(self) -> str:
        return f"ExTensor[{self.dtype}]"

    def _make(self, array: NDArray[Any], requires_grad: bool) -> "ExTensor":
        return asarray(array, self.dtype, requires_grad=requires_grad)

    def full(self, shape: Any, value: float, *, requires_grad: bool = False) -> "ExTensor":
        """Every entry ``value``, rounded to the format."""
        inside = np.float64 if self.dtype.is_float else self.dtype.storage
        return self._make(np.full(shape, value, inside), requires_grad)

    def zeros(self, shape: Any, *, requires_grad: bool = False) -> "ExTensor":
        """Every entry 0."""
        return self.full(shape, 0, requires_grad=requires_grad)

    def ones(self, shape: Any, *, requires_grad: bool = False) -> "ExTensor":
        """Every entry 1."""
        return self.full(shape, 1, requires_grad=requires_grad)

    def arange(self, start: float, stop: float | None = None, step: float = 1) -> "ExTensor":
        """``start, start + step, ...`` below ``stop``."""
        return self._make(np.arange(start, stop, step), False)

    def asarray(self, obj: Any, *, requires_grad: bool = False) -> "ExTensor":
        """``obj`` in this format."""
        return asarray(obj, self.dtype, requires_grad=requires_grad)


class ExTensor(metaclass=_Creation):
    """A tensor whose number format is a value: float32, MXFP4, or one of your own.

    Made by `extensor.asarray`, `extensor.quantize` and the creation functions.

    >>> import extensor as ex
    >>> x = ex.asarray([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad.tolist()
    [2.0, 4.0]
    """

    __slots__ = (
        "__weakref__", "grad", "grad_quantizer", "hooks", "node", "requires_grad", "storage",
    )  # fmt: skip
    __array_priority__ = 100

    def __init__(
        self, storage: Storage, requires_grad: bool = False, node: Node | None = None
    ) -> None:
        self.storage = storage
        self.node = node
        self.requires_grad = requires_grad or node is not None
        self.grad: ExTensor | None = None
        self.grad_quantizer: Quantizer | None = None
        self.hooks: dict[int, Hook] | None = None

    # what it is -------------------------------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis."""
        return self.storage.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.storage.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return prod(self.storage.shape)

    @property
    def dtype(self) -> DType:
        """The number format."""
        return self.storage.dtype

    @property
    def device(self) -> str:
        """``"cpu"`` or ``"cuda"``."""
        return self.storage.device

    @property
    def nbytes(self) -> int:
        """Bytes really stored: of a blocked tensor packed codes, scales and the tensor scale."""
        return self.storage.nbytes

    @property
    def T(self) -> "ExTensor":
        """All axes reversed."""
        return ops.permute(self, axes=tuple(range(self.ndim))[::-1])  # type: ignore[no-any-return]

    @property
    def mT(self) -> "ExTensor":
        """Every matrix transposed: the last two axes swapped. ShapeError for fewer axes."""
        if self.ndim < 2:
            raise ShapeError(f"mT: shape {self.shape}; allowed: matrices (..., rows, columns)")
        axes = (*range(self.ndim - 2), self.ndim - 1, self.ndim - 2)
        return self.permute(axes=axes)  # type: ignore[no-any-return]

    # blocked tensors --------------------------------------------------------------------------
    def _blocked(self, name: str) -> Blocked:
        if not isinstance(self.storage, Blocked):
            raise DTypeError(f"{name}: a tensor of {self.dtype} has none; see ex.quantize")
        return self.storage

    @property
    def codes(self) -> NDArray[Any]:
        """Element codes, one an entry, in the logical shape."""
        if isinstance(self.storage, Coded):
            return self.storage.codes  # type: ignore[no-any-return]
        return self._blocked("codes").codes

    @property
    def packed(self) -> NDArray[np.uint8]:
        """The stored bytes of the codes: (rows, bytes of a row)."""
        return self._blocked("packed").rows.codes

    @property
    def scales(self) -> NDArray[Any]:
        """Scale codes, the shape with the blocked axes divided (rounded up)."""
        return self._blocked("scales").scales  # type: ignore[no-any-return]

    @property
    def tensor_scale(self) -> Any:
        """The one float32 scale of the tensor, a float; an array of one a row, for
        ``tensor_scale="row"``; or None. From a GPU it is copied, which waits."""
        scale: Any = self._blocked("tensor_scale").rows.tensor_scale
        if isinstance(scale, np.ndarray):
            return scale
        return scale if scale is None or isinstance(scale, float) else float(scale[0])

    @property
    def axis(self) -> int:
        """The axis along which blocks run."""
        return self._blocked("axis").axis

    @property
    def block_shape(self) -> tuple[int, int]:
        """The shape of a block."""
        return self._blocked("block_shape").rows.fmt.shape

    @property
    def transform(self) -> Any:
        """None, or the rotation and prescale that products must undo."""
        return self._blocked("transform").transform

    # values -----------------------------------------------------------------------------------
    def numpy(self) -> NDArray[Any]:
        """The values as NumPy has them; coded formats as ml_dtypes, blocked ones as float32.

        From a GPU they are copied, which waits for it.
        """
        storage = self.storage.to("cpu")
        if isinstance(storage, Native):
            return storage.array  # type: ignore[no-any-return]
        if isinstance(storage, Coded):
            return _as_ml_dtype(storage)
        return np.ascontiguousarray(_values(storage))

    def array(self) -> Any:
        """The values where they lie: a NumPy array, or one of CuPy; see `numpy` for formats."""
        storage = self.storage
        if isinstance(storage, Native):
            return storage.array
        return contiguous(_values(storage)) if self.device != "cpu" else self.numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack_device__(self) -> tuple[int, int]:
        """(device type, number) as DLPack counts them: (1, 0) is the CPU."""
        array = self._dlpack_array()
        return dlpack.CPU if array is None else tuple(map(int, array.__dlpack_device__()))  # type: ignore[return-value]

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule for other libraries, without a copy where the layout allows.

        Native tensors as NumPy or CuPy export them; bfloat16, FP8 and FP4 codes under DLPack's own
        names (FP4 packs two a byte, which copies). DTypeError for what DLPack has no name for:
        FP6, formats of one's own, and blocked tensors, whose codes and scales are two arrays.

        >>> import extensor as ex
        >>> np.from_dlpack(ex.asarray([1.0, 2.0])).tolist()
        [1.0, 2.0]
        """
        array = self._dlpack_array()
        if array is not None:
            options: dict[str, Any] = {
                "stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy,
            }  # fmt: skip
            return array.__dlpack__(**{k: v for k, v in options.items() if v is not None})
        if not isinstance(self.storage, Coded):
            raise DTypeError(
                f"__dlpack__: {self.dtype} is codes and scales; give q.packed and q.scales, or "
                "ex.dequantize(q)"
            )
        if dl_device is not None and tuple(map(int, dl_device)) != dlpack.CPU:
            raise DispatchError(f"__dlpack__: {self.dtype} for device {dl_device}; allowed: (1, 0)")
        codes = self.storage.codes.copy() if copy else self.storage.codes
        return dlpack.export(codes, self.storage.dtype, bool(max_version and max_version[0]))

    def _dlpack_array(self) -> Any:
        """The array that exports itself; None for codes."""
        if self.requires_grad:
            raise GraphError("__dlpack__: the tensor requires a gradient; use x.detach()")
        return self.storage.array if isinstance(self.storage, Native) else None

    def item(self) -> Any:
        """The only entry, as a Python number."""
        if self.size != 1:
            raise ShapeError(f"item: shape {self.shape} is not a single number; use tolist()")
        return np.asarray(_values(self.storage.to("cpu"))).reshape(-1)[0].item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return np.asarray(_values(self.storage.to("cpu"))).tolist()

    def __float__(self) -> float:
        if self.dtype.is_complex:
            raise DTypeError(f"float: a number of {self.dtype}; take ex.real(x) or ex.abs(x)")
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.is_float or self.dtype.is_complex or self.dtype.name == "bool":
            raise DTypeError(f"index: a tensor of {self.dtype}; allowed: integers")
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("len: the tensor has no axes")
        return self.shape[0]

    def __iter__(self) -> Iterator["ExTensor"]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return describe(self.storage, self.requires_grad)

    def _repr_html_(self) -> str:
        return describe_html(self.storage, self.requires_grad)

    # formats ----------------------------------------------------------------------------------
    def to(self, target: Any, *, axis: int = -1) -> "ExTensor":
        """In another format, or on another device; itself where nothing changes.

        Blocked formats take their default quantizer along ``axis``; see `extensor.quantize`.
        """
        if isinstance(target, str) and target in ("cpu", "cuda"):
            check_device(target)
            return self if target == self.device else self._moved(target)
        to = dtype(target)
        if to == self.dtype:
            return self
        if isinstance(to, Block):
            return quantize(self, to, axis=axis)
        return ops.cast(self, dtype=to)  # type: ignore[no-any-return]

    def to_device(self, device: str, /, *, stream: Any = None) -> "ExTensor":
        """The same tensor on a device; itself where it lies there.

        stream
            None: the current stream. DispatchError for others.

        >>> import extensor as ex
        >>> ex.ones(2).to_device("cpu").device
        'cpu'
        """
        if stream is not None:
            raise DispatchError("to_device: a stream; allowed: None, the current stream")
        return self.to(check_device(device))

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        """`extensor` itself: the functions of the Array API standard."""
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise DispatchError(
                f"__array_namespace__: version {api_version!r}; allowed: '2021.12' .. '2024.12'"
            )
        return import_module("extensor")

    def _moved(self, device: str) -> "ExTensor":
        """The same bytes on another device; a leaf that requires a gradient stays one."""
        if self.node is not None:
            raise GraphError(
                f"to: a tensor with a graph cannot move to {device!r}; detach() it, or move the "
                "inputs of the graph"
            )
        moved = ExTensor(self.storage.to(device), self.requires_grad)
        moved.grad_quantizer = self.grad_quantizer
        return moved

    def to_mxfp4(self, block_size: int = 32) -> "ExTensor":
        """MXFP4 along the last axis; another block size makes that block format."""
        from extensor.formats import E2M1, E8M0, MXFP4

        return self.to(MXFP4 if block_size == 32 else Block(E2M1, (1, block_size), E8M0))

    to_fp4_mxfp4 = to_mxfp4

    def to_nvfp4(self) -> "ExTensor":
        """NVFP4 along the last axis."""
        from extensor.formats import NVFP4

        return self.to(NVFP4)

    # the graph --------------------------------------------------------------------------------
    def detach(self) -> "ExTensor":
        """The same storage without a graph."""
        return ExTensor(self.storage)

    def backward(self, gradient: Any = None, *, key: Key | None = None) -> None:
        """Add the derivative of this tensor to ``.grad`` of every leaf; see `autograd.backward`."""
        g = gradient if gradient is None or isinstance(gradient, ExTensor) else asarray(gradient)
        autograd.backward(self, g, key=key)

    def register_hook(self, hook: Hook) -> Handle:
        """Call ``hook(g)`` with the derivative for this tensor whenever one is computed.

        It sees the sum over all uses of the tensor, before it is stored or flows on. A hook
        returns None, or a tensor of the same shape that takes the gradient's place. Hooks run in
        the order of their registration; the handle removes one. GraphError for a tensor that
        requires no gradient.

        >>> import extensor as ex
        >>> x = ex.asarray([3.0], requires_grad=True)
        >>> with x.register_hook(lambda g: g * 10.0):
        ...     (x * x).backward()
        >>> x.grad.tolist()
        [60.0]
        """
        if not self.requires_grad:
            raise GraphError(
                "register_hook: the tensor requires no gradient; make it, or an input of its "
                "graph, with requires_grad=True"
            )
        place: Any = self if self.node is None else self.node
        if place.hooks is None:
            place.hooks = {}
        return Handle(place.hooks, hook)

    def retain_grad(self) -> None:
        """Let `backward` keep ``.grad`` of this tensor too, which has a graph; leaves always do.

        >>> import extensor as ex
        >>> x = ex.asarray([3.0], requires_grad=True)
        >>> y = x * x
        >>> y.retain_grad()
        >>> (y * 5.0).backward()
        >>> y.grad.tolist(), y.retains_grad, x.retains_grad
        ([5.0], True, False)
        """
        if not self.requires_grad:
            raise GraphError("retain_grad: the tensor requires no gradient")
        if self.node is not None:
            self.node.retain = weakref.ref(self)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was asked of a tensor that is no leaf."""
        return self.node is not None and self.node.retain is not None

    def store_grad(self, g: "ExTensor", key: Key | None) -> None:
        """Add ``g`` to the gradient, in the format that ``grad_quantizer`` asks for."""
        if self.grad is not None:
            g = self.grad + g
        if self.grad_quantizer is not None:
            g = ExTensor(self.grad_quantizer.apply(arrays_of(g.storage), key=key))
        self.grad = g.detach()

    def bump(self) -> None:
        """Say that the storage was changed in place: saved copies in graphs become invalid."""
        self.storage.version += 1

    def full_like(self, value: float) -> "ExTensor":
        """A tensor of this shape and (compute) format with every entry ``value``."""
        to = compute(self.dtype)
        library = namespace(self.device)
        return ExTensor(store(library.full(self.shape, value, np.float64), to))

    def reshape(self, *shape: Any) -> "ExTensor":
        """The same numbers in row-major order under another shape; one length may be -1."""
        to = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
        return ops.reshape(self, shape=tuple(int(n) for n in to))  # type: ignore[no-any-return]

    def flatten(self) -> "ExTensor":
        """Everything but the first axis in one: (N, ...) to (N, -1)."""
        return self.reshape(self.shape[0], -1)

    def __getitem__(self, index: Any) -> "ExTensor":
        parts = index if isinstance(index, tuple) else (index,)
        plain = tuple(index_of(p) if isinstance(p, ExTensor) else p for p in parts)
        return ops.getitem(self, index=plain)  # type: ignore[no-any-return]

    if TYPE_CHECKING:  # hung on from the op table below

        def __add__(self, other: Any) -> "ExTensor": ...
        def __radd__(self, other: Any) -> "ExTensor": ...
        def __sub__(self, other: Any) -> "ExTensor": ...
        def __rsub__(self, other: Any) -> "ExTensor": ...
        def __mul__(self, other: Any) -> "ExTensor": ...
        def __rmul__(self, other: Any) -> "ExTensor": ...
        def __truediv__(self, other: Any) -> "ExTensor": ...
        def __rtruediv__(self, other: Any) -> "ExTensor": ...
        def __pow__(self, other: Any) -> "ExTensor": ...
        def __rpow__(self, other: Any) -> "ExTensor": ...
        def __matmul__(self, other: Any) -> "ExTensor": ...
        def __rmatmul__(self, other: Any) -> "ExTensor": ...
        def __lt__(self, other: Any) -> "ExTensor": ...
        def __le__(self, other: Any) -> "ExTensor": ...
        def __gt__(self, other: Any) -> "ExTensor": ...
        def __ge__(self, other: Any) -> "ExTensor": ...
        def __floordiv__(self, other: Any) -> "ExTensor": ...
        def __rfloordiv__(self, other: Any) -> "ExTensor": ...
        def __mod__(self, other: Any) -> "ExTensor": ...
        def __rmod__(self, other: Any) -> "ExTensor": ...
        def __and__(self, other: Any) -> "ExTensor": ...
        def __rand__(self, other: Any) -> "ExTensor": ...
        def __or__(self, other: Any) -> "ExTensor": ...
        def __ror__(self, other: Any) -> "ExTensor": ...
        def __xor__(self, other: Any) -> "ExTensor": ...
        def __rxor__(self, other: Any) -> "ExTensor": ...
        def __lshift__(self, other: Any) -> "ExTensor": ...
        def __rlshift__(self, other: Any) -> "ExTensor": ...
        def __rshift__(self, other: Any) -> "ExTensor": ...
        def __rrshift__(self, other: Any) -> "ExTensor": ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __invert__(self) -> "ExTensor": ...
        def __pos__(self) -> "ExTensor": ...
        def __neg__(self) -> "ExTensor": ...
        def __abs__(self) -> "ExTensor": ...

    def __getattr__(self, name: str) -> Any:
        row = OPS.get(name)
        if row is None or not row.method:
            raise AttributeError(f"ExTensor has no attribute {name!r}")
        return partial(row, self)

    def __dir__(self) -> list[str]:
        return sorted([*object.__dir__(self), *(n for n, row in OPS.items() if row.method)])


def index_of(part: ExTensor) -> Any:
    """A tensor used as an index: its array, where it lies."""
    return part.storage.array if isinstance(part.storage, Native) else part.numpy()


def _values(storage: Storage) -> NDArray[Any]:
    """The stored values, rotated and prescaled as they are."""
    if isinstance(storage, Blocked) and storage.transform is not None:
        storage = Blocked(storage.rows, storage.shape, storage.axis)
    return arrays_of(storage)  # type: ignore[no-any-return]


def _as_ml_dtype(storage: Coded) -> NDArray[Any]:
    import ml_dtypes

    known = getattr(ml_dtypes, storage.dtype.name, None)
    if known is None or from_numpy(np.dtype(known)) != storage.dtype:
        return arrays_of(storage)  # type: ignore[no-any-return]
    return storage.codes.view(known)  # type: ignore[no-any-return]


def apply(row: Op, operands: tuple[Any, ...], attributes: dict[str, Any]) -> ExTensor:
    """Run an op on tensors (numbers and arrays are taken along) and note it in the graph."""
    tensors = _wrap(operands)
    result = row.run([t.storage for t in tensors], attributes)
    result, aux = result if row.aux else (result, None)
    if row.result == "same" and result is not tensors[0].storage:
        note_view(result, tensors[0].storage)
    y = ExTensor(result)
    grad, keeper, watch = mode()
    if grad and row.grad is not None and True in [t.requires_grad for t in tensors]:
        y.node = Node(row, tensors, attributes, y, aux)
        y.requires_grad = True
        if keeper is not None:
            keeper.keep(y.node)
    if watch is not None:
        watch.answer(row, tensors, y)
    return y


def _wrap(operands: tuple[Any, ...]) -> list[ExTensor]:
    """Tensors as they are; Python numbers in the format of their partners (weak scalars)."""
    wrapped = []
    for x in operands:
        if isinstance(x, ExTensor):
            wrapped.append(x)
        elif isinstance(x, bool | int | float | complex):
            wrapped.append(ExTensor(Native(np.asarray(x), weak=True)))
        else:
            wrapped.append(asarray(x))
    return wrapped


bind(apply)


def asarray(
    obj: Any,
    dtype: object = None,
    device: str | None = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> ExTensor:
    """A tensor from a list, a number, a NumPy array, any DLPack object, or a tensor.

    Python floats become float32, integers int64, complex numbers complex64.

    copy
        None: a copy is made where one is needed. True: always. False: FormatError where one would
        be needed.

    >>> asarray([[1, 2], [3, 4]]).dtype, asarray([0.5], "bfloat16").dtype
    (int64, bfloat16)
    """
    check_device(device)
    to = _dtype(dtype) if dtype is not None else None
    tensor = start = obj if isinstance(obj, ExTensor) else ExTensor(_ingest(obj, to))
    if device is not None:
        tensor = tensor.to(device)
    if to is not None and tensor.dtype != to:
        tensor = tensor.to(to)
    if copy:
        tensor = ExTensor(_copy(tensor.storage))
    elif copy is False and (tensor is not start or not hasattr(obj, "__dlpack__")):
        raise FormatError(
            f"asarray: copy=False, but a {type(obj).__name__} as {tensor.dtype} on {tensor.device} "
            "needs a copy; allowed: a tensor or array of that format and device"
        )
    if requires_grad:
        if not tensor.dtype.is_float:
            raise GraphError(f"asarray: {tensor.dtype} has no gradients; allowed: float formats")
        if tensor is obj:
            tensor = ExTensor(tensor.storage)
        tensor.requires_grad = True
    return tensor


def _copy(storage: Storage) -> Storage:
    if isinstance(storage, Native):
        return Native(storage.array.copy())
    if isinstance(storage, Coded):
        return Coded(storage.codes.copy(), storage.dtype)
    rows = storage.rows._replace(codes=storage.rows.codes.copy(), scales=storage.rows.scales.copy())
    return Blocked(rows, storage.shape, storage.axis, storage.transform)


def _whole(obj: Any, array: NDArray[Any]) -> NDArray[Any]:
    """Python integers as they are where all are integers; else the array that NumPy made."""
    exact = np.asarray(obj, object)
    return exact if exact.size and all(type(v) is int for v in exact.flat) else array


def _ingest(obj: Any, to: DType | None) -> Storage:
    """An object that is no tensor as a storage of its own format."""
    if hasattr(obj, "__cuda_array_interface__") and hasattr(obj, "astype"):
        return Native(obj)
    if hasattr(obj, "__dlpack__") and not isinstance(obj, np.ndarray | np.generic):
        if int(obj.__dlpack_device__()[0]) == dlpack.CPU[0] and dlpack.unknown_to_numpy(obj):
            codes, fmt = dlpack.take(obj)
            return Coded(codes, fmt)
        obj = from_dlpack(obj)
        if device_of(obj) == "cuda":
            return Native(obj)
    plain = not isinstance(obj, np.ndarray | np.generic)
    try:
        array = np.asarray(obj)
    except ValueError as error:  # NumPy's word for ragged lists
        raise ShapeError(f"asarray: nested lists of unequal lengths ({error})") from None
    if array.dtype == object:
        raise ShapeError("asarray: nested lists of unequal lengths, or no numbers")
    if plain and to is None and array.dtype in (np.float64, np.complex128):
        array = array.astype(np.float32 if array.dtype == np.float64 else np.complex64)
    if plain and array.dtype == np.float64 and isinstance(to, Integer):
        array = _whole(obj, array)  # NumPy takes [0, 2**63] for float64
    if plain and array.size and array.dtype.kind in "iuO" and isinstance(to, Integer):
        limits = to.limits
        if array.min() < limits[0] or array.max() > limits[1]:
            raise FormatError(
                f"asarray: integers from {array.min()} to {array.max()} do not fit {to}; allowed: "
                f"{limits[0]} .. {limits[1]}"
            )
        array = array.astype(to.storage)
    known = from_numpy(array.dtype)
    if isinstance(known, Element) and known.kind == "coded":
        return Coded(array.view(known.storage), known)
    return Native(array)


def quantize(
    x: Any,
    fmt: object,
    *,
    axis: int = -1,
    key: Key | None = None,
    offset: int = 0,
    **choices: Any,
) -> ExTensor:
    """``x`` in a blocked (or narrow) format; the choices are those of `extensor.Quantizer`.

    Differentiable: the straight-through gradient is the identity.

    fmt
        A format, or a `Quantizer`.
    axis
        The axis along which blocks run.
    key, offset
        For stochastic rounding: the words drawn are a function of the key and of the logical
        index of an element plus ``offset``.

    >>> import extensor as ex
    >>> q = quantize([1.0, 2.0, 3.0, -6.0], ex.mxfp4)
    >>> q.codes.tolist(), q.scales.tolist(), q.tolist()
    ([2, 4, 5, 15], [127], [1.0, 2.0, 3.0, -6.0])
    """
    quantizer = fmt if isinstance(fmt, Quantizer) else Quantizer(_dtype(fmt), **choices)  # type: ignore[arg-type]
    if isinstance(fmt, Quantizer) and choices:
        raise FormatError(f"quantize: a Quantizer and {sorted(choices)}; give one of them")
    tensor = x if isinstance(x, ExTensor) else asarray(x)
    return ops.quantize(  # type: ignore[no-any-return]
        tensor, quantizer=quantizer, axis=axis, key=key, offset=offset
    )


bind_quantizer(quantize)


def dequantize(q: ExTensor, dtype: object = FP32) -> ExTensor:
    """What a blocked or coded tensor stores, as float32 (or another format).

    A rotated or prescaled tensor gives the rotated, prescaled values: products undo a rotation by
    themselves, a prescale is undone by the caller.

    >>> import extensor as ex
    >>> dequantize(ex.quantize(ex.asarray([0.2, 1.3, 5.0]), ex.mxfp4)).tolist()
    [0.0, 1.5, 4.0]
    """
    to = _dtype(dtype)
    wide = to.kind == "native" and to.storage == np.float64
    storage = q.storage
    if isinstance(storage, Blocked):
        storage = Blocked(storage.rows, storage.shape, storage.axis)
    return ExTensor(store(np.ascontiguousarray(arrays_of(storage, wide=wide)), to))


_dtype = dtype


def _operator(name: str, swapped: bool = False) -> Any:
    row = OPS[name]

    def unary(self: ExTensor) -> Any:
        return apply(row, (self,), {})

    def binary(self: ExTensor, other: Any) -> Any:
        return apply(row, (other, self) if swapped else (self, other), {})

    return unary if len(row.samples[0].shapes) == 1 else binary


_OPERATORS = {
    "add": "add radd", "sub": "sub rsub", "mul": "mul rmul", "div": "truediv rtruediv",
    "pow": "pow rpow", "matmul": "matmul rmatmul", "neg": "neg", "abs": "abs",
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge",
    "equal": "eq", "not_equal": "ne", "positive": "pos", "floor_divide": "floordiv rfloordiv",
    "remainder": "mod rmod", "bitwise_and": "and rand", "bitwise_or": "or ror",
    "bitwise_xor": "xor rxor", "bitwise_invert": "invert",
    "bitwise_left_shift": "lshift rlshift", "bitwise_right_shift": "rshift rrshift",
}  # fmt: skip
for _name, _marks in _OPERATORS.items():
    for _number, _mark in enumerate(_marks.split()):
        setattr(ExTensor, f"__{_mark}__", _operator(_name, swapped=_number == 1))
ExTensor.__hash__ = object.__hash__  # type: ignore[method-assign]


# codes and bytes ------------------------------------------------------------------------------
def from_codes(
    codes: Any, scales: Any, fmt: object, *, axis: int = -1, tensor_scale: float | None = None
) -> ExTensor:
    """A tensor of these codes, one an entry, and scale codes (None for an element format).

    scales
        The shape of ``codes`` with the blocked axes divided (rounded up).

    >>> import extensor as ex
    >>> from_codes([[2, 4, 5, 15]], [[128]], ex.mxfp4).tolist()
    [[2.0, 4.0, 6.0, -12.0]]
    """
    to = _dtype(fmt)
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        raise FormatError(f"from_codes: codes of {array.dtype}; allowed: integers")
    if isinstance(to, Block):
        return ExTensor(pack_storage(array, scales, to, axis, tensor_scale))
    if not isinstance(to, Element) or to.kind != "coded":
        raise DTypeError(f"from_codes: {to} has no codes; allowed: coded and blocked formats")
    if scales is not None:
        raise FormatError(f"from_codes: {to} has no scales; give scales=None")
    check_codes(array, to)
    return ExTensor(Coded(array.astype(to.storage), to))


def pack(codes: Any, bits: int) -> NDArray[np.uint8]:
    """Codes as bytes along the last axis: 4 bits low nibble first, 6 bits little-endian.

    >>> [hex(byte) for byte in pack([1, 2, 3, 4], 4)]
    ['0x21', '0x43']
    """
    return _pack(np.asarray(codes, np.uint8), bits)


def unpack(data: Any, bits: int, n: int) -> NDArray[np.uint8]:
    """The first ``n`` codes of bytes made by `pack`.

    >>> unpack(pack([1, 2, 3, 4], 4), 4, 3).tolist()
    [1, 2, 3]
    """
    return _unpack(np.asarray(data, np.uint8), bits, n)


def hadamard(x: Any, n: int, *, axis: int = -1, signs: Any = None) -> ExTensor:
    """``x diag(s) H_n / sqrt(n)`` by blocks of n along an axis, in float32.

    signs
        None (all +1), n numbers ±1, or a key.

    >>> hadamard([1.0] + [0.0] * 15, 16).tolist()[:3]
    [0.25, 0.25, 0.25]
    """
    tensor = x if isinstance(x, ExTensor) else asarray(x)
    return ops.rotate(tensor, n=n, axis=axis, signs=draw_signs(signs, n))  # type: ignore[no-any-return]
