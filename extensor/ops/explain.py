"""``explain``: which kernel would run, and why."""

from typing import Any

from extensor.errors import DispatchError
from extensor.formats import compute
from extensor.ops.registry import OPS, Op


def explain(name: str | Op, *operands: Any, **attributes: Any) -> str:
    """Which kernel would run for these tensors, and why.

    A miss lists what exists and names the fallback.
    """
    row = name if isinstance(name, Op) else OPS.get(name)
    if row is None:
        raise DispatchError(f"explain: no op {name!r}; known: {', '.join(OPS)}")
    storages = [getattr(x, "storage", x) for x in operands]
    kinds = tuple(s.kind for s in storages)
    found = row.find(storages, attributes)
    formats = ", ".join(str(s.dtype) for s in storages)
    head = f"{row.name}({formats}) on cpu: "
    if found is not None:
        return head + f"kernel {found.name}, registered for ({', '.join(kinds)})"
    answer = row.result_dtype(storages)
    if all(k == "native" for k in kinds):
        return head + f"numpy, answer {answer}"
    have = "; ".join(f"({', '.join(k)})" for k, _ in row.kernels) or "none"
    return head + f"fallback: decode, numpy, answer {compute(answer)}; kernels registered: {have}"
