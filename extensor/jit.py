"""``kernel``: Numba's ``njit`` with a disk cache that notices every edit.

Numba keys its cache by the file that holds the kernel, so a kernel keeps running the old machine
code after a scalar *in another file* was edited (numba issue 8851). The cure: a free variable is
part of the cache key. Each kernel gets one, ``_source``, that holds the hash of all files whose
functions can be inlined into a kernel: formats, scalar, philox and kernels. An edit changes the
hash, the key misses, the kernel is compiled anew; otherwise the warm cache hits.

Rules that keep the cache alive: jitted functions are module globals (a jitted function in a
closure cell never hits), closure cells hold numbers and strings only.

>>> def twice(x):
...     return x + x
>>> with_source(twice, "abc").__code__.co_freevars, with_source(twice, "abc")(21)
(('_source',), 42)
"""

import hashlib
from collections.abc import Callable
from functools import cache, update_wrapper
from pathlib import Path
from types import CellType, FunctionType
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

SOURCES = ("formats", "scalar.py", "philox.py", "jit.py", "kernels")
"""What a kernel can inline: files and folders below the package."""


def source_hash(root: Path) -> str:
    """A hash of all the source below ``root`` that machine code depends on."""
    digest = hashlib.sha256()
    for name in SOURCES:
        path = root / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def package_hash() -> str:
    """The hash of this installation, computed once a process."""
    return source_hash(Path(__file__).parent)


def with_source(function: F, source: str) -> F:
    """``function`` with one more free variable ``_source`` whose value is ``source``."""
    code = function.__code__
    code = code.replace(co_freevars=(*code.co_freevars, "_source"))
    cells = (*(function.__closure__ or ()), CellType(source))
    copy = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, cells)
    copy.__doc__, copy.__module__ = function.__doc__, function.__module__
    copy.__qualname__ = function.__qualname__
    return cast(F, copy)


class Kernel:
    """A function that is compiled when it is first called, here or from another kernel.

    A Numba dispatcher costs half a millisecond to make (a signature to read, a cache folder to
    find), and a process uses few of the package's many: so ``import extensor`` makes none. To
    Numba a kernel is its dispatcher, and every attribute of that can be read here.

    >>> @kernel()
    ... def twice(x):
    ...     return x + x
    >>> twice.__name__, twice._dispatcher is None
    ('twice', True)
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        update_wrapper(self, function)
        self._function, self._options = function, options
        self._dispatcher: Any = None

    def dispatcher(self) -> Any:
        """The Numba dispatcher, made by the first call."""
        if self._dispatcher is None:
            jit = njit(
                cache=True, nogil=True, error_model="numpy", boundscheck=False, **self._options
            )
            self._dispatcher = jit(with_source(self._function, package_hash()))
        return self._dispatcher

    def __call__(self, *args: Any) -> Any:
        """Run the machine code for these types of arguments."""
        return (self._dispatcher or self.dispatcher())(*args)

    def __getattr__(self, name: str) -> Any:
        """What the dispatcher says; Numba reads ``_numba_type_`` to call it from other kernels."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dispatcher(), name)


def kernel(*, parallel: bool = False, **options: Any) -> Callable[[F], F]:
    """Compile a function for the CPU, cached on disk, without the GIL and never with fastmath.

    parallel
        Allow ``prange``. Sums over ``prange`` depend on the number of threads: never use one
        where bits matter.
    options
        More of ``numba.njit``'s own, for example ``fastmath={"reassoc"}`` for a plain reduction.
    """

    def later(function: F) -> F:
        return cast(F, Kernel(function, {"parallel": parallel, **options}))

    return later
