"""The next number of a format: the one function whose answer depends on how numbers are stored."""

from typing import Any

import numpy as np

from extensor.errors import DTypeError
from extensor.formats import FP32, Element, compute
from extensor.formats.element import TWOS_COMPLEMENT, UNSIGNED
from extensor.functions.operands import tensor
from extensor.info import result_type
from extensor.storage import Coded, Native
from extensor.tensor import ExTensor


def nextafter(x1: Any, x2: Any, /) -> ExTensor:
    """The number of the format next to ``x1`` on the side of ``x2``; x2 where they are equal.

    Two tensors of one coded format step from code to code of it; others in the format that they
    make together. DTypeError for complex numbers and integers alone.

    >>> import extensor as ex
    >>> one = ex.ones(1, dtype="float8_e4m3fn")
    >>> nextafter(one, 2 * one.to("float32")).tolist() == [1 + 2**-23]
    True
    >>> nextafter(one, ex.zeros(1, dtype="float8_e4m3fn")).tolist()
    [0.9375]
    """
    numbers = [x if isinstance(x, bool | int | float) else tensor(x) for x in (x1, x2)]
    formats = {x.dtype for x in numbers if isinstance(x, ExTensor)}
    to = formats.pop() if len(formats) == 1 else result_type(*numbers)
    if not isinstance(to, Element):
        to = FP32 if to.kind == "blocked" else to
    if not to.is_float:
        raise DTypeError(f"nextafter: {to}; allowed: real floats, for example x.to(ex.float32)")
    device = next((x.device for x in numbers if isinstance(x, ExTensor)), "cpu")
    a, b = (tensor(x).to(to if to.kind == "coded" else compute(to)) for x in numbers)
    a, b = a.to(device), b.to(device)
    if isinstance(to, Element) and to.kind == "coded":
        return ExTensor(Coded(_step(a.codes, b.codes, to), to))
    return ExTensor(Native(np.nextafter(a.array(), b.array())))


def _place(codes: Any, fmt: Element) -> Any:
    """Where a code's number stands among all numbers of the format, zero at 0."""
    top = 2 ** (fmt.bits - 1)
    if fmt.facts.sign == UNSIGNED:
        return codes
    below = codes - 2 * top if fmt.facts.sign == TWOS_COMPLEMENT else top - codes
    return np.where(codes < top, codes, below)


def _step(a: Any, b: Any, fmt: Element) -> Any:
    a, b = a.astype(np.int32), b.astype(np.int32)
    start, end = _place(a, fmt), _place(b, fmt)
    place, top = start + np.sign(end - start), 2 ** (fmt.bits - 1)
    negative = 2 * top + place if fmt.facts.sign == TWOS_COMPLEMENT else top - place
    code = np.where(start == end, b, np.where(place < 0, negative, place))
    if fmt.facts.nan_code >= 0:
        magnitude = 2 * top if fmt.facts.sign == UNSIGNED else top
        limit = max(fmt.facts.max_code, fmt.facts.inf_code)
        nan = (a % magnitude > limit) | (b % magnitude > limit)
        code = np.where(nan, fmt.facts.nan_code, code)
    return code.astype(fmt.storage)
