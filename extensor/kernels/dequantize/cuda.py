"""``dequantize`` of packed rows on the device: every format through tables of all codes."""

from functools import lru_cache
from math import isnan
from typing import Any

import numpy as np
from numba import cuda, types

from extensor.backend import cupy, pointer
from extensor.formats import Element
from extensor.kernels import ptx
from extensor.kernels.cuda import blocks_for, cuda_kernel
from extensor.kernels.dequantize.cuda_fast import dequantize_fast_cuda
from extensor.kernels.dequantize.dispatch import output_for
from extensor.kernels.dequantize.general import value_table
from extensor.kernels.memory import read_f32, read_f64, write_f32, write_f64
from extensor.kernels.pack_cuda import code_of
from extensor.kernels.packed import Packed

THREADS = 256
_u64, _i64 = types.uint64, types.int64
_NAN32, _NAN64 = np.float32(np.nan), np.float64(np.nan)


@cuda_kernel(_u64, _i64, _i64, _u64, _u64, _i64, _i64, _i64, _i64, _u64, _i64, _i64, _u64, _i64)
def decode_elements(  # type: ignore[no-untyped-def]
    codes: Any, size: Any, bits: Any, values: Any, scales: Any, blocks: Any, height: Any,
    length: Any, group: Any, factor: Any, n: Any, cells: Any, out: Any, width: Any,
):  # fmt: skip
    """One element a thread: ``(element * block scale) * tensor scale``; NaN is the canonical one.

    values, scales
        float64: the value of each code, of each stored scale.
    factor
        The address of the tensor scale, or 0.
    """
    cell = cuda.grid(1)
    if cell >= cells:
        return
    row, k = cell // n, cell % n
    s = row // group * ((group + height - 1) // height) + row % group // height
    code = code_of(codes + np.uint64(row * size), size, bits, k)
    v = read_f64(values + np.uint64(8 * code))
    v = v * read_f64(scales + np.uint64(8 * (s * blocks + k // length)))
    if width == 8:
        if factor != np.uint64(0):
            v = v * np.float64(read_f32(factor))
        write_f64(out + np.uint64(8 * cell), _NAN64 if isnan(v) else v)
    else:
        narrow = np.float32(v)
        if factor != np.uint64(0):
            narrow = ptx.mul(narrow, read_f32(factor))
        write_f32(out + np.uint64(4 * cell), _NAN32 if isnan(narrow) else narrow)


@lru_cache(maxsize=64)
def device_table(element: Element) -> Any:
    """The value of every code, float64, on the device."""
    return cupy().asarray(value_table(element))


def dequantize(p: Packed, dtype: Any = np.float32, *, out: Any = None) -> Any:
    """`extensor.kernels.dequantize.dispatch.dequantize` of packed rows on the device."""
    library = cupy()
    out = output_for(p, dtype, out, library.empty)
    if dequantize_fast_cuda(p, out):
        return out
    scales = p.scales
    table = device_table(p.fmt.scale)[scales] if scales.dtype.kind != "f" else scales
    table = library.ascontiguousarray(table, np.float64)
    codes = library.ascontiguousarray(p.codes)
    factor = np.uint64(0) if p.tensor_scale is None else pointer(p.tensor_scale)
    decode_elements.launch(
        blocks_for(out.size, THREADS), THREADS,
        pointer(codes), codes.shape[1], p.fmt.packed_bits, pointer(device_table(p.fmt.element)),
        pointer(table), scales.shape[1], p.fmt.shape[0], p.fmt.length, max(p.group, 1), factor,
        p.length, out.size, pointer(out), out.dtype.itemsize,
    )  # fmt: skip
    return out
