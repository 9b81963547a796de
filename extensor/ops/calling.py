"""How a row is called: operands first, attributes by name or by position after them."""

from functools import cache
from inspect import Parameter, Signature, signature
from typing import Any

import numpy as np

from extensor.errors import DispatchError


@cache
def parameters(meaning: Any, arity: int) -> tuple[str, ...] | None:
    """Names of the operands and attributes in the order of a meaning; None: any number of operands.

    >>> parameters(np.add, 2), parameters(lambda x, axis=None: x, 1)
    (('x1', 'x2'), ('x', 'axis'))
    """
    if isinstance(meaning, np.ufunc):
        return tuple(f"x{i + 1}" for i in range(arity))
    found = signature(meaning).parameters.values()
    if any(p.kind is Parameter.VAR_POSITIONAL for p in found):
        return None
    return tuple(p.name for p in found)


def named(
    row: Any, given: tuple[Any, ...], attributes: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Operands, and attributes with those that were given by position.

    DispatchError for more than the meaning takes, or one that is given twice.
    """
    names = parameters(row.meaning, row.arity)
    if names is None:
        return given, attributes
    rest, free = given[row.arity :], names[row.arity :]
    twice = set(free[: len(rest)]) & set(attributes)
    if len(rest) > len(free) or twice:
        raise DispatchError(
            f"{row.name}: {len(given)} operands and attributes by position, and "
            f"{sorted(attributes)} by name; allowed: {', '.join(names)}"
        )
    return given[: row.arity], {**dict(zip(free, rest, strict=False)), **attributes}


def signature_of(meaning: Any, arity: int) -> Signature:
    """What `inspect.signature` says of a row.

    >>> print(signature_of(lambda x, axis=None: x, 1))
    (x, /, axis=None)
    """
    names = parameters(meaning, arity)
    if names is None:
        return Signature([Parameter("operands", Parameter.VAR_POSITIONAL)])
    defaults = {}
    if arity < len(names):
        found = list(signature(meaning).parameters.items())
        defaults = {name: p.default for name, p in found[arity:]}
    first, then = Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD
    return Signature(
        [
            Parameter(n, first if i < arity else then, default=defaults.get(n, Parameter.empty))
            for i, n in enumerate(names)
        ]
    )
