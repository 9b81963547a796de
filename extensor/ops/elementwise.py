"""Elementwise ops, with NumPy's broadcasting."""

import math
from typing import Any

import numpy as np

from extensor.backend import erf as erf_of
from extensor.errors import FormatError
from extensor.kernels import front as kernels
from extensor.ops.complex import expm1 as expm1_of
from extensor.ops.complex import tanh as tanh_of
from extensor.ops.loops import add_loop, alike
from extensor.ops.registry import Op, Sample, op
from extensor.ops.rows import binary as _binary
from extensor.ops.rows import unary as _unary
from extensor.ops.rows import unbroadcast as _unbroadcast


def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return (np.where(x >= 0, 1, e) / (1 + e)).astype(x.dtype)


ROOT, CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu(x: Any, approximate: str = "none") -> Any:
    if approximate not in ("none", "tanh"):
        raise FormatError(f"gelu: approximate={approximate!r}; allowed: 'none', 'tanh'")
    if approximate == "tanh":
        return (x * 0.5 * (1 + np.tanh(ROOT * (x + CUBE * x * x * x)))).astype(x.dtype)
    return (x * 0.5 * (1 + erf_of(x / math.sqrt(2)))).astype(x.dtype)


def _gelu_slope(g: Any, y: Any, x: Any, approximate: str = "none") -> tuple[Any, ...]:
    if approximate == "none":
        return (gelu_grad(g, x),)
    t = tanh((x + x * x * x * CUBE) * ROOT)
    inner = x * (1.0 - t * t) * (x * x * (3 * CUBE * ROOT) + ROOT)
    return (g * 0.5 * (t + 1.0 + inner),)


def _gelu_grad(g: Any, x: Any) -> Any:
    density = np.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return (g * ((erf_of(x * (1 / math.sqrt(2))) + 1) * 0.5 + x * density)).astype(x.dtype)


def _gelu_second(v: Any, y: Any, g: Any, x: Any) -> tuple[Any, ...]:
    """The second derivative of gelu is (2 - x²) times the normal density."""
    density = exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return gelu_grad(v, x), v * g * density * (2.0 - x * x)


# arithmetic -----------------------------------------------------------------------------------
# fmt: off
add: Op = _binary("add", np.add, lambda g, y, a, b: (g, g), "a + b")
sub: Op = _binary("sub", np.subtract, lambda g, y, a, b: (g, -g), "a - b")
mul: Op = _binary("mul", np.multiply, lambda g, y, a, b: (g * b, g * a), "a * b", saves=(0, 1))
div: Op = _binary("div", np.divide, lambda g, y, a, b: (g / b, -(g * a) / (b * b)), "a / b",
              saves=(0, 1), result="float", domain=(0.5, 2.0))
pow: Op = _binary("pow", np.power, lambda g, y, a, b: (g * b * pow(a, b - 1.0),
                                        g * y * log(a) if b.requires_grad else None),
              "a to the power b", saves=(0, 1, "y"), domain=(0.5, 2.0))
maximum: Op = _binary("maximum", np.maximum,
                  lambda g, y, a, b: (g * tie_weight(a, b), g * tie_weight(b, a)),
                  "the larger of a and b; NaN propagates; ties share the gradient",
                  saves=(0, 1))
minimum: Op = _binary("minimum", np.minimum,
                  lambda g, y, a, b: (g * tie_weight(b, a), g * tie_weight(a, b)),
                  "the smaller of a and b; NaN propagates; ties share the gradient",
                  saves=(0, 1))
tie_weight: Op = _binary("tie_weight", lambda a, b: np.heaviside(a - b, 0.5).astype(a.dtype),
                     lambda g, y, a, b: (None, None), "1 where a > b, 1/2 where equal, else 0")
neg: Op = _unary("neg", np.negative, lambda g, y, x: (-g,), "-x")
abs: Op = _unary("abs", np.abs, lambda g, y, x: (g * sign(x),), "|x|", saves=(0,), result="real")
sign: Op = _unary("sign", np.sign, lambda g, y, x: (None,), "-1, 0 or 1")
square: Op = _unary("square", np.square, lambda g, y, x: (g * x * 2.0,), "x * x", saves=(0,))
reciprocal: Op = _unary("reciprocal", lambda x: 1 / x, lambda g, y, x: (-g * y * y,), "1 / x",
                    saves=("y",), result="float", domain=(0.5, 2.0))
sqrt: Op = _unary("sqrt", np.sqrt, lambda g, y, x: (g * 0.5 / y,), "the square root",
              saves=("y",), result="float", domain=(0.5, 2.0))
rsqrt: Op = _unary("rsqrt", lambda x: 1 / np.sqrt(x), lambda g, y, x: (g * y * y * y * -0.5,),
               "1 / sqrt(x)", saves=("y",), result="float", domain=(0.5, 2.0))
floor: Op = _unary("floor", np.floor, lambda g, y, x: (None,), "the largest integer below or at x")
ceil: Op = _unary("ceil", np.ceil, lambda g, y, x: (None,), "the smallest integer above or at x")
round: Op = _unary("round", np.rint, lambda g, y, x: (None,), "the nearest integer, ties to even")

# exponentials ---------------------------------------------------------------------------------
exp: Op = _unary("exp", np.exp, lambda g, y, x: (g * y,), "e to the x",
             saves=("y",), result="float")
log: Op = _unary("log", np.log, lambda g, y, x: (g / x,), "the natural logarithm",
             saves=(0,), result="float", domain=(0.5, 2.0))
log1p: Op = _unary("log1p", np.log1p, lambda g, y, x: (g / (x + 1.0),), "log(1 + x)",
               saves=(0,), result="float", domain=(-0.5, 2.0))
expm1: Op = _unary("expm1", expm1_of, lambda g, y, x: (g * (y + 1.0),), "exp(x) - 1",
               saves=("y",), result="float")
sin: Op = _unary("sin", np.sin, lambda g, y, x: (g * cos(x),), "sine", saves=(0,), result="float")
cos: Op = _unary("cos", np.cos, lambda g, y, x: (-g * sin(x),), "cosine",
             saves=(0,), result="float")
tanh: Op = _unary("tanh", tanh_of, lambda g, y, x: (g * (1.0 - y * y),), "hyperbolic tangent",
              saves=("y",), result="float")
erf: Op = _unary("erf", erf_of, lambda g, y, x: (g * exp(-(x * x)) * (2 / math.sqrt(math.pi)),),
             "the error function", saves=(0,), result="float")

# activations ----------------------------------------------------------------------------------
relu: Op = _unary("relu", kernels.relu, lambda g, y, x: (relu_grad(g, y),),
              "max(x, 0)", saves=("y",))
relu_grad: Op = op("relu_grad", kernels.relu_grad, lambda gg, out, g, y: (relu_grad(gg, y), None),
               "g where y > 0, else 0", saves=(1,), samples=(Sample(((3, 4), (3, 4))),),
               method=False)
leaky_relu: Op = _unary("leaky_relu",
                    lambda x, slope=0.01: np.where(x > 0, x, x * x.dtype.type(slope)),
                    lambda g, y, x, slope=0.01: (where(x > 0.0, g, g * slope),),
                    "x where x > 0, else slope * x", saves=(0,))
sigmoid: Op = _unary("sigmoid", _sigmoid, lambda g, y, x: (g * y * (1.0 - y),), "1 / (1 + exp(-x))",
                 saves=("y",), result="float")
silu: Op = _unary("silu", lambda x: x * _sigmoid(x),
              lambda g, y, x: (g * (sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))),),
              "x * sigmoid(x)", saves=(0,), result="float")
softplus: Op = _unary("softplus", lambda x: np.logaddexp(x, x.dtype.type(0)),
                  lambda g, y, x: (g * sigmoid(x),), "log(1 + exp(x))",
                  saves=(0,), result="float")
gelu: Op = op("gelu", _gelu, _gelu_slope,
          "x times the normal distribution function of x; approximate='tanh': of "
          "(1 + tanh(sqrt(2/pi) (x + 0.044715 x**3))) / 2 instead", saves=(0,), result="float",
          samples=(Sample(((3, 4),)), Sample(((3, 4),), {"approximate": "tanh"})))
gelu_grad: Op = op("gelu_grad", _gelu_grad, _gelu_second, "g times the derivative of gelu at x",
               saves=(0, 1), result="float", samples=(Sample(((3, 4), (3, 4))),), method=False)

# comparisons and choice -----------------------------------------------------------------------
equal: Op = _binary("equal", np.equal, None, "a == b", result="bool")
not_equal: Op = _binary("not_equal", np.not_equal, None, "a != b", result="bool")
less: Op = _binary("less", np.less, None, "a < b", result="bool")
less_equal: Op = _binary("less_equal", np.less_equal, None, "a <= b", result="bool")
greater: Op = _binary("greater", np.greater, None, "a > b", result="bool")
greater_equal: Op = _binary("greater_equal", np.greater_equal, None, "a >= b", result="bool")
logical_and: Op = _binary("logical_and", np.logical_and, None, "a and b", result="bool")
logical_or: Op = _binary("logical_or", np.logical_or, None, "a or b", result="bool")
logical_not: Op = _unary("logical_not", np.logical_not, None, "not x", result="bool")
isnan: Op = _unary("isnan", np.isnan, None, "whether x is not a number", result="bool")
isinf: Op = _unary("isinf", np.isinf, None, "whether x is infinite", result="bool")
isfinite: Op = _unary("isfinite", np.isfinite, None, "whether x is a finite number", result="bool")
where: Op = op("where", lambda c, a, b: np.where(c.astype(bool), a, b),
           _unbroadcast(lambda g, y, c, a, b: (None, where(c, g, g * 0.0), where(c, g * 0.0, g))),
           "a where the condition holds, else b", saves=(0,), typed=slice(1, None),
           samples=(Sample(((3, 4), (3, 4), (3, 4))), Sample(((4,), (3, 4), (1,)))))
# fmt: on

for _row in (add, sub, mul, div, pow, neg, abs, sign, square, reciprocal, sqrt, rsqrt, round, exp,
             log, log1p, expm1, sin, cos, tanh, equal, not_equal, isnan, isinf, isfinite,
             where):  # fmt: skip
    _row.complex = True
add_loop(gelu, "gelu", lambda x, **how: alike(x) and not how)
add_loop(gelu_grad, "gelu", operands=2)
