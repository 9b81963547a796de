"""Discrete Fourier transforms, by pocketfft (cuFFT on a GPU); they have no gradient.

With ``norm`` "backward" the inverse is divided by n, with "forward" the transform is, with "ortho"
both by the square root of n. float16 and narrower compute in float32; a blocked format has no
complex partner, so it is decoded first.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from extensor.ops.registry import Op, Sample, op

_ONE = (Sample(((3, 4),)), Sample(((4, 3),), {"n": 5, "axis": 0, "norm": "ortho"}))
_MANY = (Sample(((2, 3, 4),)), Sample(((2, 3, 4),), {"s": (3, 2), "axes": (0, 2)}))


def _along(name: str) -> Callable[..., Any]:
    """NumPy's transform along an axis (the module is loaded when it is first asked for)."""

    def meant(x: Any, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
        return getattr(np.fft, name)(x, n=n, axis=axis, norm=norm)

    return meant


def _over(name: str) -> Callable[..., Any]:
    """NumPy's transform over several axes."""

    def meant(x: Any, s: Any = None, axes: Any = None, norm: str = "backward") -> Any:
        return getattr(np.fft, name)(x, s=s, axes=axes, norm=norm)

    return meant


def _one(name: str, doc: str, result: Any = "complex", complex: bool = True) -> Op:
    return op(name, _along(name), None, doc, samples=_ONE, result=result, complex=complex,
              method=False)  # fmt: skip


def _many(name: str, doc: str, result: Any = "complex", complex: bool = True) -> Op:
    return op(name, _over(name), None, doc, samples=_MANY, result=result, complex=complex,
              method=False)  # fmt: skip


# fmt: off
fft: Op = _one("fft", "y[k] = sum(x[j] exp(-2 pi i j k / n)) along an axis")
ifft: Op = _one("ifft", "the inverse of fft")
rfft: Op = _one("rfft", "fft of a real tensor: its first n // 2 + 1 numbers",
                complex=False)
irfft: Op = _one("irfft", "the inverse of rfft, n numbers (2 (m - 1) without n)", "part")
hfft: Op = _one("hfft", "fft of a tensor with Hermitian symmetry, which is real", "part")
ihfft: Op = _one("ihfft", "the inverse of hfft", complex=False)
fftn: Op = _many("fftn", "fft over several axes")
ifftn: Op = _many("ifftn", "the inverse of fftn")
rfftn: Op = _many("rfftn", "fft over several axes of a real tensor, rfft over the last",
                  complex=False)
irfftn: Op = _many("irfftn", "the inverse of rfftn", "part")
# fmt: on
