"""Ops on the bits of integers and on truth values. Floats have no bits here: DTypeError.

The codes of narrow formats are integers of their own: ``q.codes`` gives them.
"""

from typing import Any

import numpy as np

from extensor.ops.registry import Op
from extensor.ops.rows import binary, unary


def _whole(shift: Any) -> Any:
    """A shift of integers: NumPy takes truth values too and answers in another type."""

    def shifted(x1: Any, x2: Any) -> Any:
        if x1.dtype.kind == "b":
            raise TypeError("a truth value has no bits to shift")
        return shift(x1, x2)

    return shifted


# fmt: off
bitwise_and: Op = binary("bitwise_and", np.bitwise_and, None, "the bits set in a and in b")
bitwise_or: Op = binary("bitwise_or", np.bitwise_or, None, "the bits set in a or in b")
bitwise_xor: Op = binary("bitwise_xor", np.bitwise_xor, None, "the bits set in one of a and b")
bitwise_invert: Op = unary("bitwise_invert", np.invert, None, "every bit of x flipped")
bitwise_left_shift: Op = binary("bitwise_left_shift", _whole(np.left_shift), None,
                                "the bits of a moved up by b")
bitwise_right_shift: Op = binary("bitwise_right_shift", _whole(np.right_shift), None,
                                 "a / 2**b rounded down: the sign bit moves in")
logical_xor: Op = binary("logical_xor", np.logical_xor, None, "a or b, not both", result="bool")
# fmt: on
