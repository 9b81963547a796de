"""An example of every row of the op table, made from its first sample: a call and its answer.

The documentation prints them, and a test runs them as doctests: what the page shows is what the
call gives. Operands are short even steps through the row's domain, rounded to two digits.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

import extensor as ex
from extensor.ops.registry import Op

OWN: dict[str, str] = {
    **{f"bitwise_{how}": "[12, 10], [10, 3]" for how in ("and", "or", "xor")},
    "bitwise_invert": "[0, 5]",
    "bitwise_left_shift": "[1, 3], [2, 1]",
    "bitwise_right_shift": "[8, 3], [2, 1]",
    **{f"{how}_pool1d": "[[[1.0, 4.0, 2.0, 3.0]]], kernel=2, stride=2" for how in ("max", "avg")},
    **{
        f"{how}_pool2d": "[[[[1.0, 4.0], [2.0, 3.0]]]], kernel=(2, 2), stride=(2, 2)"
        for how in ("max", "avg")
    },
    **{f"{how}_pool3d": "[[[[[1.0, 3.0]]]]], kernel=(1, 1, 2), stride=1" for how in ("max", "avg")},
    **{
        f"adaptive_{how}_pool1d": "[[[1.0, 4.0, 2.0, 3.0]]], output_size=2"
        for how in ("max", "avg")
    },
    **{
        f"adaptive_{how}_pool2d": "[[[[1.0, 4.0], [2.0, 3.0]]]], output_size=(1, 2)"
        for how in ("max", "avg")
    },
    **{
        f"adaptive_{how}_pool3d": "[[[[[1.0, 4.0]]]]], output_size=(1, 1, 1)"
        for how in ("max", "avg")
    },
    "conv1d": "[[[1.0, 2.0, 3.0, 4.0]]], [[[1.0, -1.0]]]",
    "conv2d": "[[[[1.0, 2.0], [3.0, 4.0]]]], [[[[1.0, -1.0]]]]",
    "conv3d": "[[[[[1.0, 2.0, 4.0]]]]], [[[[[1.0, -1.0]]]]]",
}
"""Operands of rows whose samples are too long to read."""
LIMIT = 24
"""Numbers of an operand that are still worth reading."""


def _operand(given: Any, row: Op, nth: int) -> Any:
    """A shape of the sample as nested lists of numbers; anything else as it stands there."""
    if not (isinstance(given, tuple) and all(isinstance(n, int) for n in given)):
        return given.tolist() if hasattr(given, "tolist") else given
    count = prod(given)
    low, high = row.domain
    steps = np.linspace(low + 0.1 * nth, high, max(count, 2))[:count]
    return np.round(steps.reshape(given), 2).tolist()


def _shown(value: Any) -> str:
    """Python that makes a value again."""
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()})"
    if isinstance(value, tuple):
        inner = ", ".join(_shown(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def _plain(value: Any) -> bool:
    """Whether a value can be written into an example."""
    if isinstance(value, (tuple, list)):
        return all(_plain(v) for v in value)
    return value is None or isinstance(value, (bool, int, float, str, slice, np.ndarray))


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return round(value, 4) + 0.0 if isinstance(value, float) else value


def _call(row: Op) -> tuple[str, Any] | None:
    """The arguments as they are written, and the answer."""
    if row.name in OWN:
        return OWN[row.name], eval(f"row({OWN[row.name]})", {"row": row})
    for sample in row.samples:
        attributes: Mapping[str, Any] = sample.attributes
        operands = [_operand(shape, row, i) for i, shape in enumerate(sample.shapes)]
        size = max((np.size(o) for o in operands), default=0)
        if size > LIMIT or not all(_plain(v) for v in (*operands, *attributes.values())):
            continue
        given = [*map(str, operands), *(f"{k}={_shown(v)}" for k, v in attributes.items())]
        try:
            return ", ".join(given), row(*operands, **attributes)
        except ex.ExtensorError:
            continue
    return None


def example(row: Op) -> str | None:
    """``>>> call`` and its answer; None where no sample of the row is short enough."""
    called = _call(row)
    if called is None or not isinstance(called[1], ex.ExTensor):
        return None
    return f">>> rounded(OPS[{row.name!r}]({called[0]}))\n{rounded(called[1])}"


def rounded(answer: ex.ExTensor) -> Any:
    """What the examples print: nested lists of numbers to four digits."""
    return _rounded(answer.tolist())
