"""How elementwise rows are declared: one operand, or two that broadcast.

The gradient of a broadcast operand is summed back to its shape; the rows do not mention it.
"""

from typing import Any

from extensor.ops.registry import Op, Sample, op
from extensor.ops.shape import sum_to

ONE = (Sample(((3, 4),)),)
TWO = (Sample(((3, 4), (3, 4))), Sample(((2, 3, 1), (4,))), Sample(((3, 1), (1, 4))))


def unbroadcast(grad: Any) -> Any:
    """A gradient whose parts are summed to the shapes of their operands."""

    def summed(g: Any, y: Any, *xs: Any, **attributes: Any) -> tuple[Any, ...]:
        parts = grad(g, y, *xs, **attributes)
        return tuple(
            p if p is None or p.shape == x.shape else sum_to(p, shape=x.shape)
            for p, x in zip(parts, xs, strict=True)
        )

    return summed


def binary(name: str, meaning: Any, grad: Any, doc: str, **facts: Any) -> Op:
    """A row of two operands that broadcast."""
    return op(name, meaning, unbroadcast(grad) if grad else None, doc, samples=TWO, **facts)


def unary(name: str, meaning: Any, grad: Any, doc: str, **facts: Any) -> Op:
    """A row of one operand."""
    return op(name, meaning, grad, doc, samples=ONE, **facts)
