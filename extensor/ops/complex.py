"""The parts of complex numbers, and functions of them where NumPy leaves the Array API's way.

Of a real tensor the real part is itself.
"""

from typing import Any

import numpy as np

from extensor.ops.registry import Op
from extensor.ops.rows import unary


def expm1(x: Any) -> Any:
    """``exp(x) - 1``; of complex infinities, NaN and zero as `numpy.exp` has it (C99, annex G).

    >>> expm1(np.array([complex(np.inf, 0)])).tolist()
    [(inf+0j)]
    """
    if x.dtype.kind != "c":
        return np.expm1(x)
    with np.errstate(invalid="ignore"):  # of what exp answers instead
        return np.where(np.isfinite(x) & (x != 0), np.expm1(x), np.exp(x) - 1)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent; of ``inf + b i`` it is ``1 + 0 i``, the zero with the sign of b.

    >>> tanh(np.array([complex(np.inf, 2)])).tolist()
    [(1+0j)]
    """
    y = np.tanh(x)
    if x.dtype.kind != "c":
        return y
    one = y.real.astype(y.dtype)
    edge = np.where(x.imag < 0, np.conjugate(one), one)
    return np.where(np.isinf(x.real) & np.isfinite(x.imag), edge, y)


# fmt: off
real: Op = unary("real", lambda x: np.real(x).copy(), lambda g, y, x: (g,), "the real part",
                 result="real", complex=True)
imag: Op = unary("imag", lambda x: np.imag(x).copy(), lambda g, y, x: (g * 0.0,),
                 "the imaginary part; zero for a real tensor", result="real", complex=True)
conj: Op = unary("conj", np.conjugate, lambda g, y, x: (g,), "the complex conjugate",
                 complex=True)
# fmt: on
