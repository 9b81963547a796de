"""The one module that knows which array library holds the native arrays of a device.

``cpu`` is NumPy. ``cuda`` is CuPy, imported when it is first asked for.
"""

from types import ModuleType
from typing import Any

import numpy as np

from extensor.errors import DispatchError

DEVICES = ("cpu", "cuda")

Array = Any
"""A NumPy array, or one of CuPy with the same meaning."""


def check_device(device: str | None) -> str:
    """The name of a device that exists: ``None`` is the CPU.

    >>> check_device(None)
    'cpu'
    """
    device = device or "cpu"
    if device not in DEVICES:
        raise DispatchError(f"device: unknown {device!r}; allowed: {', '.join(DEVICES)}")
    if device == "cuda":
        raise DispatchError(
            "device: 'cuda' has no kernels in this version; use device='cpu' (see the changelog)"
        )
    return device


def namespace(device: str) -> ModuleType:
    """The array library of a device.

    >>> namespace("cpu").__name__
    'numpy'
    """
    check_device(device)
    return np
