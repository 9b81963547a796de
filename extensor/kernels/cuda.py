"""``cuda_kernel``: a Numba CUDA kernel that is compiled at its first launch, and listed.

A kernel declares the types that it takes and the compute capability that it needs, so
``KERNELS`` is all that a test must walk to compile and assemble every kernel on a machine that
has no GPU. Memory is passed by address (uint64) and read through `extensor.kernels.ptx`: a launch
then costs no conversion of arrays, and a kernel does not care who allocated them.

Imported on demand only: ``numba.cuda`` costs half a second.

>>> from numba import types
>>> @cuda_kernel(types.uint64, types.int64)
... def nothing(x, n):
...     pass
>>> KERNELS.pop("extensor.kernels.cuda.nothing").needs
(7, 5)
"""

from collections.abc import Callable
from struct import Struct
from typing import Any

from numba import cuda, types
from numba.cuda import dispatcher

from extensor.backend import current_device, launch
from extensor.jit import package_hash, with_source

dispatcher.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # small tensors make small grids

Capability = tuple[int, int] | tuple[int, int, str]
"""Compute capability: (9, 0), or (9, 0, "a") for instructions of one architecture alone."""

Needs = Capability | tuple[Capability, ...]
"""What a kernel needs: the lowest capability (with a letter: the only one), or one of several."""

TARGETS: tuple[Capability, ...] = ((7, 5), (8, 0), (9, 0, "a"), (10, 0, "a"), (12, 0, "a"))
"""What kernels are compiled for in CI."""


def alternatives(needs: Needs) -> tuple[Capability, ...]:
    """The capabilities of which a kernel needs one.

    >>> alternatives((8, 0)), alternatives(((10, 0, "a"), (12, 0, "a")))
    (((8, 0),), ((10, 0, 'a'), (12, 0, 'a')))
    """
    return tuple(n for n in needs if isinstance(n, tuple)) or (needs,)  # type: ignore[return-value]


class CudaKernel:
    """A function for the GPU with its types; compiled when first launched.

    needs
        The lowest compute capability; with a letter, the only one; several: one of them.
    constants
        The numbers that a factory closed over, to tell its kernels apart.
    bounds
        The most threads of a block, and how many blocks a multiprocessor should hold: the compiler
        then limits registers.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        takes: tuple[Any, ...],
        needs: Needs,
        name: str,
        bounds: tuple[int, int] | None = None,
    ) -> None:
        self.function, self.takes, self.needs, self.name = function, takes, needs, name
        self.bounds = bounds
        self._dispatcher: Any = None
        self._handles: dict[int, int] = {}
        self._layout = Struct("".join(_letters(takes)))
        self._flat = all(t in _LETTERS for t in takes)
        self._shared = 48 << 10

    def runs_on(self, target: Capability) -> bool:
        """Whether the kernel can be compiled for a compute capability.

        >>> CudaKernel(print, (), (8, 0), "").runs_on((9, 0, "a"))
        True
        >>> CudaKernel(print, (), ((10, 0, "a"), (12, 0, "a")), "").runs_on((9, 0, "a"))
        False
        """
        return any(
            target == least if len(least) == 3 else target[:2] >= least
            for least in alternatives(self.needs)
        )

    def launch(
        self, blocks: int | tuple[int, int], threads: int, *args: Any, shared: int = 0
    ) -> None:
        """Run on the current stream with ``blocks`` x ``threads`` threads; returns at once.

        The driver is called directly: Numba's own launch takes twenty times as long.
        """
        handle = self._handles.get(current_device()) or self._load()
        if shared > self._shared:
            self._allow(shared)
        if blocks:
            values = args if self._flat else _flattened(args)
            grid = blocks if isinstance(blocks, tuple) else (blocks, 1)
            launch(handle, grid, threads, shared, self._layout, values)

    def _load(self) -> int:
        """The driver's handle on the current device; compiles where nobody has."""
        (kernel,) = self.dispatcher().overloads.values()
        handle = int(kernel._codelibrary.get_cufunc().handle)
        self._handles[current_device()] = handle
        return handle

    def dispatcher(self) -> Any:
        """The compiled kernel, made by the first launch."""
        if self._dispatcher is None:
            options = {"launch_bounds": self.bounds} if self.bounds else {}
            self._dispatcher = cuda.jit(self.takes, cache=True, **options)(self.source())
        return self._dispatcher

    def _allow(self, shared: int) -> None:
        """Let blocks have more than 48 KiB of dynamic shared memory."""
        from numba.cuda.cudadrv.driver import binding, driver

        (kernel,) = self.dispatcher().overloads.values()
        function = kernel._codelibrary.get_cufunc()
        what = binding.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        driver.cuKernelSetAttribute(what, shared, function.handle, function.device.id)
        self._shared = shared

    def source(self) -> Any:
        """The function with the hash of all sources in its cache key (see `extensor.jit`)."""
        return with_source(self.function, package_hash())


KERNELS: dict[str, CudaKernel] = {}
"""Every CUDA kernel of the modules that were imported, by name."""


_LETTERS = {
    types.int32: "i",
    types.uint32: "I",
    types.int64: "q",
    types.uint64: "Q",
    types.float32: "f",
    types.float64: "d",
}
"""How `struct` writes an argument: sizes and alignments are those of the driver."""


def _letters(takes: tuple[Any, ...]) -> list[str]:
    """The letters of arguments; the items of a tuple follow each other."""
    return [x for t in takes for x in ([_LETTERS[t]] if t in _LETTERS else _letters(tuple(t)))]


def _flattened(args: tuple[Any, ...]) -> list[Any]:
    return [v for a in args for v in (a if isinstance(a, tuple) else (a,))]


def cuda_kernel(
    *takes: Any,
    needs: Needs = (7, 5),
    constants: tuple[Any, ...] = (),
    bounds: tuple[int, int] | None = None,
) -> Callable[[Callable[..., Any]], CudaKernel]:
    """Declare a CUDA kernel: the types of its arguments and what hardware it needs.

    constants
        Name the numbers that the function closes over: ``hadamard[64]``.
    bounds
        See `CudaKernel`.
    """

    def declare(function: Callable[..., Any]) -> CudaKernel:
        suffix = f"[{', '.join(map(str, constants))}]" if constants else ""
        name = f"{function.__module__}.{function.__name__}{suffix}"
        KERNELS[name] = CudaKernel(function, takes, needs, name, bounds)
        return KERNELS[name]

    return declare


def blocks_for(items: int, threads: int) -> int:
    """How many blocks of ``threads`` threads cover the items.

    >>> blocks_for(257, 256)
    2
    """
    return -(-items // threads)
