"""cuBLASLt by ctypes: the matrix products on tensor cores that CuPy has no name for.

One product only: y = alpha a b.T + beta y for row-major a (M, K), b (N, K) and y (M, N), which to
cuBLAS's column-major eye is the "TN" product of b and a, the one that FP8 needs. Operands are
bfloat16 or FP8 codes, sums and results float32. Fast accumulation stays off: FP8 sums are carried
to float32 registers every few hundred k.

The library is found among those already loaded, then by the system's search, then in the folders
of NVIDIA's wheels.

Source: NVIDIA, "cuBLAS Library", section 3 (cublasLt API); enum values of its header.
"""

import ctypes
import ctypes.util
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from extensor.backend import cupy, pointer, stream_pointer
from extensor.errors import DispatchError

R_32F, R_16BF, E4M3, E5M2 = 0, 14, 28, 29
"""cudaDataType_t"""
BYTES = {R_32F: 4, R_16BF: 2, E4M3: 1, E5M2: 1}
WORKSPACE = 32 << 20
_COMPUTE_32F = 68
_POINTER_MODE, _TRANSA, _A_SCALE, _B_SCALE = 2, 3, 17, 18
_PREFERENCE_WORKSPACE = 1


def _places() -> Iterator[str]:
    for version in (13, 12):
        yield f"libcublasLt.so.{version}"
    if found := ctypes.util.find_library("cublasLt"):
        yield found
    spec = find_spec("nvidia")
    for root in spec.submodule_search_locations or () if spec else ():
        yield from map(str, sorted(Path(root).glob("*/lib/libcublasLt.so.*")))


@cache
def library() -> ctypes.CDLL:
    """The loaded library; DispatchError where there is none."""
    tried = []
    for name in _places():
        try:
            return ctypes.CDLL(name)
        except OSError:
            tried.append(name)
    raise DispatchError(
        f"matmul: cuBLASLt was not found (tried {', '.join(tried)}); install extensor[cuda] with "
        "NVIDIA's cuBLAS, or use exact=True"
    )


def call(name: str, *args: Any) -> None:
    """Call a function of the library; DispatchError with its status where it fails."""
    status = getattr(library(), name)(*args)
    if status:
        raise DispatchError(f"matmul: {name} failed with status {status}")


@cache
def handle() -> ctypes.c_void_p:
    """The one cuBLASLt context of this process."""
    made = ctypes.c_void_p()
    call("cublasLtCreate", ctypes.byref(made))
    return made


class Heuristic(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t: an algorithm, and the workspace that it wants."""

    _fields_ = (
        ("algorithm", ctypes.c_uint64 * 8),
        ("workspace", ctypes.c_size_t),
        ("state", ctypes.c_int),
        ("waves", ctypes.c_float),
        ("reserved", ctypes.c_int * 4),
    )


def layout(kind: int, rows: int, columns: int) -> ctypes.c_void_p:
    """A dense column-major matrix of a type."""
    made = ctypes.c_void_p()
    shape = ctypes.c_uint64(rows), ctypes.c_uint64(columns), ctypes.c_int64(rows)
    call("cublasLtMatrixLayoutCreate", ctypes.byref(made), kind, *shape)
    return made


def set_attribute(description: ctypes.c_void_p, what: int, value: Any) -> None:
    """Set one attribute of a product's description."""
    size = ctypes.c_size_t(ctypes.sizeof(value))
    call("cublasLtMatmulDescSetAttribute", description, what, ctypes.byref(value), size)


class Product(NamedTuple):
    """What is fixed for a shape: the description, the layouts and the chosen algorithm."""

    description: ctypes.c_void_p
    a: ctypes.c_void_p
    b: ctypes.c_void_p
    y: ctypes.c_void_p
    chosen: Heuristic


def choose(
    description: ctypes.c_void_p, first: Any, second: Any, answer: Any, shapes: str
) -> Heuristic:
    """The algorithm that cuBLASLt would take; DispatchError that names the shapes where none."""
    preference, chosen, count = ctypes.c_void_p(), Heuristic(), ctypes.c_int()
    call("cublasLtMatmulPreferenceCreate", ctypes.byref(preference))
    room = ctypes.c_size_t(WORKSPACE)
    call(
        "cublasLtMatmulPreferenceSetAttribute",
        preference, _PREFERENCE_WORKSPACE, ctypes.byref(room), ctypes.c_size_t(8),
    )  # fmt: skip
    call(
        "cublasLtMatmulAlgoGetHeuristic",
        handle(), description, first, second, answer, answer, preference, 1,
        ctypes.byref(chosen), ctypes.byref(count),
    )  # fmt: skip
    call("cublasLtMatmulPreferenceDestroy", preference)
    if not count.value:
        raise DispatchError(f"matmul: cuBLASLt has no product {shapes}")
    return chosen


@cache
def product(m: int, n: int, k: int, a: int, b: int, on_device: bool) -> Product:
    """The plan of a product; DispatchError where cuBLASLt has none (FP8: k a multiple of 16)."""
    description = ctypes.c_void_p()
    call("cublasLtMatmulDescCreate", ctypes.byref(description), _COMPUTE_32F, R_32F)
    set_attribute(description, _TRANSA, ctypes.c_int32(1))
    set_attribute(description, _POINTER_MODE, ctypes.c_int32(int(on_device)))
    if BYTES[a] == 1:  # so that the choice is one for scaled products; the addresses come later
        set_attribute(description, _A_SCALE, ctypes.c_void_p(256))
        set_attribute(description, _B_SCALE, ctypes.c_void_p(256))
    layouts = layout(b, k, n), layout(a, k, m), layout(R_32F, n, m)
    chosen = choose(description, *layouts, f"({m}, {k}) x ({n}, {k})")
    return Product(description, layouts[1], layouts[0], layouts[2], chosen)


@cache
def _constants(device: int) -> Any:
    return cupy().asarray([0.0, 1.0], "float32")


def multiply(
    a: Any,
    b: Any,
    y: Any,
    kinds: tuple[int, int],
    *,
    scales: tuple[int, int] | None = None,
    factor: Any = None,
    add: bool = False,
) -> None:
    """y = a b.T, or y + a b.T: (M, K) times (N, K) into float32 (M, N), all C-contiguous.

    kinds
        The types of a and b: `R_16BF`, `E4M3` or `E5M2` (of one operand at most).
    scales
        FP8: device addresses of the float32 that multiply a and b.
    factor
        A (1,) float32 device array that multiplies the sum; None for 1.
    """
    m, k = a.shape
    plan = product(m, b.shape[0], k, *kinds, factor is not None)
    if scales:
        set_attribute(plan.description, _A_SCALE, ctypes.c_void_p(scales[1]))
        set_attribute(plan.description, _B_SCALE, ctypes.c_void_p(scales[0]))
    if factor is None:
        alpha: Any = ctypes.byref(ctypes.c_float(1.0))
        beta: Any = ctypes.byref(ctypes.c_float(float(add)))
    else:
        table = int(pointer(_constants(cupy().cuda.Device().id)))
        alpha, beta = ctypes.c_void_p(int(pointer(factor))), ctypes.c_void_p(table + 4 * add)
    room = cupy().empty(max(plan.chosen.workspace, 1), "uint8")
    result = ctypes.c_void_p(int(pointer(y)))
    call(
        "cublasLtMatmul",
        handle(),
        plan.description,
        alpha,
        ctypes.c_void_p(int(pointer(b))),
        plan.b,
        ctypes.c_void_p(int(pointer(a))),
        plan.a,
        beta,
        result,
        plan.y,
        result,
        plan.y,
        ctypes.byref(plan.chosen),
        ctypes.c_void_p(int(pointer(room))),
        ctypes.c_size_t(room.nbytes),
        ctypes.c_void_p(stream_pointer()),
    )
