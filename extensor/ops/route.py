"""``route``: how an op would compute on these operands, in one word, before anything runs.

``native``
    The array library of the device (NumPy, CuPy), or a compiled loop beside it, on the numbers.
``coded``
    On the codes of elements: they are moved, never decoded.
``packed``
    A kernel that reads packed blocks.
``fallback``
    Decode, compute natively, round once to the format of the answer.

The fifth word of the matrix, ``raises``, is what an op answers: no route leads there.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from extensor.ops.registry import Op
from extensor.storage import Storage

Route = Literal["native", "coded", "packed", "fallback"]
_OWN: dict[str, Route] = {"native": "native", "coded": "coded", "blocked": "packed"}


def route(
    row: Op, storages: Sequence[Storage], attributes: Mapping[str, Any], device: str = "cpu"
) -> Route:
    """How ``row`` computes on these storages on a device (which need not be here).

    >>> import extensor as ex
    >>> x = ex.asarray([[1.0] * 32])
    >>> q = x.to(ex.mxfp4)
    >>> [route(ex.OPS["add"], [t.storage, t.storage], {}) for t in (x, q)]
    ['native', 'fallback']
    >>> route(ex.OPS["reshape"], [q.storage], {"shape": (1, 1, 32)})
    'packed'
    """
    kinds = {s.kind for s in storages}
    strange = "blocked" if "blocked" in kinds else "coded" if "coded" in kinds else "native"
    if strange == "native":
        return "native"
    if type(row)._run is not Op._run or row.find(storages, dict(attributes), device) is not None:
        return _OWN[strange]  # conversions read codes by themselves, kernels as registered
    return "coded" if row.moves_codes(storages) else "fallback"
