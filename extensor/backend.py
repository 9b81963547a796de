"""The one module that knows which array library holds the native arrays of a device.

``cpu`` is NumPy. ``cuda`` is CuPy, imported when it is first asked for. CuPy arrays answer NumPy's
own functions (NEP 13 and 18), so an op that is written with ``np.`` runs where its operands live;
this module adds what has no operand to go by: creation, transfer, streams and addresses.
"""

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from extensor.errors import DispatchError, GraphError

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
    return numbers if hasattr(numbers, "__cuda_array_interface__") else np.asarray(numbers)


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
    from extensor.kernels.gelu import erf as loop

    return loop(np.asarray(x))


def contiguous(array: Array) -> Array:
    """The array in C order, copied where it is not."""
    return library_of(array).ascontiguousarray(array)


def pointer(array: Array) -> np.uint64:
    """The address of the first element on its device."""
    if isinstance(array, np.ndarray):
        return np.uint64(array.ctypes.data)
    return np.uint64(array.data.ptr)


def stream_pointer() -> int:
    """The handle of the CUDA stream that work is queued on; 0 is the default stream."""
    return int(cupy().cuda.get_current_stream().ptr)


def synchronize() -> None:
    """Wait for the GPU; what failed there raises here."""
    cupy().cuda.get_current_stream().synchronize()
