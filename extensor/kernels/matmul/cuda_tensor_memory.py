"""MXFP4 times MXFP4 on compute capability 10.0: one tile of ``tcgen05.mma`` in tensor memory.

The smallest kernel that is whole: a thread block has a tile of 128 x 64 sums in tensor memory. For
each 64 elements of K it stages the codes in shared memory and the scales in tensor memory, one
thread starts the product, and all wait for it; at the end each warp reads its 32 rows of sums.

- Shared memory, no swizzle: core matrices of 8 rows x 16 bytes, 128 bytes each; the second half of
  a row (32 bytes) lies 128 bytes on (leading offset), the next 8 rows 256 (stride offset).
- Tensor memory: columns 0 to 63 the sums, 64 to 67 the scales of a, 68 to 71 those of b. Row
  32 c + l of an operand has its two scales in the low half of lane l of column c, and each of the
  four partitions of 32 lanes has a copy.

Compiled and assembled by the tests, and never run: no such GPU was at hand, and unlike
`cuda_blackwell` no test can play it through, so nothing chooses it. A device of compute capability
10.x multiplies by cuBLASLt.

Source: PTX ISA 9.0, 9.7.16 (tcgen05): 9.7.16.4.1 shared memory descriptor, table 44 instruction
descriptor, 9.7.16.5 canonical layouts, 9.7.16.10.7 block scaling.
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.kernels import ptx
from extensor.kernels.address import address_of
from extensor.kernels.cuda import cuda_kernel
from extensor.kernels.matmul.cuda_fragment import shared_address, store128_shared
from extensor.kernels.memory import write_f32

ROWS, COLUMNS, BYTES = 128, 64, 32
THREADS = 128
WIDTH = 128
"""Columns of tensor memory: a power of two."""
SCALES_A, SCALES_B = np.uint32(64), np.uint32(68)

INSTRUCTION = 1 << 7 | 1 << 10 | (COLUMNS >> 3) << 17 | 1 << 23 | (ROWS >> 7) << 27
"""E2M1 x E2M1, N, E8M0 scales, M; both scale ids 0, K = 64, nothing negated or transposed."""
DESCRIPTOR = (128 >> 4) << 16 | (256 >> 4) << 32 | 1 << 46
"""Leading and stride offset in units of 16 bytes, version 1, no swizzle; the address is added."""

_i64, _u32, _u64, _f32 = types.int64, types.uint32, types.uint64, types.float32


def _effect(text: str, takes: tuple[Any, ...] = (), results: tuple[Any, ...] = ()) -> Any:
    return ptx.instruction(text, results, takes, volatile=True)


_allocate = _effect(
    f"tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [$0], {WIDTH}; "
    "tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;",
    (_u32,),
)
_free = _effect(f"tcgen05.dealloc.cta_group::1.sync.aligned.b32 $0, {WIDTH};", (_u32,))
_barrier = _effect(
    "mbarrier.init.shared::cta.b64 [$0], 1; fence.mbarrier_init.release.cluster;", (_u32,)
)
_passed = _effect(
    "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [$1], $2; selp.u32 $0, 1, 0, p; }",
    (_u32, _u32),
    (_u32,),
)
_store_scales = _effect(
    "tcgen05.st.sync.aligned.32x32b.x4.b32 [$0], {$1, $2, $3, $4};", (_u32,) * 5
)
_staged = _effect(
    "tcgen05.wait::st.sync.aligned; fence.proxy.async.shared::cta; "
    "tcgen05.fence::before_thread_sync;"
)
_before_sync = _effect("tcgen05.fence::before_thread_sync;")
_after_sync = _effect("tcgen05.fence::after_thread_sync;")
_product = _effect(
    "{ .reg .pred p; setp.ne.u32 p, $6, 0; tcgen05.mma.cta_group::1.kind::mxf4.block_scale"
    ".scale_vec::2X [$0], $1, $2, $3, [$4], [$5], p; "
    "tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [$7]; }",
    (_u32, _u64, _u64, _u32, _u32, _u32, _u32, _u32),
)
_load_sums = _effect(
    "{ .reg .b32 a, b, c, d; tcgen05.ld.sync.aligned.32x32b.x4.b32 {a, b, c, d}, [$4]; "
    "tcgen05.wait::ld.sync.aligned; "
    "mov.b32 $0, a; mov.b32 $1, b; mov.b32 $2, c; mov.b32 $3, d; }",
    (_u32,),
    (_f32,) * 4,
)
_load_shared = _effect("ld.shared.u32 $0, [$1];", (_u32,), (_u32,))


@njit()
def staged_byte(row: Any, half: Any) -> Any:
    """Where 16 bytes of a row of 32 lie in shared memory.

    >>> staged_byte.py_func(9, 1)
    400
    """
    return (row >> 3) * 256 + half * 128 + (row & 7) * 16


@njit()
def _stage(codes: Any, row: Any, rows: Any, start: Any, pitch: Any, to: Any, place: Any) -> None:
    """Copy 32 bytes of a row; zeros beyond the matrix."""
    zero = np.uint32(0)
    for half in range(2):
        at, v = start + 16 * half, (zero, zero, zero, zero)
        if row < rows and at < pitch:
            v = ptx.load128(np.uint64(codes + row * pitch + at))
        store128_shared(np.uint32(to + np.uint32(staged_byte(place, half))), v[0], v[1], v[2], v[3])


@njit()
def _pair(scales: Any, row: Any, rows: Any, block: Any, blocks: Any) -> Any:
    """The scale codes of two blocks of a row in a half word; 0 beyond the matrix."""
    word = np.uint32(0)
    for j in range(2):
        if row < rows and block + j < blocks:
            code = ptx.load8(np.uint64(scales + row * blocks + block + j))
            word |= np.uint32(code << np.uint32(8 * j))
    return word


@njit()
def _stage_scales(
    scales: Any, row: Any, rows: Any, block: Any, blocks: Any, to: Any, columns: int
) -> None:
    """Write the scales of rows ``row + 32 c`` to column c of this warp's lanes."""
    zero = np.uint32(0)
    a, b = zero, zero
    if columns == 4:
        a = _pair(scales, row + 64, rows, block, blocks)
        b = _pair(scales, row + 96, rows, block, blocks)
    first = _pair(scales, row, rows, block, blocks)
    _store_scales(to, first, _pair(scales, row + 32, rows, block, blocks), a, b)


@cuda_kernel(
    *[_i64] * 4, _u64, *[_i64] * 4, needs=(10, 0, "a"), bounds=(THREADS, 1)
)  # fmt: skip
def mxfp4_tile(
    a: Any, a_scales: Any, b: Any, b_scales: Any, y: Any,
    rows: Any, columns: Any, pitch: Any, blocks: Any,
) -> None:  # fmt: skip
    """y = a b.T for packed MXFP4 rows: float32 (rows, columns), a tile of 128 x 64 a thread block.

    pitch, blocks
        Bytes of a row of codes, and of a row of scales, of both.
    """
    room = cuda.shared.array(1600, types.uint32, alignment=1024)
    base = np.uint32(shared_address(np.uint64(address_of(room))))
    left, right = base, np.uint32(base + np.uint32(4096))
    barrier, slot = np.uint32(base + np.uint32(6144)), np.uint32(base + np.uint32(6152))
    thread = np.int64(cuda.threadIdx.x)
    lane, warp = thread & 31, thread >> 5
    across = (columns + (COLUMNS - 1)) // COLUMNS
    row0 = np.int64(cuda.blockIdx.x) // across * ROWS
    column0 = np.int64(cuda.blockIdx.x) % across * COLUMNS
    if thread == 0:
        _barrier(barrier)
    if warp == 0:
        _allocate(slot)
    _before_sync()
    cuda.syncthreads()
    _after_sync()
    memory = _load_shared(slot)
    mine = np.uint32(memory + np.uint32(np.uint32(warp) << np.uint32(21)))
    phase, block, more = np.uint32(0), np.int64(0), np.uint32(0)
    for start in range(0, pitch, BYTES):
        _stage(a, row0 + thread, rows, start, pitch, left, thread)
        if thread < COLUMNS:
            _stage(b, column0 + thread, columns, start, pitch, right, thread)
        cuda.syncwarp()
        _stage_scales(a_scales, row0 + lane, rows, block, blocks, np.uint32(mine + SCALES_A), 4)
        _stage_scales(
            b_scales, column0 + lane, columns, block, blocks, np.uint32(mine + SCALES_B), 2
        )
        _staged()
        cuda.syncthreads()
        if thread == 0:
            _after_sync()
            _product(
                memory,
                np.uint64(DESCRIPTOR) | np.uint64(left >> np.uint32(4)),
                np.uint64(DESCRIPTOR) | np.uint64(right >> np.uint32(4)),
                np.uint32(INSTRUCTION), np.uint32(memory + SCALES_A), np.uint32(memory + SCALES_B),
                more, barrier,
            )  # fmt: skip
        while _passed(barrier, phase) == np.uint32(0):
            pass
        _after_sync()
        phase, more, block = np.uint32(phase ^ np.uint32(1)), np.uint32(1), block + 2
        cuda.syncwarp()
    row = row0 + thread
    for column in range(0, COLUMNS, 4):
        v = _load_sums(np.uint32(mine + np.uint32(column)))
        for i in range(4):
            c = column0 + column + i
            if row < rows and c < columns:
                write_f32(np.uint64(y + np.uint64(4 * (row * columns + c))), v[i])
        cuda.syncwarp()
    _before_sync()
    cuda.syncthreads()
    if warp == 0:
        _free(memory)
