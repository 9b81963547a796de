"""``deferred``: a function whose module is imported by its first call.

Kernels are many and a process uses few: what is not called costs ``import extensor`` nothing.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any


class deferred:
    """The function ``name`` of a module, imported when it is first called.

    >>> double = deferred("operator", "add")
    >>> double(2, 2), double
    (4, <deferred operator.add>)
    """

    __slots__ = ("module", "name", "run")

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name
        self.run: Callable[..., Any] | None = None

    def load(self) -> Callable[..., Any]:
        """The function itself."""
        if self.run is None:
            self.run = getattr(import_module(self.module), self.name)
        return self.run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return (self.run or self.load())(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<deferred {self.module}.{self.name}>"
