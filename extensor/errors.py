"""The exceptions of extensor: every error that a user can cause is one of these.

A message says the operation, what came, what is allowed, and what to do. Each class is also the
built-in exception that Python programmers expect, so ``except ValueError`` keeps working.

>>> try:
...     raise ShapeError("add: shapes (2,) and (3,) do not broadcast")
... except ValueError as error:
...     print(error)
add: shapes (2,) and (3,) do not broadcast
"""


class ExtensorError(Exception):
    """The base class of every error that extensor raises on purpose."""


class DTypeError(ExtensorError, TypeError):
    """A number format that is unknown, or that the operation does not take."""


class ShapeError(ExtensorError, ValueError):
    """Shapes, axes or sizes that do not fit together."""


class IndexShapeError(ShapeError, IndexError):
    """An index that points outside of the tensor, or has too many axes."""


class FormatError(ExtensorError, ValueError):
    """A file, a code or a value that its format cannot hold."""


class DispatchError(ExtensorError, TypeError):
    """No kernel for these storage kinds on this device; the message lists what exists."""


class KeyMissingError(ExtensorError, ValueError):
    """Stochastic rounding (or dropout, or sampling) was asked for without a key."""


class GraphError(ExtensorError, RuntimeError):
    """A gradient that cannot be computed: no graph, or a saved tensor was changed in place."""


class AnomalyError(ExtensorError, ArithmeticError):
    """A NaN or an infinity that arose from finite numbers, in `extensor.detect_anomaly`."""


class CheckpointError(FormatError):
    """A checkpoint of another model or recipe, or one that cannot be written."""


class OutOfMemoryError(ExtensorError, MemoryError):
    """A device has no room for the buffer that an operation needs."""
