"""What stands on an operand of a GEMM: a quantizer, a cast, a scaled cast, or nothing."""

from dataclasses import dataclass, fields

from extensor.errors import DTypeError
from extensor.formats import DType, Element, dtype
from extensor.quantizer import Quantizer


@dataclass(frozen=True)
class PerTensor:
    """An element format under one float32 scale for the whole tensor: ``s = amax / max(element)``.

    How FP8 is trained without blocks (arXiv 2209.05433): ``x / s`` is encoded to nearest, the
    product is multiplied by both operands' ``s``. DTypeError for a format that has blocks, or that
    NumPy computes with.

    >>> from extensor.formats import E4M3
    >>> print(PerTensor(E4M3))
    float8_e4m3fn of the tensor's amax
    """

    element: Element

    def __post_init__(self) -> None:
        fmt: DType = dtype(self.element)
        if not isinstance(fmt, Element) or fmt.kind != "coded":
            raise DTypeError(
                f"PerTensor: {fmt} is no element format with codes; allowed: float8_e4m3fn and the "
                "like (for blocks use a Quantizer)"
            )
        object.__setattr__(self, "element", fmt)

    def __str__(self) -> str:
        return f"{self.element} of the tensor's amax"


Operand = Quantizer | PerTensor | Element | None
"""How an operand is stored: quantized, cast with a scale, cast (bf16), or as it is."""

_SHOWN = ("fmt", "scale_rule", "rounding", "scale_rounding", "hadamard", "signs", "prescale")
"""The choices that `show` has words of their own for."""


def show(q: Operand) -> str:
    """An operand in a few words: format, scale rule, rounding, and what else is not as usual.

    >>> from extensor.formats import MXFP4
    >>> show(Quantizer(MXFP4, rounding="stochastic", hadamard=32)), show(None)
    ('mxfp4 rceil stochastic H32', '-')
    """
    if not isinstance(q, Quantizer):
        return "-" if q is None else str(q)
    rule = q.scale_rule
    if isinstance(rule, tuple):
        rule = " ".join(str(part) if isinstance(part, str) else f"{part:g}" for part in rule)
    words = [str(q.fmt), rule or ("rceil" if q.fmt.scale.is_power_of_two else "amax")]
    words.append({"nearest_even": "nearest"}.get(q.rounding, q.rounding))
    words += [f"scales {q.scale_rounding}"] * (q.scale_rounding != "nearest")
    words += [f"H{q.hadamard}"] * bool(q.hadamard)
    words += [f"x{q.prescale:g}"] * (q.prescale != 1.0)
    for known in fields(q):
        if known.name not in _SHOWN and getattr(q, known.name) != known.default:
            words.append(f"{known.name}={getattr(q, known.name)}")
    return " ".join(words)
