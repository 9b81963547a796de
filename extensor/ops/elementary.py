"""Elementary functions of the Array API: trigonometric, hyperbolic, logarithms, remainders."""

import math
from typing import Any

import numpy as np

from extensor.ops.elementwise import floor, sigmoid, sqrt, where
from extensor.ops.registry import Op
from extensor.ops.rows import binary, unary


def _floor_divide(a: Any, b: Any) -> Any:
    with np.errstate(invalid="ignore" if a.dtype.kind == "f" else "warn"):
        y = np.floor_divide(a, b)
    if y.dtype.kind != "f":
        return y
    whole = (np.isinf(a) & np.isfinite(b)) | (np.isfinite(a) & np.isinf(b))
    return np.where(whole, a / b, y)


# fmt: off
# of an angle, and back ------------------------------------------------------------------------
tan: Op = unary("tan", np.tan, lambda g, y, x: (g * (y * y + 1.0),), "tangent",
                saves=("y",), result="float", complex=True, domain=(-1.0, 1.0))
asin: Op = unary("asin", np.arcsin, lambda g, y, x: (g / sqrt(1.0 - x * x),), "arcsine",
                 saves=(0,), result="float", complex=True, domain=(-0.8, 0.8))
acos: Op = unary("acos", np.arccos, lambda g, y, x: (-g / sqrt(1.0 - x * x),), "arccosine",
                 saves=(0,), result="float", complex=True, domain=(-0.8, 0.8))
atan: Op = unary("atan", np.arctan, lambda g, y, x: (g / (x * x + 1.0),), "arctangent",
                 saves=(0,), result="float", complex=True)
atan2: Op = binary("atan2", np.arctan2,
                   lambda g, y, a, b: (g * b / (a * a + b * b), -g * a / (a * a + b * b)),
                   "the angle of the point (b, a)", saves=(0, 1), result="float",
                   domain=(0.5, 2.0))

# hyperbolic -----------------------------------------------------------------------------------
sinh: Op = unary("sinh", np.sinh, lambda g, y, x: (g * cosh(x),), "hyperbolic sine",
                 saves=(0,), result="float", complex=True)
cosh: Op = unary("cosh", np.cosh, lambda g, y, x: (g * sinh(x),), "hyperbolic cosine",
                 saves=(0,), result="float", complex=True)
asinh: Op = unary("asinh", np.arcsinh, lambda g, y, x: (g / sqrt(x * x + 1.0),),
                  "inverse hyperbolic sine", saves=(0,), result="float", complex=True)
acosh: Op = unary("acosh", np.arccosh,
                  lambda g, y, x: (g / (sqrt(x - 1.0) * sqrt(x + 1.0)),),
                  "inverse hyperbolic cosine", saves=(0,), result="float", complex=True,
                  domain=(1.5, 3.0))
atanh: Op = unary("atanh", np.arctanh, lambda g, y, x: (g / (1.0 - x * x),),
                  "inverse hyperbolic tangent", saves=(0,), result="float", complex=True,
                  domain=(-0.8, 0.8))

# logarithms and lengths -----------------------------------------------------------------------
log2: Op = unary("log2", np.log2, lambda g, y, x: (g / x * (1 / math.log(2)),),
                 "the logarithm to base 2", saves=(0,), result="float", complex=True,
                 domain=(0.5, 2.0))
log10: Op = unary("log10", np.log10, lambda g, y, x: (g / x * (1 / math.log(10)),),
                  "the logarithm to base 10", saves=(0,), result="float", complex=True,
                  domain=(0.5, 2.0))
logaddexp: Op = binary("logaddexp", np.logaddexp,
                       lambda g, y, a, b: (g * sigmoid(a - b), g * sigmoid(b - a)),
                       "log(exp(a) + exp(b)), without overflow", saves=(0, 1), result="float")
hypot: Op = binary("hypot", np.hypot, lambda g, y, a, b: (g * a / y, g * b / y),
                   "sqrt(a * a + b * b), without overflow", saves=(0, 1, "y"), result="float",
                   domain=(0.5, 2.0))

# signs and neighbours -------------------------------------------------------------------------
positive: Op = unary("positive", np.positive, lambda g, y, x: (g,), "+x", complex=True)
signbit: Op = unary("signbit", np.signbit, None, "whether the sign bit is set: true for -0.0",
                    result="bool")
copysign: Op = binary("copysign", np.copysign,
                      lambda g, y, a, b: (where(signbit(a) == signbit(b), g, -g), g * 0.0),
                      "the magnitude of a with the sign of b", saves=(0, 1), result="float")

# whole numbers --------------------------------------------------------------------------------
trunc: Op = unary("trunc", np.trunc, lambda g, y, x: (g * 0.0,), "the integer towards zero")
floor_divide: Op = binary("floor_divide", _floor_divide, lambda g, y, a, b: (None, None),
                          "the largest integer below or at a / b; of infinities as the Array API "
                          "says: inf // 2 is inf, 1 // -inf is -0", domain=(0.5, 2.0))
remainder: Op = binary("remainder", np.remainder, lambda g, y, a, b: (g, -g * floor(a / b)),
                       "a - b * floor(a / b), with the sign of b", saves=(0, 1),
                       domain=(0.5, 2.0))
# fmt: on
