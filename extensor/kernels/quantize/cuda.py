"""``quantize`` of device arrays: the same answer as on the CPU, bit for bit.

The fast kernels take what they support; `extensor.kernels.quantize.cuda_general` does the rest.
Nothing waits for the GPU, except ``nonfinite="raise"``, which must look at the numbers.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from extensor.backend import contiguous, cupy, pointer
from extensor.capture import key_arguments
from extensor.errors import DispatchError
from extensor.formats import BF16, Block
from extensor.kernels.cast_cuda import decode_elements
from extensor.kernels.choice import Choice
from extensor.kernels.cuda import blocks_for
from extensor.kernels.hadamard_cuda import hadamard as rotate
from extensor.kernels.pack_cuda import pack_rows
from extensor.kernels.packed import Packed, scale_shape
from extensor.kernels.quantize import cuda_general as general
from extensor.kernels.quantize.cuda_anywhere import Words, matrix, quantize_anywhere_cuda
from extensor.kernels.quantize.cuda_both import quantize_columns_cuda
from extensor.kernels.quantize.cuda_fast import quantize_fast_cuda
from extensor.kernels.quantize.dispatch import check, check_key
from extensor.kernels.quantize.launch import prepare
from extensor.kernels.quantize.levels import group_of
from extensor.kernels.quantize.plan import SCALE_DRAWS, plan
from extensor.kernels.quantize.scale import Strides, where
from extensor.noise import Key

THREADS = 128


@lru_cache(maxsize=256)
def _numbers(fmt: Block, choice: Choice) -> tuple[Any, Any]:
    """The integers and reals of the plan, on the device."""
    ints, reals = general.numbers(plan(fmt, choice))
    return cupy().asarray(ints), cupy().asarray(reals)


@lru_cache(maxsize=1024)
def _places(strides: tuple[int, ...]) -> Any:
    return cupy().asarray(np.array(strides, np.int64))


def _run(kernel: Any, cells: int, *args: Any) -> None:
    kernel.launch(blocks_for(cells, THREADS), THREADS, *args)


def quantize(
    x: Any,
    fmt: Block,
    choice: Choice,
    key: Key | None = None,
    strides: Strides | None = None,
    offset: int = 0,
    hadamard: int = 0,
    signs: tuple[int, ...] = (),
) -> Packed:
    """`extensor.kernels.quantize.dispatch.quantize` of a device array (A, R, K).

    Besides float32 and float64 it takes bfloat16, as its codes (uint16). The tensor scale stays on
    the device, a float32 array of shape (1,).
    """
    check_key(choice, key)
    refuse(choice)
    done = _fast(x, fmt, choice, key, strides, offset, hadamard, signs)
    if done is not None:
        return done
    ready = prepare(fmt, choice)
    if x.dtype == np.uint16:
        x = decode_elements(x, BF16)
    if hadamard:
        x = rotate(x, hadamard, signs).reshape(x.shape)
    check(x, fmt, choice, key, strides)
    if ready.divide is not None:
        x = x * ready.divide
    return quantize_general(x, fmt, choice, key, strides, offset)


def refuse(choice: Choice) -> None:
    """Raise DispatchError for what the CUDA kernels lack, before anything is written."""
    if lacks := choice.beyond_cuda:
        raise DispatchError(
            f"quantize: {', '.join(lacks)} has no CUDA kernel yet; allowed there: scale_rule None, "
            "'rceil', 'floor', 'even', 'ceil', ('cap', c); or quantize on the CPU and move the "
            "result: ex.quantize(x.to('cpu'), ...).to('cuda')"
        )


def _fast(
    x: Any, fmt: Block, choice: Choice, key: Key | None, strides: Strides | None, offset: int,
    hadamard: int, signs: tuple[int, ...],
) -> Packed | None:  # fmt: skip
    """The fast kernels' answer: for rows in order, for columns, for a matrix of any order."""
    if x.ndim != 3 or not x.size:
        return None
    a, r, k = x.shape
    in_order = strides in (None, (r * k, k, 1)) or (
        a == 1 and strides in ((0, k, 1), (r * k, k, 1))
    )
    done = None
    tile = fmt.shape[0] > 1
    if in_order and x.flags.c_contiguous and not tile:
        done = quantize_fast_cuda(x.reshape(-1, k), fmt, choice, key, offset, hadamard, signs)
    turned = a == 1 and strides is not None and strides[1:] == (1, r) and not hadamard
    if turned and not tile and offset == 0 and x[0].T.flags.c_contiguous:
        done = quantize_columns_cuda(x[0].T, fmt, choice, key)
    if done is None and a == 1 and (source := matrix(x[0])) is not None:
        words = Words(key, offset, *(strides[1:] if strides else (k, 1)))
        done = quantize_anywhere_cuda(source, fmt, choice, words, hadamard, signs)
    return done


def quantize_general(
    x: Any, fmt: Block, choice: Choice, key: Key | None, strides: Strides | None, offset: int
) -> Packed:
    """`quantize` for every format and choice; the arguments are checked already."""
    library = cupy()
    (_, group, length), rows = x.shape, x.shape[0] * x.shape[1]
    scale_rows, blocks = scale_shape(rows, length, group, fmt)
    cells = scale_rows * blocks
    places = pointer(_places(tuple(where(x.shape, strides, offset, None)[:4])))
    scale_key = key and key.fold(SCALE_DRAWS) if choice.scale_rounding == "stochastic" else None
    x, width = contiguous(x), x.dtype.itemsize
    ints, reals = _numbers(fmt, choice)
    iptr, rptr = pointer(ints), pointer(reals)
    amax = library.empty((scale_rows, blocks), np.float32)
    _run(
        general.block_amax, cells,
        pointer(x), width, group, length, blocks, iptr, cells, pointer(amax),
    )  # fmt: skip
    level, stored = _level(amax, fmt, choice, rptr)
    storage = fmt.scale_storage
    codes = library.empty((scale_rows, blocks), storage)
    exponents = library.empty((scale_rows, blocks), np.int32)
    multipliers = library.empty((scale_rows, blocks), np.float32)
    per_matrix = -(-group // fmt.shape[0]) if fmt.shape[0] > 1 else max(group, 1)
    _run(
        general.block_scales, cells,
        pointer(amax), iptr, rptr, np.uint64(0) if level is None else pointer(level), per_matrix,
        places, *key_arguments(scale_key), blocks, cells,
        storage.itemsize, pointer(codes), pointer(exponents), pointer(multipliers),
    )  # fmt: skip
    unpacked = library.empty((rows, blocks * fmt.length), np.uint8)
    _run(
        general.block_codes, rows * blocks,
        pointer(x), width, group, length, blocks, iptr, rptr,
        places, *key_arguments(key if choice.rounding == "stochastic" else None), rows * blocks,
        pointer(exponents), pointer(multipliers), pointer(unpacked),
    )  # fmt: skip
    packed = library.empty((rows, fmt.row_bytes(length)), np.uint8)
    pack_rows(unpacked, fmt.packed_bits, packed)
    return Packed(packed, codes, stored, fmt, length, group_of(fmt, rows, group))


def _level(amax: Any, fmt: Block, choice: Choice, reals: Any) -> tuple[Any, Any]:
    """(s_enc and 1 / s_enc, what is stored) on the device; see `levels.levels`."""
    if not fmt.tensor_scale or choice.tensor_scale is None:
        return None, None
    library = cupy()
    given = 0.0 if isinstance(choice.tensor_scale, str) else float(choice.tensor_scale)
    if fmt.scale.is_power_of_two:
        return None, library.full(1, given or 1.0, np.float32)
    top, level = library.zeros(1, np.int32), library.empty(2, np.float32)
    general.finite_max.launch(
        min(blocks_for(amax.size, THREADS), 1024), THREADS, pointer(amax), amax.size, pointer(top)
    )
    general.tensor_level.launch(1, 1, pointer(top), reals, np.float32(given), pointer(level))
    return level, level[1:]
