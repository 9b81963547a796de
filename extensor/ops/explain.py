"""``explain``: which kernel would run, and why."""

from typing import Any

from extensor.backend import LIBRARIES
from extensor.errors import DispatchError
from extensor.formats import compute
from extensor.ops.registry import OPS, Op
from extensor.ops.route import route


def explain(name: str | Op, *operands: Any, **attributes: Any) -> str:
    """Which kernel would run for these tensors, and why.

    A miss lists what exists and names the fallback. DispatchError for an op that is not known.

    >>> import extensor as ex
    >>> x = ex.asarray([0.5], "bfloat16")
    >>> ex.explain("flip", x, axis=0)
    'flip(bfloat16) on cpu: codes are moved as they are, answer bfloat16'
    """
    row = name if isinstance(name, Op) else OPS.get(name)
    if row is None:
        raise DispatchError(f"explain: no op {name!r}; known: {', '.join(OPS)}")
    storages = [getattr(x, "storage", x) for x in operands]
    device = row.device(storages)
    found, how = row.find(storages, attributes, device), route(row, storages, attributes, device)
    formats = ", ".join(str(s.dtype) for s in storages)
    head = f"{row.name}({formats}) on {device}: "
    if found is not None:
        return head + f"kernel {found.name}, registered for ({', '.join(s.kind for s in storages)})"
    if how == "coded":
        return head + f"codes are moved as they are, answer {storages[0].dtype}"
    answer = row.result_dtype(storages)
    if how == "native":
        return head + f"{LIBRARIES[device]}, answer {answer}"
    have = "; ".join(sorted({f"({', '.join(k)})" for k, _ in row.kernels})) or "none"
    return head + (
        f"fallback: decode, {LIBRARIES[device]}, answer {compute(answer)}; kernels registered: "
        f"{have}"
    )
