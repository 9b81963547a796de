"""``compile``: a training step as a CUDA graph, captured once and replayed.

A step of a small network is hundreds of kernels of a few microseconds, and launching one from
Python costs more than running it. A CUDA graph launches all of them at once.

The first two calls with operands of some shapes run as they are written (and warm up what must be
compiled or allocated); the third records and from then on each call replays. Every call is one
step: nothing is run twice, and the numbers are those of the step without ``compile``.
"""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import numpy as np

from extensor.backend import cupy, to_device
from extensor.capture import Capture, CapturedKey, recording
from extensor.errors import DispatchError, GraphError
from extensor.noise import Key
from extensor.tensor import ExTensor, asarray

R = TypeVar("R")
WARM = 2
"""Calls before the capture."""
BUFFERS = 4
"""Host buffers of a graph: as many replays may be under way before one waits."""


class Graph:
    """One captured step: its operands, its answer, and the memory that both live in."""

    def __init__(self, operands: tuple[Any, ...]) -> None:
        library = cupy()
        self.pool = library.cuda.MemoryPool()
        self.stream = library.cuda.Stream(non_blocking=True)
        self.calls = 0
        self.graph: Any = None
        with self.inside():
            self.operands = tuple(asarray(to_device(x, "cuda")) for x in operands)
            self.capture = Capture(library)
            table = self.capture.table()
            self.table = library.zeros(table.shape, table.dtype)
        self.answer: Any = None
        self._host = [_pinned(self.capture.inputs.shape[0]) for _ in range(BUFFERS)]
        self._used: list[Any] = [None] * BUFFERS

    @contextmanager
    def inside(self) -> Any:
        """Everything is queued on the graph's stream and allocated from its own memory."""
        library = cupy()
        outer = library.cuda.get_current_stream()
        self.stream.wait_event(outer.record())
        with library.cuda.using_allocator(self.pool.malloc), self.stream:
            yield
        outer.wait_event(self.stream.record())

    def load(self, operands: tuple[Any, ...]) -> None:
        """Copy the operands of this call to where the graph reads them."""
        for own, given in zip(self.operands, operands, strict=True):
            place = own.array()
            if hasattr(given, "__cuda_array_interface__"):
                place[...] = given
            else:
                place.set(np.ascontiguousarray(given))

    def record(self, step: Callable[..., Any], with_key: bool) -> None:
        """Capture the step; nothing is executed."""
        from extensor.kernels.keys_cuda import derive_keys

        root = {"key": CapturedKey((), self.capture)} if with_key else {}
        self.stream.begin_capture()
        try:
            with recording(self.capture):
                derive_keys(self.capture.inputs, self.table, self.capture.keys)
                self.answer = step(*self.operands, **root)
        except BaseException:
            self._abandon()
            raise
        self.graph = self.stream.end_capture()
        self.table.set(self.capture.table())

    def _abandon(self) -> None:
        """End a capture that failed; what CUDA says of it then is not news."""
        try:
            self.stream.end_capture()
        except cupy().cuda.runtime.CUDARuntimeError:
            pass

    def replay(self, key: Key | None) -> None:
        """Queue the captured step with this key and with this step's numbers."""
        at = self.calls % BUFFERS
        if self._used[at] is not None:
            self._used[at].synchronize()
        self.capture.fill(self._host[at], key)
        self.capture.inputs.set(self._host[at])
        self._used[at] = self.stream.record()
        self.graph.launch(self.stream)


def _pinned(count: int) -> Any:
    """A float64 host array that the GPU copies from without waiting."""
    memory = cupy().cuda.alloc_pinned_memory(8 * count)
    array: Any = np.frombuffer(memory, np.float64, count)
    array[...] = 0
    return array


class Compiled(Generic[R]):
    """A step and its graphs, one for each set of operand shapes."""

    def __init__(self, step: Callable[..., R]) -> None:
        self.step = step
        self._graphs: dict[Any, Graph] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        """One step. A replay's answer is overwritten by the next one: read it, or copy it."""
        key = kwargs.pop("key", None)
        if kwargs:
            raise DispatchError(
                f"compile: keyword {', '.join(kwargs)}; allowed: tensors by position, and key="
            )
        operands = tuple(_array(x) for x in args)
        shapes = (*((x.shape, x.dtype.str) for x in operands), key is None)
        graph = self._graphs.get(shapes)
        if graph is None:
            graph = self._graphs[shapes] = Graph(operands)
        given: Any = {} if key is None else {"key": key}
        with graph.inside():
            graph.load(operands)
            if graph.calls < WARM:
                answer: Any = self.step(*graph.operands, **given)
            else:
                if graph.graph is None:
                    self._record(graph, key is not None)
                graph.replay(key)
                answer = graph.answer
            graph.calls += 1
        return answer  # type: ignore[no-any-return]

    def _record(self, graph: Graph, with_key: bool) -> None:
        try:
            graph.record(self.step, with_key)
        except cupy().cuda.runtime.CUDARuntimeError as error:
            raise GraphError(
                f"compile: the step cannot be captured ({error}); it may not wait for the GPU "
                "(item(), numpy(), print, a condition on a value) or allocate outside of the graph"
            ) from None


def _array(x: Any) -> Any:
    """An operand's array; tensors must be native."""
    if isinstance(x, ExTensor):
        return x.array()
    return x if hasattr(x, "__cuda_array_interface__") else np.asarray(x)


def compile(step: Callable[..., R]) -> Compiled[R]:
    """A step that runs as a CUDA graph: same arguments, same numbers, one launch.

    step
        A function of tensors (arrays are taken along and moved to the GPU) and, where it draws
        random words, of ``key=``. It may change parameters and optimizer state in place. It runs
        on the GPU alone: waiting for a value inside of it raises GraphError.

    Learning rates, bias corrections and keys are new in each replay. Operands of another shape
    make a graph of their own. The answer is the same tensors every time, overwritten by the next
    call.

    >>> import extensor as ex
    >>> twice = compile(lambda x: x + x)
    >>> twice(ex.asarray([1.0], device="cuda")).tolist()          # doctest: +SKIP
    [2.0]
    """
    return Compiled(step)
