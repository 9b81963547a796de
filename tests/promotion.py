"""The promotion rule of the interface, written out a second time as plain tables and sentences.

One line each: what `extensor.promote` must answer for a pair of dtypes, or None where it raises.
"""

import re

WIDE = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]

COMPLEX = ["complex64", "complex128"]

FLOATS = {
    ("float16", "float16"): "float16",
    ("float16", "bfloat16"): "float32",
    ("float16", "float32"): "float32",
    ("float16", "float64"): "float64",
    ("bfloat16", "bfloat16"): "bfloat16",
    ("bfloat16", "float32"): "float32",
    ("bfloat16", "float64"): "float64",
    ("float32", "float32"): "float32",
    ("float32", "float64"): "float64",
    ("float64", "float64"): "float64",
}
"""Two floats of 16 bits or more: the smaller one that holds both."""

BLOCKED = re.compile("mxfp|mxint8|nvfp4")
_ORDER = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


def rule(a: str, b: str) -> str | None:
    """The dtype of ``a op b``."""
    if a in COMPLEX or b in COMPLEX:  # parts as wide as the wider; a block has no complex meaning
        if BLOCKED.match(a) or BLOCKED.match(b):
            return None
        return "complex128" if {a, b} & {"complex128", "float64"} else "complex64"
    if a in INTEGERS and b in INTEGERS:
        return _integers(a, b)
    if a in INTEGERS or b in INTEGERS:  # integers give way to floats; narrow ones compute float32
        other = b if a in INTEGERS else a
        return other if other in WIDE else "float32"
    if a not in WIDE and b not in WIDE:  # two narrow or blocked formats
        return "float32"
    if a not in WIDE or b not in WIDE:  # one of them: the wide partner
        return b if b in WIDE else a
    return FLOATS.get((a, b)) or FLOATS[b, a]


def _integers(a: str, b: str) -> str | None:
    """Array API: the wider; unsigned with signed is the next signed one; uint64 has none."""
    if a == b or b == "bool":
        return a
    if a == "bool":
        return b
    if a.startswith("uint") != b.startswith("uint"):
        unsigned, signed = (a, b) if a.startswith("uint") else (b, a)
        need = max(2 * int(unsigned[4:]), _ORDER[signed])
        return None if need > 64 else f"int{need}"
    return max(a, b, key=lambda name: int(name.lstrip("uint")))
