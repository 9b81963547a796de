"""What a function composed of ops does first with lists, numbers and arrays."""

from typing import Any

import numpy as np

from extensor.ops.shape import reshape


def tensors(*values: Any) -> tuple[Any, ...]:
    """Tensors as they are; lists, numbers and arrays as tensors, so that they have a shape.

    >>> import extensor as ex
    >>> [t.shape for t in tensors([1.0, 2.0], ex.asarray(3.0))]
    [(2,), ()]
    """
    return tuple(v if hasattr(v, "storage") else reshape(v, shape=np.shape(v)) for v in values)
