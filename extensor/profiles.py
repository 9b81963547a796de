"""Profiles: the choices with which a quantizer has the bits of another implementation.

Each names its peer and version, the formats that it was recorded in, and by name what is not equal;
the recorded outputs are compared in `tests/vectors/test_profiles.py`. Change what you like:
``ex.profiles.torchao("mxfp4", scale_rule="rceil")``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from extensor.errors import FormatError
from extensor.formats import (
    MXFP4,
    MXFP6_E2M3,
    MXFP6_E3M2,
    MXFP8_E4M3,
    MXFP8_E5M2,
    MXINT8,
    NVFP4,
    NVFP4_2D,
    Block,
    dtype,
)
from extensor.quantizer import Quantizer

EXCEPTIONS = {
    "not-finite": "NaN and Inf: ours make the scale NaN, every peer has a convention of its own",
    "zero-sign": "the peer drops or invents the sign of a zero; ours keeps it",
    "scale-code-0": "the peer flushes a block whose scale is the float32 subnormal 2^-127",
    "minus-128": "the peer uses the INT8 code -128; ours ends at -127, as its positive side does",
    "decode-overflow": "the peer decodes what is beyond float32 to its largest number, ours to Inf",
    "half-ulp": "the peer adds 1/2 in float32 and takes float log2: wrong beside midpoints and "
    "powers of two",
    "log2": "the peer takes float log2 of amax: its scale is wrong just beside a power of two",
    "tiny-wraps": "the byte of the peer's scale wraps around below 2^-125",
    "zero-tensor": "the peer gets NaN from an all-zero tensor, 0 / 0; ours are zeros",
    "subnormal-scale": "the peer gives zero codes to blocks whose E4M3 scale is subnormal",
    "zero-scale": "the peer replaces a zero scale: modelopt by 1, compressed-tensors by "
    "1/8, QuTLASS by 2^-27",
    "variance-overflow": "the peer squares in float32, which overflows from 2^63",
    "huge-scale": "the peer's scale overflows where an amax is 2^127 or more",
}
"""What is not equal to a peer: the name, and why."""

_MX = (MXFP4, MXFP6_E2M3, MXFP6_E3M2, MXFP8_E4M3, MXFP8_E5M2, MXINT8)


@dataclass(frozen=True)
class Profile:
    """How one implementation chooses; call it with a format for the quantizer.

    name, peer
        What it is called here, and whose outputs were recorded.
    formats
        The formats in which it was recorded; others raise.
    mx, nv
        Choices for power-of-two scales, and for scales with a mantissa.
    exceptions
        Names of `EXCEPTIONS`: where its bits are not these.

    >>> import extensor as ex
    >>> ex.profiles.microxcaling("mxfp4")
    Quantizer(mxfp4, scale_rule='floor', rounding='nearest_away')
    >>> ex.profiles.torchao(ex.nvfp4)
    Quantizer(nvfp4, scale_min=0.015625, arithmetic='divide')
    """

    name: str
    peer: str
    formats: tuple[Block, ...]
    mx: Mapping[str, Any] = field(default_factory=dict)
    nv: Mapping[str, Any] = field(default_factory=dict)
    exceptions: tuple[str, ...] = ("not-finite",)

    def __call__(self, fmt: object, **changes: Any) -> Quantizer:
        """The quantizer for a format (or its name), with some choices changed."""
        to = dtype(fmt)
        if not isinstance(to, Block) or to not in self.formats:
            raise FormatError(
                f"profile {self.name}: {to}; recorded for {', '.join(map(str, self.formats))}: "
                "use one of them, or a Quantizer with the choices that you mean"
            )
        choices = self.mx if to.scale.is_power_of_two else self.nv
        return Quantizer(to, **{**choices, **changes})


ocp = Profile(
    "ocp", "gfloat 0.5.2: OCP Microscaling Formats 1.0, section 6.3", _MX,
    {"scale_rule": "floor"}, exceptions=("not-finite", "minus-128"),
)  # fmt: skip
nvidia = Profile(
    "nvidia", "TransformerEngine d0067d0d (NVFP4), Model-Optimizer a2fbac7b (MXFP8)",
    (MXFP4, MXFP8_E4M3, MXFP8_E5M2, NVFP4, NVFP4_2D), {"scale_rule": "rceil"},
    exceptions=("not-finite", "zero-sign", "log2"),
)  # fmt: skip
torchao = Profile(
    "torchao", "torchao 0.18.0", (*_MX[:5], NVFP4), {"scale_rule": "floor"},
    {"scale_min": 2.0**-6, "arithmetic": "divide"},
    ("not-finite", "scale-code-0", "zero-tensor"),
)  # fmt: skip
triton = Profile(
    "triton", "triton_kernels db4666f2 (gpt-oss)", (MXFP4, MXFP8_E4M3, MXFP8_E5M2, NVFP4),
    {"scale_rule": "rceil"}, {"tensor_scale": None},
    ("not-finite", "scale-code-0", "decode-overflow", "subnormal-scale"),
)  # fmt: skip
microxcaling = Profile(
    "microxcaling", "microxcaling 7bc41952, float32 input", _MX,
    {"scale_rule": "floor", "rounding": "nearest_away"},
    exceptions=("not-finite", "zero-sign", "half-ulp"),
)  # fmt: skip
gguf = Profile(
    "gguf", "gguf-py 0.19.0", (MXFP4,), {"scale_rule": "floor", "rounding": "nearest_zero"},
    exceptions=("not-finite", "zero-sign", "log2", "tiny-wraps"),
)  # fmt: skip
modelopt = Profile(
    "modelopt", "Model-Optimizer a2fbac7b", (MXFP4, NVFP4),
    {"scale_rule": "rceil", "rounding": "nearest_zero"},
    {"scale_min": 2.0**-9, "arithmetic": "divide"},
    ("not-finite", "zero-sign", "log2", "zero-tensor", "zero-scale"),
)  # fmt: skip
compressed_tensors = Profile(
    "compressed_tensors", "compressed-tensors 0.20.0", (MXFP4, NVFP4), {"scale_rule": "even"},
    exceptions=("not-finite", "zero-sign", "zero-scale", "huge-scale"),
)  # fmt: skip
quartet = Profile(
    "quartet", "Quartet 00ccd38e, forward", (MXFP4,),
    {"scale_rule": "quest", "rounding": "nearest_zero", "ste": "trust"},
    exceptions=("not-finite", "variance-overflow"),
)  # fmt: skip
qutlass = Profile(
    "qutlass", "QuTLASS e74319e3, float64 reference, QuEST", (MXFP4,),
    {"scale_rule": "quest", "ste": "trust"}, exceptions=("not-finite", "zero-sign", "zero-scale"),
)  # fmt: skip

NAMED = {
    p.name: p
    for p in (
        ocp, nvidia, torchao, triton, microxcaling, gguf, modelopt, compressed_tensors, quartet,
        qutlass,
    )
}  # fmt: skip
"""All profiles by name."""


def get(name: str) -> Profile:
    """The profile of this name.

    >>> get("gguf")("mxfp4").rounding
    'nearest_zero'
    """
    if name not in NAMED:
        raise FormatError(f"profile: unknown name {name!r}; known: {', '.join(NAMED)}")
    return NAMED[name]
