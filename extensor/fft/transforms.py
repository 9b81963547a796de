"""The transforms.

Each takes how many numbers to use along an axis (shorter input is filled with zeros, longer input
is cut) and where the factor 1 / n stands: ``norm`` "backward" (in the inverse), "forward" (in the
transform) or "ortho" (its root in both).
"""

from collections.abc import Sequence
from operator import index
from typing import Any, Literal

from extensor import ops
from extensor.errors import DTypeError, FormatError, ShapeError
from extensor.functions.operands import axes_of, floats
from extensor.ops.gather import check_axis
from extensor.tensor import ExTensor

Norm = Literal["backward", "ortho", "forward"]


def _checked(name: str, x: Any, norm: str) -> ExTensor:
    """A tensor that the transform takes; a blocked one is decoded."""
    if norm not in ("backward", "ortho", "forward"):
        raise FormatError(f"{name}: norm {norm!r}; allowed: 'backward', 'ortho', 'forward'")
    made = floats(name, x)
    if made.dtype.is_complex and name in ("rfft", "rfftn", "ihfft"):
        raise DTypeError(f"{name}: a tensor of {made.dtype}; allowed: real floats, or ex.fft.fft")
    return made


def _along(name: str, x: Any, n: int | None, axis: int, norm: str) -> ExTensor:
    made = _checked(name, x, norm)
    at = check_axis(name, axis, made.ndim)
    least = 2 if n is None and name in ("irfft", "hfft") else 1
    if made.shape[at] < least or (n is not None and index(n) < 1):
        raise ShapeError(
            f"{name}: n={n} for {made.shape[at]} entries along axis {axis}; allowed: n of 1 and "
            f"more, for {least} entries and more"
        )
    return ops.OPS[name](made, n=n, axis=at, norm=norm)  # type: ignore[no-any-return]


def _over(
    name: str, x: Any, s: Sequence[int] | None, axes: Sequence[int] | None, norm: str
) -> ExTensor:
    made = _checked(name, x, norm)
    at = axes_of(name, axes, made.ndim)
    if s is not None:
        if axes is None:
            at = at[made.ndim - len(s) :]
        if len(s) != len(at) or any(index(n) < 1 for n in s):
            raise ShapeError(
                f"{name}: s={tuple(s)} for axes {at}; allowed: a number of 1 and more for each axis"
            )
    if not at or any(made.shape[a] < 1 for a in at):
        raise ShapeError(f"{name}: shape {made.shape}, axes {at}; allowed: axes with entries")
    lengths = None if s is None else tuple(index(n) for n in s)
    return ops.OPS[name](made, s=lengths, axes=at, norm=norm)  # type: ignore[no-any-return]


def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> ExTensor:
    """The transform along an axis: ``y[k] = sum(x[j] exp(-2 pi i j k / n))``.

    >>> import extensor as ex
    >>> ex.abs(ex.fft.fft([1.0, 0.0, 0.0, 0.0])).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    return _along("fft", x, n, axis, norm)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> ExTensor:
    """The inverse of `fft`: ``x[j] = sum(y[k] exp(2 pi i j k / n)) / n``.

    >>> import extensor as ex
    >>> ex.real(ex.fft.ifft(ex.fft.fft([1.0, 2.0]))).tolist()
    [1.0, 2.0]
    """
    return _along("ifft", x, n, axis, norm)


def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> ExTensor:
    """`fft` of a real tensor: its first ``n // 2 + 1`` numbers, the others are conjugates.

    >>> import extensor as ex
    >>> ex.fft.rfft([1.0, 0.0, 0.0, 0.0]).shape
    (3,)
    """
    return _along("rfft", x, n, axis, norm)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> ExTensor:
    """The inverse of `rfft`: n real numbers, ``2 (m - 1)`` for m complex ones without n.

    >>> import extensor as ex
    >>> ex.fft.irfft(ex.fft.rfft([1.0, 2.0, 3.0]), n=3).tolist()
    [1.0, 2.0, 3.0]
    """
    return _along("irfft", x, n, axis, norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> ExTensor:
    """`fft` of a tensor with Hermitian symmetry, of which half is given: real numbers.

    >>> import extensor as ex
    >>> ex.fft.hfft([1.0, 0.0, 0.0]).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    return _along("hfft", x, n, axis, norm)


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> ExTensor:
    """The inverse of `hfft`: the first ``n // 2 + 1`` numbers.

    >>> import extensor as ex
    >>> ex.real(ex.fft.ihfft([4.0, 0.0, 0.0, 0.0])).tolist()
    [1.0, 1.0, 1.0]
    """
    return _along("ihfft", x, n, axis, norm)


def fftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> ExTensor:
    """`fft` over several axes.

    s, axes
        How many numbers along which axes; None: all of them.

    >>> import extensor as ex
    >>> ex.real(ex.fft.fftn([[1.0, 0.0], [0.0, 0.0]])).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    return _over("fftn", x, s, axes, norm)


def ifftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> ExTensor:
    """The inverse of `fftn`.

    s, axes
        How many numbers along which axes; None: all of them.

    >>> import extensor as ex
    >>> ex.real(ex.fft.ifftn([[4.0, 0.0], [0.0, 0.0]])).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    return _over("ifftn", x, s, axes, norm)


def rfftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> ExTensor:
    """`fftn` of a real tensor, `rfft` over the last of the axes.

    s, axes
        How many numbers along which axes; None: all of them.

    >>> import extensor as ex
    >>> ex.fft.rfftn([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).shape
    (2, 2)
    """
    return _over("rfftn", x, s, axes, norm)


def irfftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> ExTensor:
    """The inverse of `rfftn`: real numbers.

    s, axes
        How many numbers along which axes; None: all of them.

    >>> import extensor as ex
    >>> ex.fft.irfftn(ex.fft.rfftn([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    return _over("irfftn", x, s, axes, norm)
