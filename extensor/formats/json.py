"""Formats as JSON: a name, or the facts of a user's own; what a file needs to give it back."""

from typing import Any

from extensor.errors import FormatError
from extensor.formats.base import Book, DType
from extensor.formats.block import Block
from extensor.formats.dtype import dtype
from extensor.formats.element import Fixed, Float


def to_json(fmt: DType) -> Any:
    """A name where the format has one, else its facts.

    >>> to_json(dtype("mxfp4")), to_json(Block(dtype("e2m1"), (1, 8)))["shape"]
    ('mxfp4', [1, 8])
    """
    if Book.formats.get(fmt.name) == fmt:
        return fmt.name
    for name, known in Book.formats.items():
        if known == fmt:  # the same facts under another name
            return name
    if isinstance(fmt, Block):
        return {
            "element": to_json(fmt.element), "shape": list(fmt.shape), "scale": to_json(fmt.scale),
            "tensor_scale": fmt.tensor_scale, "label": fmt.label,
        }  # fmt: skip
    if isinstance(fmt, Float):
        names = ("name", "exponent", "mantissa", "bias", "specials", "signed", "zero")
        return {n: getattr(fmt, n) for n in names}
    if isinstance(fmt, Fixed):
        return {"name": fmt.name, "bits": fmt.bits, "fraction": fmt.fraction}
    raise FormatError(f"format {fmt} has no JSON form")


def from_json(facts: Any) -> DType:
    """The format of a name or of facts; `FormatError` where they are no format.

    >>> from_json(to_json(Block(dtype("e2m1"), (1, 8)))) == Block(dtype("e2m1"), (1, 8))
    True
    """
    if isinstance(facts, str):
        return dtype(facts)
    try:
        facts = dict(facts)
        if "element" in facts:
            facts["element"], facts["scale"] = map(from_json, (facts["element"], facts["scale"]))
            return Block(**{**facts, "shape": tuple(facts["shape"])})
        return Fixed(**facts) if "fraction" in facts else Float(**facts)
    except (TypeError, ValueError, KeyError) as error:
        raise FormatError(f"format: {facts!r} is not one ({error})") from None
