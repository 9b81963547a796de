"""The table of ops: one row an op, and the kernels that joined it.

A row is a name, a NumPy meaning and a gradient written in ops. Methods, gradient checks, docs and
the op x dtype x device matrix are generated from the rows; nothing else lists ops. Kernels attach
under the storage kinds of the operands and the device; where none fits there is one declared
fallback: decode, compute natively, and round the result to the promoted format.

Over 300 lines: what a row is, how its kernel is found and how its answer's format is decided need
each other; how it is called is in `extensor.ops.calling`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal, NamedTuple

from numpy import ndarray

from extensor.backend import DEVICES, LIBRARIES, device_of
from extensor.errors import (
    DispatchError,
    DTypeError,
    ExtensorError,
    FormatError,
    IndexShapeError,
    OutOfMemoryError,
    ShapeError,
)
from extensor.formats import (
    C64,
    C128,
    FP32,
    FP64,
    Complex,
    DType,
    Integer,
    complex_of,
    compute,
    dtype,
    lift,
    promote_all,
)
from extensor.ops.calling import named, signature_of
from extensor.ops.convert import arrays_of, store
from extensor.ops.trace import Call, record
from extensor.storage import Coded, Native, Storage

Result = Literal["promote", "float", "sum", "real", "part", "complex", "bool", "index", "same"]
"""The format of the answer: promoted; promoted, integers becoming float32; promoted, integers
becoming 64-bit; promoted, complex numbers becoming their parts; both of these; the complex format
with parts of that width; bool; int64; the first operand's own, codes untouched (shape ops)."""
Kernel = Callable[..., Any]
Key = tuple[str, ...]


class Sample(NamedTuple):
    """One set of inputs for the tests of an op: shapes of the operands (or an operand itself,
    where it holds labels) and attributes."""

    shapes: tuple[Any, ...]
    attributes: Mapping[str, Any] = {}  # shared by all, written by none


class Registered(NamedTuple):
    """A kernel, when it applies, and what `explain` calls it."""

    run: Kernel
    name: str
    takes: Callable[..., bool] | None


_PLAIN = ("promote", "float", "sum", "real", "same")
"""Answers that have the type of the operands where these are of one float type."""
_ALL = slice(None)


def _alike(storages: Sequence[Storage]) -> tuple[list[Any], Any] | None:
    """The NumPy arrays of operands of one float type (Python numbers taken along), and the type;
    None for others.

    The short way for what a training step does most.
    """
    kind, arrays, weak = None, [], False
    for s in storages:
        if type(s) is not Native or type(s.array) is not ndarray:
            return None
        arrays.append(s.array)
        if s.weak:
            if s.array.dtype.char == "D":
                return None
            weak = True
        elif kind is None:
            kind = s.array.dtype
        elif s.array.dtype != kind:
            return None
    if kind is None or kind.char not in "fd":
        return None
    if weak:
        weak_ones = [s.weak for s in storages]  # type: ignore[union-attr]
        arrays = [a.astype(kind)[()] if w else a for a, w in zip(arrays, weak_ones, strict=True)]
    return arrays, kind


@dataclass(eq=False)
class Op:
    """One row of the table.

    name
        What it is called everywhere.
    meaning
        The definition on NumPy arrays, good for float64: ``meaning(*arrays, **attributes)``.
    grad
        ``grad(g, y, *xs, **attributes) -> one gradient (or None) per operand``, written in ops;
        None where the op is not differentiable.
    saves
        What the gradient reads: operand numbers and ``"y"``. Others arrive as `Meta`.
    result, typed
        The format of the answer, and which operands decide it.
    samples, domain, smooth
        Inputs for tests: shapes with attributes, where values are drawn, and how many times finite
        differences can follow (0: the gradient is straight-through, by definition).
    fills
        Whether zeros are added, which not every format has.
    complex
        Whether complex numbers have a meaning; shape ops (``result="same"``) take them always.
    aux
        Whether the meaning also gives what the gradient reads (packed operands, for example).
    doc
        One sentence with the formula.
    """

    name: str
    meaning: Kernel
    grad: Callable[..., tuple[Any, ...]] | None
    doc: str
    saves: tuple[int | str, ...] = ()
    result: Result = "promote"
    typed: slice = field(default_factory=lambda: slice(None))
    samples: tuple[Sample, ...] = ()
    domain: tuple[float, float] = (-2.0, 2.0)
    method: bool = True
    aux: bool = False
    fills: bool = False
    complex: bool = False
    smooth: int = 2
    kernels: dict[tuple[Key, str], list[Registered]] = field(default_factory=dict)

    @property
    def __name__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<op {self.name}: {self.doc}>"

    def kernel(
        self,
        *kinds: str,
        device: str | None = None,
        name: str = "",
        takes: Callable[..., bool] | None = None,
    ) -> Callable[[Kernel], Kernel]:
        """Attach a kernel for these storage kinds; a later one is asked first.

        Native kernels take and give arrays; others take and give storages. ``device=None``: on
        every device, because what the kernel calls goes by its operands.
        """

        def add(run: Kernel) -> Kernel:
            for place in DEVICES if device is None else (device,):
                known = self.kernels.setdefault((kinds, place), [])
                known.insert(0, Registered(run, name or f"{self.name}[{','.join(kinds)}]", takes))
            return run

        return add

    def device(self, storages: Sequence[Storage]) -> str:
        """Where the operands live; Python numbers go along. DispatchError for a mixture."""
        places = {s.device for s in storages if not getattr(s, "weak", False)}
        if len(places) > 1:
            given = ", ".join(f"{s.dtype} on {s.device}" for s in storages)
            raise DispatchError(
                f"{self.name}: operands on two devices ({given}); move one: x.to('cuda')"
            )
        return places.pop() if places else "cpu"

    def find(
        self, storages: Sequence[Storage], attributes: dict[str, Any], device: str = "cpu"
    ) -> Registered | None:
        """The kernel for these operands, or None."""
        key = (tuple(s.kind for s in storages), device)
        for kernel in self.kernels.get(key, ()):
            if kernel.takes is None or kernel.takes(*storages, **attributes):
                return kernel
        return None

    def moves_codes(self, storages: Sequence[Storage]) -> bool:
        """Whether this is a shape op on operands of one coded format: their codes move as they are.

        >>> import numpy as np
        >>> from extensor.formats import BF16
        >>> Op("f", lambda x: x, None, "x", result="same").moves_codes([store(np.ones(2), BF16)])
        True
        """
        if self.result != "same" or not storages or not isinstance(storages[0], Coded):
            return False
        return len({s.dtype for s in storages[self.typed]}) == 1

    def common_dtype(self, storages: Sequence[Storage]) -> DType:
        """The format of the operands together; Python numbers give way (they are weak)."""
        typed = storages[self.typed]
        strong = [s.dtype for s in typed if not getattr(s, "weak", False)]
        common = promote_all(strong or [s.dtype for s in typed] or [FP32])
        if not strong and any(not getattr(s, "weak", False) for s in storages):
            return FP32 if common is FP64 else C64 if common is C128 else common
        if len(strong) in (0, len(typed)):
            return common
        return reduce(lift, (s.dtype for s in typed if getattr(s, "weak", False)), common)

    def result_dtype(self, storages: Sequence[Storage]) -> DType:
        """The format of the answer for these operands."""
        if self.result == "bool":
            return dtype("bool")
        if self.result == "index":
            return dtype("int64")
        if self.result == "same":
            return compute(self.common_dtype(storages))
        promoted = compute(self.common_dtype(storages))
        if self.result == "complex":
            return complex_of(promoted)
        if self.result in ("real", "part") and isinstance(promoted, Complex):
            return promoted.part
        if self.result == "real":
            return promoted
        if promoted.is_float or promoted.is_complex or self.result == "promote":
            return promoted
        if self.result in ("float", "part"):
            return FP32
        return dtype("uint64" if promoted.name.startswith("u") else "int64")

    def run(self, storages: Sequence[Storage], attributes: dict[str, Any]) -> Any:
        """Compute on storages. The one place where a kernel is chosen.

        OutOfMemoryError where a device has no room for the answer; what was there is as it was.
        """
        try:
            return self._run(storages, attributes)
        except MemoryError as error:
            if isinstance(error, ExtensorError):
                raise
            given = ", ".join(f"{s.dtype}{list(s.shape)} ({s.nbytes:,} bytes)" for s in storages)
            raise OutOfMemoryError(
                f"{self.name} on {self.device(storages)}: {error}; operands: {given}; free some, "
                "take smaller batches, or use a packed format"
            ) from None

    def _run(self, storages: Sequence[Storage], attributes: dict[str, Any]) -> Any:
        if self.short and record.get() is None:
            alike = _alike(storages)
            if alike is not None:
                arrays, kind = alike
                found = self.find(storages, attributes) if self.kernels else None
                value = self._meant(arrays, attributes, found.run if found else self.meaning)
                if type(value) is ndarray and value.dtype == kind:
                    return Native(value)
                return store(value, kind)
        device = self.device(storages)
        found = self.find(storages, attributes, device)
        native = all(s.kind == "native" for s in storages)
        calls = record.get()
        if calls is not None:
            kinds = tuple(s.kind for s in storages)
            name = found.name if found else f"{self.name}: {LIBRARIES[device]}"
            fallback = found is None and not native and not self.moves_codes(storages)
            calls.append(Call(self.name, kinds, device, name, fallback))
        if found is not None and not native:
            self._check_complex(storages)
            return self._meant(storages, attributes, found.run)
        return self._native(storages, attributes, found)

    def _native(
        self, storages: Sequence[Storage], attributes: dict[str, Any], found: Registered | None
    ) -> Any:
        """Decode what is not native, compute, round once to the format of the answer."""
        self._check_complex(storages)
        first = storages[0] if storages else None
        if isinstance(first, Coded) and self.moves_codes(storages):
            if self.fills and first.dtype.facts.origin:
                raise DTypeError(f"{self.name}: {first.dtype} has no zero to fill with")
            codes = [s.codes if isinstance(s, Coded) else arrays_of(s) for s in storages]
            return Coded(self._meant(codes, attributes), first.dtype)
        answer = self.result_dtype(storages)
        common = (
            answer if self.result in ("promote", "float", "sum") else self.common_dtype(storages)
        )
        inside = FP64 if common is FP64 else FP32 if common.is_float else common
        arrays = [arrays_of(s, wide=inside is FP64) for s in storages]
        for i in range(*self.typed.indices(len(arrays))):
            if arrays[i].dtype != inside.storage and self.result != "same":
                if getattr(storages[i], "weak", False):
                    self._check_number(arrays[i], inside)
                arrays[i] = arrays[i].astype(inside.storage)
        if self.device(storages) != "cpu":
            arrays = [a[()] if device_of(a) == "cpu" else a for a in arrays]
        if found is None and all(s.kind != "native" for s in storages) and storages:
            found = self.find([Native(a) for a in arrays], attributes, self.device(storages))
        value = self._meant(arrays, attributes, found.run if found else self.meaning)
        if self.aux:
            return store(value[0].array, answer), value[1]
        result = store(value, answer)
        if isinstance(result, Native) and storages:
            result.weak = not result.shape and all(getattr(s, "weak", False) for s in storages)
        return result

    def _check_complex(self, storages: Sequence[Storage]) -> None:
        """Complex operands where they have no meaning: DTypeError."""
        if not self.complex and self.result != "same":
            for s in storages:
                if s.dtype.is_complex:
                    raise DTypeError(
                        f"{self.name}: an operand is {s.dtype}; allowed: real formats, for example "
                        "ex.real(x), ex.imag(x) or ex.abs(x)"
                    )

    def _check_number(self, number: Any, to: DType) -> None:
        """A Python integer that the integers of its partner cannot hold: FormatError."""
        if number.dtype.kind in "iu" and isinstance(to, Integer):
            low, high = to.limits
            if not low <= int(number) <= high:
                raise FormatError(
                    f"{self.name}: {number} does not fit {to}; allowed: {low} .. {high}; convert "
                    "the tensor first, for example x.to(ex.int64)"
                )

    def _meant(
        self, arrays: Sequence[Any], attributes: dict[str, Any], run: Kernel | None = None
    ) -> Any:
        """Run on arrays; what NumPy says of shapes and indices becomes our own error."""
        try:
            return (run or self.meaning)(*arrays, **attributes)
        except ExtensorError:
            raise
        except TypeError as error:
            formats = " and ".join(str(a.dtype) for a in arrays)
            raise DTypeError(f"{self.name}: not defined for {formats}: {error}") from None
        except (ValueError, IndexError) as error:
            shapes = " and ".join(str(tuple(a.shape)) for a in arrays)
            kind = IndexShapeError if isinstance(error, IndexError) else ShapeError
            raise kind(f"{self.name}: shapes {shapes} do not fit: {error}") from None

    def __call__(self, *operands: Any, **attributes: Any) -> Any:
        """Apply to tensors; `extensor.tensor` says how results and the graph are made.

        What follows the operands by position are attributes: ``squeeze(x, 0)``.
        """
        if len(operands) > self.arity:
            operands, attributes = named(self, operands, attributes)
        return _apply[0](self, operands, attributes)

    def __post_init__(self) -> None:
        self.short = not self.aux and self.result in _PLAIN and self.typed == _ALL
        self.arity = max((len(sample.shapes) for sample in self.samples), default=0)
        self.__doc__ = f"{self.name}: {self.doc}."

    def __getattr__(self, name: str) -> Any:
        if name != "__signature__":
            raise AttributeError(f"op {self.__dict__.get('name')!r} has no attribute {name!r}")
        return signature_of(self.meaning, self.arity)


def _unbound(op: Op, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    raise DispatchError(f"{op.name}: import extensor before an op is called")


_apply: list[Callable[[Op, tuple[Any, ...], dict[str, Any]], Any]] = [_unbound]


def bind(apply: Callable[[Op, tuple[Any, ...], dict[str, Any]], Any]) -> None:
    """Say how an op is applied to tensors (called once, by `extensor.tensor`)."""
    _apply[0] = apply


OPS: dict[str, Op] = {}


def op(name: str, meaning: Kernel, grad: Any, doc: str, **facts: Any) -> Op:
    """Add a row to the table."""
    if name in OPS:
        raise DispatchError(f"op {name!r} is declared twice")
    OPS[name] = Op(name, meaning, grad, doc, **facts)
    return OPS[name]
