"""The one module that knows which array library holds the native arrays of a device.

``cpu`` is NumPy. ``cuda`` is CuPy, imported when it is first asked for. CuPy arrays answer NumPy's
own functions (NEP 13 and 18), so an op that is written with ``np.`` runs where its operands live;
this module adds what has no operand to go by: creation, transfer, streams and addresses.
"""

import threading
from ctypes import addressof, c_size_t, c_uint64, create_string_buffer
from functools import cache
from struct import Struct
from types import ModuleType
from typing import Any

import numpy as np

from extensor.errors import DispatchError, GraphError
from extensor.ghost import Ghost

LIBRARIES = {"cpu": "numpy", "cuda": "cupy"}
"""The array library of each device, by name."""
DEVICES = tuple(LIBRARIES)

Array = Any
"""A NumPy array, or one of CuPy with the same meaning."""


@cache
def cupy() -> ModuleType:
    """CuPy, where it is installed and a GPU answers; else DispatchError says what is missing."""
    try:
        import cupy as library
    except ImportError:
        raise DispatchError(
            "device: 'cuda' needs CuPy and numba-cuda; install extensor[cuda]"
        ) from None
    try:
        found = library.cuda.runtime.getDeviceCount()
    except library.cuda.runtime.CUDARuntimeError as error:
        raise DispatchError(f"device: 'cuda' is not available: {error}") from None
    if not found:
        raise DispatchError("device: 'cuda' is not available: no GPU was found")
    return library  # type: ignore[no-any-return]


def check_device(device: str | None) -> str:
    """The name of a device that exists: ``None`` is the CPU.

    >>> check_device(None)
    'cpu'
    """
    device = device or "cpu"
    if device not in DEVICES:
        raise DispatchError(f"device: unknown {device!r}; allowed: {', '.join(DEVICES)}")
    if device == "cuda":
        cupy()
    return device


def namespace(device: str) -> ModuleType:
    """The array library of a device.

    >>> namespace("cpu").__name__
    'numpy'
    """
    return np if check_device(device) == "cpu" else cupy()


def device_of(array: Array) -> str:
    """Where an array lives.

    >>> device_of(np.zeros(3))
    'cpu'
    """
    return "cuda" if hasattr(array, "__cuda_array_interface__") else "cpu"


def library_of(array: Array) -> ModuleType:
    """The array library that made an array.

    >>> library_of(np.zeros(3)).__name__
    'numpy'
    """
    return cupy() if hasattr(array, "__cuda_array_interface__") else np


def to_device(array: Array, device: str) -> Array:
    """The same numbers on a device; the array itself where it is there already.

    A copy to the host waits for the GPU.
    """
    if device_of(array) == device:
        return array
    if device == "cuda":
        return namespace(device).asarray(array)
    if cupy().cuda.get_current_stream().is_capturing():
        raise GraphError(
            "a copy to the host waits for the GPU, which a captured step cannot: return the tensor "
            "from the step and read it afterwards"
        )
    return cupy().asnumpy(array)


def as_array(numbers: Any) -> Array:
    """An array of either library as it is; anything else as a NumPy array.

    >>> as_array(3).shape
    ()
    """
    kept = type(numbers) is Ghost or hasattr(numbers, "__cuda_array_interface__")
    return numbers if kept else np.asarray(numbers)


def from_dlpack(obj: Any) -> Array:
    """The array behind an object of another library, without a copy, on the device it lies on."""
    on_gpu = int(obj.__dlpack_device__()[0]) != 1
    return cupy().from_dlpack(obj) if on_gpu else np.from_dlpack(obj)


def erf(x: Array) -> Array:
    """The error function, from float64, in the type of ``x``; SciPy's on a GPU.

    >>> erf(np.array([0.0])).tolist()
    [0.0]
    """
    if device_of(x) == "cuda":
        cupy()
        from cupyx.scipy.special import erf as run

        return run(x.astype(np.float64)).astype(x.dtype)
    if type(x) is Ghost:
        return np.empty_like(x)
    from extensor.kernels.gelu import erf as loop

    return loop(np.asarray(x))


def contiguous(array: Array) -> Array:
    """The array in C order, copied where it is not."""
    if type(array) is Ghost:
        return array.contiguous()
    return library_of(array).ascontiguousarray(array)


def pointer(array: Array) -> np.uint64:
    """The address of the first element on its device."""
    if isinstance(array, np.ndarray):
        return np.uint64(array.ctypes.data)
    return np.uint64(array.data.ptr)


def stream_pointer() -> int:
    """The handle of the CUDA stream that work is queued on; 0 is the default stream."""
    return int(cupy().cuda.get_current_stream().ptr)


def current_device() -> int:
    """The number of the GPU that work is queued on."""
    return int(cupy().cuda.runtime.getDevice())


class _Call(threading.local):
    """Where this thread puts the arguments of a launch: a buffer, and the driver's list for it.

    Source: NVIDIA, "CUDA Driver API", cuLaunchKernel: CU_LAUNCH_PARAM_BUFFER_POINTER is 1, _SIZE 2.
    """

    def __init__(self) -> None:
        self.buffer, self.size = create_string_buffer(4096), c_size_t(0)
        self.list = (c_uint64 * 5)(1, addressof(self.buffer), 2, addressof(self.size), 0)
        self.address = addressof(self.list)


_call = _Call()


def launch(
    kernel: int, blocks: tuple[int, int], threads: int, shared: int, layout: Struct, values: Any
) -> None:
    """Queue a kernel, given by the driver's handle, on the current stream.

    shared
        Bytes of dynamic shared memory.
    layout, values
        The arguments, as C lays out a struct of them; at most 4096 bytes.
    """
    layout.pack_into(_call.buffer, 0, *values)
    _call.size.value = layout.size
    cupy().cuda.driver.launchKernel(
        kernel, *blocks, 1, threads, 1, 1, shared, stream_pointer(), 0, _call.address
    )


def synchronize() -> None:
    """Wait for the GPU; what failed there raises here."""
    cupy().cuda.get_current_stream().synchronize()
